package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"tyto/corpus"
	"tyto/eval"
	"tyto/internal/amount"
	"tyto/model"
	"tyto/train"
)

var trainCommand = command{
	name:  "train",
	usage: "train [CORPUS] [-o FILE] [--seed N] [--steps N] [--hold SPLIT] [--resume] [--figures DIR] [--commit REV] [--quiet]",
	short: "make a model of a corpus (corpus/data if none is given): the same corpus, seed and steps give the same file",
	run:   trainModel,
}

// training are the flags of train.
type training struct {
	corpus  string
	out     string
	hold    string
	resume  bool
	quiet   bool
	figures string // directory of what tyto eval measured
	commit  string // for the card
	options train.Options
}

func parseTrain(args []string) (t training, err error) {
	t.options = train.Defaults()
	fs := flag.NewFlagSet("train", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&t.out, "o", "session.model", "")
	fs.Uint64Var(&t.options.Seed, "seed", t.options.Seed, "")
	fs.IntVar(&t.options.Steps, "steps", t.options.Steps, "")
	fs.StringVar(&t.hold, "hold", "", "")
	fs.BoolVar(&t.resume, "resume", false, "")
	fs.StringVar(&t.figures, "figures", "", "")
	fs.StringVar(&t.commit, "commit", revision(), "")
	fs.BoolVar(&t.quiet, "quiet", false, "")
	t.corpus = "corpus/data"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		t.corpus, args = args[0], args[1:]
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			err = errors.New("help")
		}
		return t, usageError{err}
	}
	switch {
	case fs.NArg() > 0:
		return t, usageError{fmt.Errorf("%q: the corpus comes first, and only one", fs.Arg(0))}
	case t.options.Steps < 1 || t.options.Steps > 1_000_000:
		return t, usageError{fmt.Errorf("--steps %d: want 1 to 1,000,000", t.options.Steps)}
	}
	return t, nil
}

func trainModel(ctx context.Context, c *cli, args []string) error {
	t, err := parseTrain(args)
	if err != nil {
		return err
	}
	runs, err := readCorpus(t.corpus)
	if err != nil {
		return err
	}
	d := train.NewData(runs)
	if t.hold != "" {
		split, err := findSplit(runs, t.hold)
		if err != nil {
			return err
		}
		d = d.Part(func(r *corpus.Run) bool { return !split.Test(r) })
	}
	checkpoint := t.out + ".part"
	if t.resume {
		if t.options.Resume, err = os.ReadFile(checkpoint); err != nil {
			return fmt.Errorf("there is nothing to go on from: %w", err)
		}
	}
	t.options.Save = func(b []byte) error { return writeWhole(checkpoint, b) }
	if !t.quiet {
		fmt.Fprintf(c.stderr, "%d runs, %s sessions, %d apps, %d recipes\n", d.Runs, amount.Thousands(uint64(len(d.Examples))), len(d.Apps), len(d.Recipes))
		t.options.Progress = trainingShown(c)
	}
	k := card(t)
	if t.figures != "" {
		folds, err := eval.ReadFolds(t.figures)
		if err != nil {
			return err
		}
		k.Figures = eval.Figures(folds)
	}
	m, err := train.Fit(ctx, d, t.options, k)
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted: go on with tyto train … --resume; what was learned is in %s", checkpoint)
	}
	if err != nil {
		return err
	}
	b, err := m.Encode()
	if err != nil {
		return err
	}
	if err := writeWhole(t.out, b); err != nil {
		return err
	}
	if err := os.Remove(checkpoint); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	fmt.Fprintf(c.stdout, "%s: %d bytes, %s parameters. See tyto models %s, tyto eval --model %s\n", t.out, len(b), amount.Thousands(uint64(m.Card.Params)), t.out, t.out)
	return nil
}

// card is what is known of a model before it is trained.
func card(t training) model.Card {
	command := fmt.Sprintf("tyto train %s --seed %d --steps %d", t.corpus, t.options.Seed, t.options.Steps)
	if t.hold != "" {
		command += " --hold " + t.hold
	}
	if t.figures != "" {
		command += " --figures " + t.figures
	}
	return model.Card{
		Name:    "session",
		Purpose: "what a session does, from sizes, directions and times of its messages",
		Commit:  t.commit, Command: command,
		Reserved: "one run in ten, by the checksum of its name, calibrates and is not trained on",
		Limits: []string{
			"It has heard programs of Debian 12 in a lab of virtual links, and nothing else.",
			"What somebody intends cannot be heard in one session: a backup and an exfiltration, a monitoring agent and a beacon sound alike.",
			"Of sessions of fewer than eight packets little can be heard.",
		},
	}
}

// revision is the commit the program was built from.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	rev, dirty := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			rev = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = " and changes"
		}
	}
	return rev[:min(len(rev), 12)] + dirty
}

// trainingShown returns what shows how far a training is that begins now: one line
// that changes on a terminal, a line every 500 steps elsewhere.
func trainingShown(c *cli) func(train.Progress) {
	began := time.Now()
	_, tty := isTerminal(c.stderr)
	return func(p train.Progress) {
		took := time.Since(began)
		left := took * time.Duration(p.Steps-p.Step) / time.Duration(p.Step-p.First)
		line := fmt.Sprintf("step %d of %d  loss %.3f  %s messages/s  %s left", p.Step, p.Steps, p.Loss, amount.Thousands(uint64(float64(p.Messages)/took.Seconds())), left.Round(time.Second))
		switch {
		case tty && p.Step == p.Steps:
			fmt.Fprintf(c.stderr, "\r\x1b[K%s\n", line)
		case tty:
			fmt.Fprintf(c.stderr, "\r\x1b[K%s", line)
		case p.Step%500 == 0 || p.Step == p.Steps:
			fmt.Fprintln(c.stderr, line)
		}
	}
}

// readCorpus reads all runs of a corpus.
func readCorpus(path string) ([]*corpus.Run, error) {
	var runs []*corpus.Run
	for r, err := range corpus.Runs(path) {
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	if len(runs) == 0 {
		return nil, fmt.Errorf("%s: no runs; record some with tyto lab record PLAN -o %s --sequences", path, path)
	}
	return runs, nil
}

func findSplit(runs []*corpus.Run, name string) (corpus.Split, error) {
	var names []string
	for _, s := range corpus.Splits(runs) {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return corpus.Split{}, fmt.Errorf("no split is called %q: there are %s", name, strings.Join(names, ", "))
}

// writeWhole writes a file so that it is there whole or not at all.
func writeWhole(path string, b []byte) error {
	if err := os.WriteFile(path+".new", b, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

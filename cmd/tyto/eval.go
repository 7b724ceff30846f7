package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tyto/corpus"
	"tyto/eval"
	"tyto/model"
	"tyto/train"
)

var evalCommand = command{
	name:  "eval",
	usage: "eval [CORPUS] [--splits S1,S2/0,…] [-o DIR] [--steps N] [--seed N] [--no-baselines] [--again] | eval --report DIR | eval --outside CAPTURES [--model FILE] [-o DIR]",
	short: "train on what each split leaves and measure on what it holds back, beside baselines; DIR gets a file for each fold and README.md",
	run:   evaluate,
}

// evaluation are the flags of eval.
type evaluation struct {
	corpus      string
	splits      []string
	out         string
	report      string
	outside     string
	model       string
	noBaselines bool
	again       bool
	options     train.Options
}

func parseEval(args []string) (v evaluation, err error) {
	v.options = train.Defaults()
	fs := flag.NewFlagSet("eval", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	splits := "S1,S2"
	fs.StringVar(&splits, "splits", splits, "")
	fs.StringVar(&v.out, "o", "docs/eval", "")
	fs.StringVar(&v.report, "report", "", "")
	fs.StringVar(&v.outside, "outside", "", "")
	fs.StringVar(&v.model, "model", "", "")
	fs.Uint64Var(&v.options.Seed, "seed", v.options.Seed, "")
	fs.IntVar(&v.options.Steps, "steps", v.options.Steps, "")
	fs.BoolVar(&v.noBaselines, "no-baselines", false, "")
	fs.BoolVar(&v.again, "again", false, "")
	v.corpus = "corpus/data"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		v.corpus, args = args[0], args[1:]
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			err = errors.New("help")
		}
		return v, usageError{err}
	}
	if fs.NArg() > 0 {
		return v, usageError{fmt.Errorf("%q: the corpus comes first, and only one", fs.Arg(0))}
	}
	v.splits = strings.Split(splits, ",")
	return v, nil
}

func evaluate(ctx context.Context, c *cli, args []string) error {
	v, err := parseEval(args)
	if err != nil {
		return err
	}
	if v.report != "" {
		return writeReport(c, v.report)
	}
	if v.outside != "" {
		return evaluateOutside(ctx, c, &v)
	}
	runs, err := readCorpus(v.corpus)
	if err != nil {
		return err
	}
	d := train.NewData(runs)
	found := false
	for _, s := range corpus.Splits(runs) {
		group, _, _ := strings.Cut(s.Name, "/")
		if !slices.Contains(v.splits, s.Name) && !slices.Contains(v.splits, group) {
			continue
		}
		found = true
		if err := v.fold(ctx, c, d, s); err != nil {
			return err
		}
	}
	if !found {
		return usageError{fmt.Errorf("no split is called %s", strings.Join(v.splits, ","))}
	}
	return writeReport(c, v.out)
}

// fold trains and measures one fold. Of one that is there already, what is not is
// added: baselines.
func (v *evaluation) fold(ctx context.Context, c *cli, d *train.Data, s corpus.Split) error {
	trained, test := d.Part(func(r *corpus.Run) bool { return !s.Test(r) }), d.Part(s.Test)
	if len(test.Examples) == 0 {
		fmt.Fprintf(c.stderr, "%s: no run is held back\n", s.Name)
		return nil
	}
	f, err := v.measured(s.Name)
	if err != nil {
		return err
	}
	if f == nil {
		if f, err = v.fresh(ctx, c, trained, test, s); err != nil {
			return err
		}
	}
	if v.noBaselines || f.Compared() {
		return nil
	}
	f.Results = append(f.Results, eval.Baselines(trained, test, v.options.Seed, func(what string) { fmt.Fprintf(c.stderr, "%s: %s\n", s.Name, what) })...)
	return f.Write(v.out)
}

// measured returns the fold of that name if it is there and is not to be measured
// again, else nil.
func (v *evaluation) measured(name string) (*eval.Fold, error) {
	if v.again {
		return nil, nil
	}
	folds, err := eval.ReadFolds(v.out)
	if err != nil {
		return nil, err
	}
	for i := range folds {
		if folds[i].Split == name {
			return &folds[i], nil
		}
	}
	return nil, nil
}

// fresh trains a model, measures it and keeps what it came to.
func (v *evaluation) fresh(ctx context.Context, c *cli, trained, test *train.Data, s corpus.Split) (*eval.Fold, error) {
	began := time.Now()
	o := v.options
	o.Progress = trainingShown(c)
	m, err := train.Fit(ctx, trained, o, model.Card{Name: "session"})
	if err != nil {
		return nil, err
	}
	f := &eval.Fold{
		Split: s.Name, Doc: s.Doc, Commit: revision(), TrainedRuns: trained.Runs, Runs: test.Runs, Sessions: len(test.Examples),
		Command: fmt.Sprintf("tyto eval %s --splits %s --seed %d --steps %d", v.corpus, s.Name, o.Seed, o.Steps),
	}
	answers := eval.Hear(m, test)
	f.Results = append(f.Results, eval.Score(eval.Us, test, answers, eval.Thresholds(m)))
	f.Results = append(f.Results, eval.Audit(m, test)...)
	if err := f.Write(v.out); err != nil { // what is cut off keeps this
		return nil, err
	}
	fmt.Fprintf(c.stderr, "%s: trained and measured in %s\n", s.Name, time.Since(began).Round(time.Second))
	return f, eval.Draw(v.out, f, test, answers)
}

const evalHead = `# What was measured

Made by ` + "`tyto eval`" + `; each fold's figures, with the command that makes them again, are in its own file beside this one.
Figures are of what was held back; in brackets the range in which 95 % of draws of other runs fall. S0 holds back runs,
S1 networks, S2 programs, S3 recipes; folds that are not listed were not run. Charts of each fold (confusions of states and
protocols, reliability, reverse shells) lie beside this page. Folds are trained with as many steps as their command says, the
model in the program with 6,000. "DPI" goes by what a session was recognised as, and by nothing else.

`

func writeReport(c *cli, dir string) error {
	folds, err := eval.ReadFolds(dir)
	if err != nil {
		return err
	}
	if len(folds) == 0 {
		return fmt.Errorf("%s: no folds were measured; run tyto eval", dir)
	}
	path := filepath.Join(dir, "README.md")
	if err := writeWhole(path, []byte(evalHead+eval.Report(folds))); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "%s: %d folds\n", path, len(folds))
	return err
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"tyto/lab"
	"tyto/lab/label"
	scenarios "tyto/lab/scenario/all"
)

var labCommand = command{
	name:  "lab",
	usage: "lab doctor | list [NAME] | run NAME -o DIR [-n N] | record PLAN.json -o DIR | corpus DIR",
	short: "record labelled traffic of real programs in network namespaces; \"tyto lab help\" tells more",
	run:   runLab,
}

const labHelp = `tyto lab records real programs on hosts that are Linux namespaces, with the truth of what
they did. It needs root, and changes nothing on the machine.

  tyto lab doctor [--packages]
      what the machine lacks, and how to get it; --packages prints what all scenarios need
  tyto lab list [NAME]
      the catalogue of scenarios, or all about one
  tyto lab run NAME -o DIR [-n N] [--seed N] [--profile P] [--variant V] [--param K=V]… [--sensor S]
               [--typist T] [--hurry X] [-j N] [--attempts N]
      records one scenario N times; what is not set is drawn by the seed;
      with --hurry people pause X times shorter
  tyto lab record PLAN.json -o DIR [-j N] [--attempts N] [--sequences]
      records the runs of a plan, N at a time; what DIR has already is not made again
  tyto lab corpus DIR [--audit]
      counts what is in the shards of DIR, as Markdown; with --audit whether labels can be told from
      what must not tell them, such as profiles and ports

DIR gets NAME.pcap and NAME.json (the truth) for each run, and index.jsonl; with --sequences
shards of what can be heard of the sessions instead, a hundredth as large (package corpus).
Profiles:
`

func runLab(ctx context.Context, c *cli, args []string) error {
	if len(args) == 0 {
		return usageError{errors.New("doctor, list, run, record or corpus?")}
	}
	verb, args := args[0], args[1:]
	switch verb {
	case "doctor":
		return labDoctor(c, args)
	case "list":
		return labList(c, args)
	case "run":
		return labRun(ctx, c, args)
	case "record":
		return labRecord(ctx, c, args)
	case "corpus":
		return labCorpus(c, args)
	case "help", "-h", "--help":
		var names []string
		for _, p := range lab.Profiles() {
			names = append(names, p.Name)
		}
		fmt.Fprint(c.stdout, labHelp, wrap(strings.Join(names, ", "), "  ", 100))
		return nil
	}
	return usageError{fmt.Errorf("there is no %q, but doctor, list, run, record and corpus", verb)}
}

// parseMixed parses flags before, between and after other arguments.
func parseMixed(fs *flag.FlagSet, args []string) (others []string, err error) {
	fs.SetOutput(io.Discard)
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			return nil, usageError{err}
		}
		if args = fs.Args(); len(args) > 0 {
			others, args = append(others, args[0]), args[1:]
		}
	}
	return others, nil
}

func scenarioNamed(name string) (*lab.Scenario, error) {
	for _, s := range scenarios.Scenarios() {
		if s.Name == name {
			return s, nil
		}
	}
	return nil, usageError{fmt.Errorf("there is no scenario %q; \"tyto lab list\" lists them", name)}
}

func labDoctor(c *cli, args []string) error {
	fs := flag.NewFlagSet("doctor", flag.ContinueOnError)
	packages := fs.Bool("packages", false, "")
	others, err := parseMixed(fs, args)
	if err != nil || len(others) > 0 {
		return usageError{errors.Join(errors.New("doctor takes only --packages"), err)}
	}
	if *packages {
		fmt.Fprintln(c.stdout, strings.Join(lab.Packages(scenarios.Scenarios()), " "))
		return nil
	}
	ill := false
	for _, f := range lab.Examine() {
		switch {
		case f.Err == nil:
			fmt.Fprintf(c.stdout, "ok       %s\n", f.What)
		case f.Soft:
			fmt.Fprintf(c.stdout, "lacking  %s: %v\n         %s\n", f.What, f.Err, f.Help)
		default:
			ill = true
			fmt.Fprintf(c.stdout, "missing  %s: %v\n         %s\n", f.What, f.Err, f.Help)
		}
	}
	missing := missingPackages(c, scenarios.Scenarios())
	if len(missing) > 0 {
		fmt.Fprintf(c.stdout, "\nTo install what is missing, without starting services in it (Debian):\n  make lab-deps\nor\n  apt-get install -y --no-install-recommends %s\n", strings.Join(missing, " "))
	}
	if ill || len(missing) > 0 {
		return errReported
	}
	return nil
}

// missingPackages tells of each scenario which variants the machine can record,
// and returns the packages that the others need.
func missingPackages(c *cli, all []*lab.Scenario) (missing []string) {
	for _, s := range all {
		var lacking []string
		for _, v := range s.Variants {
			if m := v.Missing(); len(m) > 0 {
				lacking = append(lacking, v.Name)
				missing = append(missing, m...)
			}
		}
		if len(lacking) == 0 {
			fmt.Fprintf(c.stdout, "ok       %s: %d variants\n", s.Name, len(s.Variants))
		} else {
			fmt.Fprintf(c.stdout, "missing  %s: programs of %d of %d variants: %s\n", s.Name, len(lacking), len(s.Variants), strings.Join(lacking, ", "))
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

func labList(c *cli, args []string) error {
	if len(args) > 1 {
		return usageError{errors.New("list takes one scenario at most")}
	}
	const width = 100
	if len(args) == 1 {
		s, err := scenarioNamed(args[0])
		if err == nil {
			describe(c.stdout, s, width)
		}
		return err
	}
	for _, s := range scenarios.Scenarios() {
		fmt.Fprintf(c.stdout, "%s  (%s; %d variants)\n", s.Name, labelNames(s.Labels), len(s.Variants))
		fmt.Fprint(c.stdout, wrap(s.Doc, "    ", width))
	}
	return nil
}

// describe tells all about a scenario.
func describe(w io.Writer, s *lab.Scenario, width int) {
	row := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "%s\n", strings.TrimSuffix(hang(name, text, width), "\n"))
		}
	}
	fmt.Fprintf(w, "%s\n%s\n", s.Name, wrap(s.Doc, "  ", width))
	row("labels", labelNames(s.Labels))
	row("techniques", strings.Join(s.Techniques, ", "))
	row("twin", s.Twin)
	row("hosts", strings.Join(s.Hosts, ", "))
	for i, v := range s.Variants {
		text := v.Name
		if m := v.Missing(); len(m) > 0 {
			text += " (not on this machine: " + strings.Join(m, ", ") + ")"
		}
		name := ""
		if i == 0 {
			name = "variants"
		}
		row(name, text)
	}
	for i, p := range s.Params {
		values := slices.Compact(slices.Clone(p.Values))
		name := ""
		if i == 0 {
			name = "parameters"
		}
		row(name, fmt.Sprintf("%s = %s: %s", p.Name, strings.Join(values, " | "), p.Doc))
	}
}

func labelNames(labels []label.Label) string {
	var names []string
	for _, l := range labels {
		names = append(names, l.String())
	}
	return strings.Join(names, ", ")
}

// wrap breaks a text into lines of at most width columns, each after indent.
func wrap(text, indent string, width int) string {
	var b strings.Builder
	line := indent
	for _, word := range strings.Fields(text) {
		if line != indent {
			if len([]rune(line))+1+len([]rune(word)) > width {
				b.WriteString(line + "\n")
				line = indent
			} else {
				line += " "
			}
		}
		line += word
	}
	return b.String() + line + "\n"
}

// hang is wrap with a name before the first line.
func hang(name, text string, width int) string {
	indent := strings.Repeat(" ", 14)
	return fmt.Sprintf("  %-12s", name) + strings.TrimPrefix(wrap(text, indent, width), indent)
}

// labOptions are the flags of run and record.
type labOptions struct {
	dir       string
	parallel  int
	attempts  int
	sequences bool
}

func (o *labOptions) flags(fs *flag.FlagSet) {
	fs.StringVar(&o.dir, "o", "", "")
	fs.IntVar(&o.parallel, "j", 6*runtime.NumCPU(), "")
	fs.IntVar(&o.attempts, "attempts", 5, "")
	fs.BoolVar(&o.sequences, "sequences", false, "")
}

func (o *labOptions) check() error {
	switch {
	case o.dir == "":
		return usageError{errors.New("where to? -o DIR")}
	case o.parallel < 1 || o.parallel > 500:
		return usageError{errors.New("-j wants 1 to 500")}
	case o.attempts < 1 || o.attempts > 100:
		return usageError{errors.New("--attempts wants 1 to 100")}
	}
	return nil
}

func labRun(ctx context.Context, c *cli, args []string) error {
	var o labOptions
	config := lab.Config{Params: make(map[string]string)}
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	o.flags(fs)
	count := fs.Int("n", 1, "")
	fs.Uint64Var(&config.Seed, "seed", 1, "")
	fs.StringVar(&config.Variant, "variant", "", "")
	fs.StringVar(&config.Profile, "profile", "", "")
	fs.StringVar(&config.Sensor, "sensor", "", "")
	fs.StringVar(&config.Typist, "typist", "", "")
	fs.Float64Var(&config.Hurry, "hurry", 1, "")
	fs.Func("param", "", func(s string) error {
		k, v, ok := strings.Cut(s, "=")
		if !ok {
			return errors.New("want K=V")
		}
		config.Params[k] = v
		return nil
	})
	others, err := parseMixed(fs, args)
	if err != nil {
		return err
	}
	if len(others) != 1 {
		return usageError{errors.New("run which scenario? \"tyto lab list\" lists them")}
	}
	s, err := scenarioNamed(others[0])
	if err != nil {
		return err
	}
	if *count < 1 || *count > 1e6 {
		return usageError{errors.New("-n wants 1 to 1000000")}
	}
	if err := o.check(); err != nil {
		return err
	}
	var jobs []lab.Job
	for i := range *count {
		one := config
		one.Seed += uint64(i)
		one.Params = maps.Clone(config.Params)
		job, err := lab.NewJob(s, one)
		if err != nil {
			return usageError{err}
		}
		jobs = append(jobs, job)
	}
	return recordJobs(ctx, c, jobs, o)
}

func labRecord(ctx context.Context, c *cli, args []string) error {
	var o labOptions
	fs := flag.NewFlagSet("record", flag.ContinueOnError)
	o.flags(fs)
	others, err := parseMixed(fs, args)
	if err != nil {
		return err
	}
	if len(others) != 1 {
		return usageError{errors.New("record which plan?")}
	}
	if err := o.check(); err != nil {
		return err
	}
	var file io.Reader = c.stdin
	if others[0] != "-" {
		f, err := os.Open(others[0])
		if err != nil {
			return err
		}
		defer f.Close()
		file = f
	}
	plan, err := lab.ReadPlan(file)
	if err != nil {
		return fmt.Errorf("%s: %w", others[0], err)
	}
	jobs, err := plan.Jobs(scenarios.Scenarios())
	if err != nil {
		return fmt.Errorf("%s: %w", others[0], err)
	}
	return recordJobs(ctx, c, jobs, o)
}

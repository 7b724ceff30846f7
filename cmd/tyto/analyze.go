package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"

	"tyto/behavior"
	"tyto/detection/all"
	"tyto/entity"
	"tyto/internal/amount"
	"tyto/internal/record"
	"tyto/model"
	"tyto/packet"
	"tyto/packet/pcapfile"
	"tyto/sensor"
)

var analyzeCommand = command{
	name:  "analyze",
	usage: "analyze FILE… [--html FILE] [--json [--entities]] [--db DIR [--no-packets] [--packet-budget MiB] [--again]] [--logs DIR] [--log-format tsv|json] [--home CIDR…] [--memory MiB] [--workers N] [--model FILE | --no-model] [--no-detections] [--indicators FILE]… [--eve FILE]… [--sigma FILE|DIR]… [--rules FILE]… [--quiet]",
	short: "read captures and tell what is in them: sessions, protocols, names, and what is odd",
	run:   analyze,
}

// options are the flags of analyze.
type options struct {
	json      bool
	logs      string
	logFormat string
	home      []netip.Prefix
	memory    int // MiB
	workers   int
	quiet     bool
	entities  bool
	db        string
	noPackets bool   // with db: do not keep the packets
	budget    int    // MiB that they may take; 0: all are kept
	again     bool   // with db: store captures that it has once more
	model     string // file; empty: the one in the program
	noModel   bool
	noDetect  bool
	intel     intelFiles
	html      string   // file for the page; empty: none
	captures  []string // files that are read
	profile   string   // file for a CPU profile: for developers
}

func parseAnalyze(args []string) (o options, files []string, err error) {
	fs := flag.NewFlagSet("analyze", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.BoolVar(&o.json, "json", false, "")
	fs.StringVar(&o.logs, "logs", "", "")
	fs.StringVar(&o.logFormat, "log-format", "tsv", "")
	fs.IntVar(&o.memory, "memory", sensor.DefaultMemory>>20, "")
	fs.IntVar(&o.workers, "workers", 0, "")
	fs.BoolVar(&o.quiet, "quiet", false, "")
	fs.BoolVar(&o.entities, "entities", false, "")
	fs.StringVar(&o.db, "db", "", "")
	fs.BoolVar(&o.noPackets, "no-packets", false, "")
	fs.IntVar(&o.budget, "packet-budget", 0, "")
	fs.BoolVar(&o.again, "again", false, "")
	fs.StringVar(&o.model, "model", "", "")
	fs.BoolVar(&o.noModel, "no-model", false, "")
	fs.BoolVar(&o.noDetect, "no-detections", false, "")
	o.intel.flags(fs)
	fs.StringVar(&o.html, "html", "", "")
	fs.StringVar(&o.profile, "cpuprofile", "", "")
	fs.Func("home", "", func(s string) error {
		p, err := sensor.Prefixes(strings.Split(s, ","))
		o.home = append(o.home, p...)
		return err
	})
	for len(args) > 0 {
		if args[0] == "-" || !strings.HasPrefix(args[0], "-") {
			// After --home several networks may follow.
			files, args = append(files, args[0]), args[1:]
			continue
		}
		if args[0] == "--" {
			files, args = append(files, args[1:]...), nil
			break
		}
		home := args[0] == "--home" || args[0] == "-home"
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				err = errors.New("help")
			}
			return o, nil, usageError{err}
		}
		args = fs.Args()
		for home && len(args) > 0 && isNetwork(args[0]) {
			p, _ := sensor.Prefixes(args[:1])
			o.home = append(o.home, p...)
			args = args[1:]
		}
	}
	switch {
	case len(files) == 0:
		return o, nil, usageError{errors.New("which capture? give a file, or - for standard input")}
	case o.logFormat != "tsv" && o.logFormat != "json":
		return o, nil, usageError{fmt.Errorf("--log-format is tsv or json, not %q", o.logFormat)}
	case o.entities && !o.json:
		return o, nil, usageError{errors.New("--entities adds to --json")}
	case o.db == "" && (o.noPackets || o.again || o.budget != 0):
		return o, nil, usageError{errors.New("--no-packets, --packet-budget and --again are about --db")}
	case o.budget < 0 || o.budget > 0 && o.noPackets:
		return o, nil, usageError{errors.New("--packet-budget is how many MiB of packets to keep")}
	case o.noModel && o.model != "":
		return o, nil, usageError{errors.New("--model and --no-model do not go together")}
	case o.memory < 16:
		return o, nil, usageError{fmt.Errorf("--memory %d: at least 16 MiB are needed", o.memory)}
	}
	o.captures = files
	return o, files, nil
}

// isNetwork reports whether an argument is a network in CIDR notation.
func isNetwork(s string) bool {
	_, err := netip.ParsePrefix(s)
	return err == nil
}

func analyze(ctx context.Context, c *cli, args []string) error {
	o, files, err := parseAnalyze(args)
	if err != nil {
		return err
	}
	src, err := openCaptures(c, files)
	if err != nil {
		return err
	}
	defer src.Close()
	return analyzeSource(ctx, c, src, o, strings.Join(files, " "))
}

// limitHeap keeps the garbage collector's heap near the memory budget: what the
// sessions hold, and 48 MiB for blocks, buffers and garbage.
func limitHeap(memory int) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(memory) + 48<<20)
	}
}

// analyzeSource runs the data path and prints what was asked for.
func analyzeSource(ctx context.Context, c *cli, src *captures, o options, title string) error {
	limitHeap(o.memory << 20)
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return fmt.Errorf("make profile: %w", err)
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return fmt.Errorf("start profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	conf := sensor.Config{
		Set: everyProtocol(), Home: o.home, Memory: o.memory << 20, Workers: o.workers,
		Summary: !o.json,
	}
	if !o.noDetect {
		conf.Detectors = all.Detectors()
	}
	lists, err := loadIntel(o.intel, o.home, c.stderr)
	if err != nil {
		return err
	}
	lists.fill(&conf)
	if o.entities || o.db != "" {
		conf.Graph = entity.New(entity.Options{Home: o.home})
	}
	if o.json {
		conf.JSON = c.stdout
	}
	if !o.noModel {
		m, err := modelOf(o)
		if err != nil {
			return err
		}
		conf.Listener = func() behavior.Listener { return m.NewListener() }
	}
	var db *database
	if o.db != "" {
		var err error
		if db, err = openDatabaseFor(ctx, o, o.captures, o.again, c.stderr); err != nil {
			return err
		}
	}
	if db != nil {
		defer db.close() // without what waits, unless finish took it
		db.fill(&conf)
	}
	if o.logs != "" {
		conf.LogFormat = record.TSV
		if o.logFormat == "json" {
			conf.LogFormat = record.ZeekJSON
		}
		conf.Logs = &sensor.LogDir{Dir: o.logs, Format: conf.LogFormat, Opened: time.Now()}
	}
	html := newPage(o, &conf, title, src)
	var progress sensor.Progress
	bar := startProgress(c, src, &progress, o.quiet)
	started := time.Now()
	res, err := sensor.Run(ctx, src, conf, &progress)
	bar.stop()
	interrupted := ctx.Err() != nil
	if interrupted && errors.Is(err, ctx.Err()) {
		err = nil
	}
	if o.json && res.Stats.Packets+uint64(len(src.problems())) > 0 {
		if _, werr := c.stdout.Write(res.Stats.AppendStats(nil)); err == nil && werr != nil {
			err = fmt.Errorf("write records: %w", werr)
		}
	}
	if db != nil {
		finish := db.finish
		if err == nil && !interrupted && len(src.problems()) == 0 {
			finish = db.finishWhole
		}
		if ferr := finish(&res.Stats); err == nil {
			err = ferr
		}
	}
	if !o.json && res.Stats.Packets > 0 {
		w := bufio.NewWriter(c.stdout)
		story{
			out: w, width: terminalWidth(c), color: colored(c), title: title, res: res, took: time.Since(started),
			logs: o.logs, interrupted: interrupted,
		}.print()
		if werr := w.Flush(); err == nil && werr != nil {
			err = fmt.Errorf("write the story: %w", werr)
		}
	}
	if html != nil && res.Stats.Packets > 0 {
		if o.json {
			res.Summary.Conclude() // the story does it otherwise
		}
		if werr := html.write(res); err == nil {
			err = werr
		}
	}
	lists.report(c.stderr)
	failed := false
	for _, p := range src.problems() {
		fmt.Fprintf(c.stderr, "tyto: %v\n", p)
		failed = true
	}
	if interrupted {
		fmt.Fprintf(c.stderr, "tyto: interrupted after %s packets; what was found so far is above\n", amount.Thousands(res.Stats.Packets))
	}
	if n := res.Stats.Faults; n > 0 {
		fmt.Fprintf(c.stderr, "tyto: %d analyzers were stopped by a mistake of tyto's own (%s); please report it\n", n, res.Stats.LastFault)
	}
	switch {
	case err != nil && errors.Is(err, io.ErrClosedPipe):
		return nil
	case err != nil:
		return err
	case failed && res.Stats.Packets == 0:
		return errReported
	}
	return nil
}

// modelOf returns the model to listen with.
func modelOf(o options) (*model.Model, error) {
	if o.model != "" {
		return readModel(o.model)
	}
	m, err := model.Shipped()
	if err != nil {
		return nil, fmt.Errorf("the model in the program: %w; --no-model does without", err)
	}
	return m, nil
}

// captures is the source of analyze.
type captures struct {
	packet.Source
	files *pcapfile.Files
}

func openCaptures(c *cli, paths []string) (*captures, error) {
	files, err := pcapfile.OpenAll(paths)
	if err != nil {
		return nil, err
	}
	return &captures{Source: files, files: files}, nil
}

func (s *captures) problems() []error {
	if s.files == nil {
		return nil
	}
	return s.files.Problems()
}

func (s *captures) Close() error {
	if s.files == nil {
		return nil
	}
	return s.files.Close()
}

// progress returns how many bytes of how many were read; total is 0 if it is
// not known.
func (s *captures) progress() (read, total int64) {
	if s.files == nil {
		return 0, 0
	}
	return s.files.Progress()
}

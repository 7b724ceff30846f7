package main

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tyto/detection"
	"tyto/detection/indicator"
	"tyto/detection/sigma"
	"tyto/detection/suricata"
	"tyto/packet"
	"tyto/sensor"
)

// intelFiles are the files of lists, alerts and rules that analyze is given.
type intelFiles struct {
	indicators, eve, sigma, rules []string
}

// flags defines the flags of these files.
func (n *intelFiles) flags(set *flag.FlagSet) {
	for name, list := range map[string]*[]string{"indicators": &n.indicators, "eve": &n.eve, "sigma": &n.sigma, "rules": &n.rules} {
		set.Func(name, "", func(s string) error {
			*list = append(*list, s)
			return nil
		})
	}
}

// intel is what was loaded.
type intel struct {
	indicators *indicator.Set
	hits       *indicator.Detector
	alerts     *suricata.Alerts
	raised     *suricata.AlertDetector
	sigma      *sigma.Set
	matched    *sigma.Detector
	rules      *suricata.Rules
	ruled      *suricata.RuleDetector
}

// loadIntel reads the files, and tells on w what they hold and what of it cannot
// be used. It returns nil if there are none.
func loadIntel(n intelFiles, home []netip.Prefix, w io.Writer) (*intel, error) {
	if len(n.indicators)+len(n.eve)+len(n.sigma)+len(n.rules) == 0 {
		return nil, nil
	}
	v := new(intel)
	var lists []*indicator.List
	for _, name := range n.indicators {
		data, err := readWhole(name, indicator.MaxBytes)
		if err != nil {
			return nil, err
		}
		l, err := indicator.Read(filepath.Base(name), data)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(w, "tyto: indicators: %s\n", printableLines(l.String()))
		lists = append(lists, l)
	}
	if len(lists) > 0 {
		v.indicators = indicator.NewSet(lists...)
		v.hits = v.indicators.NewDetector()
	}
	if err := v.loadAlerts(n.eve, w); err != nil {
		return nil, err
	}
	if err := v.loadSigma(n.sigma, w); err != nil {
		return nil, err
	}
	if err := v.loadRules(n.rules, home, w); err != nil {
		return nil, err
	}
	return v, nil
}

// loadSigma reads files of rules, and those in folders.
func (v *intel) loadSigma(names []string, w io.Writer) error {
	if len(names) == 0 {
		return nil
	}
	v.sigma = sigma.New(sensor.Schemas(everyProtocol()))
	for _, name := range names {
		err := filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
			ext := filepath.Ext(path)
			if err != nil || d.IsDir() || path != name && ext != ".yml" && ext != ".yaml" {
				return err
			}
			data, err := readWhole(path, sigma.MaxBytes)
			if err != nil {
				return err
			}
			return v.sigma.Load(path, data)
		})
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "tyto: sigma: %d rules are used, %d are not\n", len(v.sigma.Rules), len(v.sigma.Skipped))
	var skipped []skippedRule
	for _, s := range v.sigma.Skipped {
		skipped = append(skipped, skippedRule{s.Reason, first(s.Title, filepath.Base(s.File))})
	}
	tellSkipped(w, skipped)
	v.matched = v.sigma.NewDetector()
	return nil
}

// loadRules reads files of Suricata's rules.
func (v *intel) loadRules(names []string, home []netip.Prefix, w io.Writer) error {
	if len(names) == 0 {
		return nil
	}
	v.rules = suricata.NewRules(func(a packet.Addr) bool {
		if home == nil {
			return a.IsPrivate()
		}
		ip := a.Netip()
		return slices.ContainsFunc(home, func(p netip.Prefix) bool { return p.Contains(ip) })
	})
	for _, name := range names {
		data, err := readWhole(name, suricata.MaxRuleBytes)
		if err != nil {
			return err
		}
		if err := v.rules.Load(filepath.Base(name), data); err != nil {
			return err
		}
	}
	v.rules.Ready()
	fmt.Fprintf(w, "tyto: rules: %s\n", printableLines(v.rules.Tell()))
	v.ruled = v.rules.NewDetector()
	return nil
}

// skippedRule is a rule that is not used: why, and which one it is.
type skippedRule struct{ reason, name string }

// tellSkipped tells of each reason how many rules it concerns, the most first,
// and which ones.
func tellSkipped(w io.Writer, list []skippedRule) {
	const names, reasons = 3, 25
	by := make(map[string][]string)
	for _, s := range list {
		by[s.reason] = append(by[s.reason], s.name)
	}
	order := slices.SortedFunc(maps.Keys(by), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(by[b]), len(by[a])), cmp.Compare(a, b))
	})
	for i, reason := range order {
		if i == reasons {
			rest := 0
			for _, r := range order[i:] {
				rest += len(by[r])
			}
			fmt.Fprintf(w, "  not used: %d for %d other reasons\n", rest, len(order)-i)
			return
		}
		which := by[reason]
		more := ""
		if len(which) > names {
			which, more = which[:names], " …"
		}
		fmt.Fprintf(w, "  not used: %d × %s (%s%s)\n", len(by[reason]), printable(reason), printable(strings.Join(which, "; ")), more)
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (v *intel) loadAlerts(names []string, w io.Writer) error {
	if len(names) == 0 {
		return nil
	}
	v.alerts = new(suricata.Alerts)
	for _, name := range names {
		r, err := openFile(name)
		if err != nil {
			return err
		}
		err = v.alerts.ReadEVE(name, r)
		r.Close()
		if err != nil {
			return err
		}
	}
	a := v.alerts
	fmt.Fprintf(w, "tyto: eve: %d alerts in %d lines\n", a.Len(), a.Lines)
	if a.Bad > 0 {
		fmt.Fprintf(w, "  not used: %d lines that are no events (the first is line %d)\n", a.Bad, a.BadLine)
	}
	if a.Dropped > 0 {
		fmt.Fprintf(w, "  not used: %d alerts for which there was no room\n", a.Dropped)
	}
	v.raised = a.NewDetector()
	return nil
}

// fill adds the detectors of what was loaded, in front of the others: some use
// what others found.
func (v *intel) fill(c *sensor.Config) {
	if v == nil {
		return
	}
	var list []detection.Detector
	var matchers []func() detection.Matcher
	if v.hits != nil {
		list, matchers = append(list, v.hits), append(matchers, v.indicators.NewMatcher)
	}
	if v.raised != nil {
		list = append(list, v.raised)
	}
	if v.matched != nil {
		list, matchers = append(list, v.matched), append(matchers, v.sigma.NewMatcher)
	}
	if v.ruled != nil {
		list, matchers = append(list, v.ruled), append(matchers, v.rules.NewMatcher)
	}
	c.Detectors = append(list, c.Detectors...)
	if len(matchers) > 0 {
		c.Matchers = func() (all []detection.Matcher) {
			for _, m := range matchers {
				all = append(all, m())
			}
			return all
		}
	}
}

// report tells what came of the lists, alerts and rules.
func (v *intel) report(w io.Writer) {
	if v == nil {
		return
	}
	if h := v.hits; h != nil {
		fmt.Fprintf(w, "tyto: indicators: %d of %d were met, in %d sessions", h.Entries, v.indicators.Len(), h.Hits)
		if h.Expired > 0 {
			fmt.Fprintf(w, "; %d sessions met expired ones only", h.Expired)
		}
		fmt.Fprintln(w)
	}
	if r := v.raised; r != nil {
		fmt.Fprintf(w, "tyto: eve: %d of %d alerts belong to sessions here (%d sessions), %d to none\n", r.Matched, v.alerts.Len(), r.Sessions, r.Unmatched)
	}
	if d := v.matched; d != nil {
		fmt.Fprintf(w, "tyto: sigma: %d of %d rules matched, %d times in %d sessions\n", d.Matched(), len(v.sigma.Rules), d.Matches, d.Sessions)
	}
	if d := v.ruled; d != nil {
		fmt.Fprintf(w, "tyto: rules: %d of %d rules matched, %d times in %d sessions\n", d.Matched(), len(v.rules.List), d.Matches, d.Sessions)
		if n := v.rules.Unread.Load(); n > 0 {
			fmt.Fprintf(w, "tyto: rules: the payload of %d sessions was not looked at, for want of memory\n", n)
		}
	}
}

// openFile opens a file, gzip or not, or standard input.
func openFile(name string) (io.ReadCloser, error) {
	if name == "-" {
		return nil, usageError{errors.New("lists and rules are files; standard input is for captures")}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	r := bufio.NewReader(f)
	if magic, _ := r.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(r)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		return opened{z, f}, nil
	}
	return opened{r, f}, nil
}

type opened struct {
	io.Reader
	io.Closer
}

// readWhole reads a file of at most so many bytes.
func readWhole(name string, limit int64) ([]byte, error) {
	r, err := openFile(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("read %s: more than %d MiB; split it", name, limit>>20)
	}
	return data, nil
}

// printableLines makes text safe for a terminal, line by line.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

package eval

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tyto/model"
)

// Flow is a flow of a capture from outside of which somebody wrote down what it is.
type Flow struct {
	Path             string // of the capture, below the directory
	Proto            string
	Src, Dst         string
	SrcPort, DstPort string
	Start            float64 // seconds since the epoch
	Label            string  // what was written
	Evidence         string  // documented, or inferred by who wrote it
}

// Expected are labels any of which says the same as what was written, nil if no
// label of ours does.
func (f *Flow) Expected() []string {
	for _, e := range expected {
		if strings.HasPrefix(f.Label, e.prefix) {
			return e.labels
		}
	}
	return nil
}

// expected translates; the first prefix that fits counts.
var expected = []struct {
	prefix string
	labels []string
}{
	{"ssh:interactive-shell", []string{"shell"}}, {"ssh:short-interactive", []string{"shell"}},
	{"ssh:file-upload", []string{"upload", "exfiltration"}},
	{"ssh:bruteforce", []string{"brute-force", "login-failed", "scan"}}, {"ssh:password-guessing", []string{"brute-force", "login-failed"}},
	{"ssh:git-fetch", []string{"sync", "download"}}, {"ssh:exec-or-git", []string{"command", "sync", "download"}},
	{"ssh:reverse", []string{"reverse-shell", "reverse-tunnel"}},
	{"proxy:", []string{"proxy", "tunnel"}}, {"tunnel:dns", []string{"dns-tunnel", "tunnel"}}, {"tunnel:", []string{"tunnel", "proxy"}},
	{"exfil:dns", []string{"dns-tunnel", "exfiltration"}},
	{"c2:caldera-manx", []string{"reverse-shell", "beacon", "tasked-beacon"}}, {"c2:", []string{"beacon", "tasked-beacon", "reverse-shell"}},
	{"payload-download", []string{"download"}},
	{"lateral:", []string{"remote-execution", "enumeration", "credential-dump", "upload", "command"}},
}

// ReadFlows reads a table of flows: tab-separated with a header.
func ReadFlows(r io.Reader) ([]Flow, error) {
	scanner := bufio.NewScanner(r)
	if !scanner.Scan() {
		return nil, fmt.Errorf("the table of flows is empty")
	}
	column := make(map[string]int)
	for i, name := range strings.Split(scanner.Text(), "\t") {
		column[name] = i
	}
	for _, name := range []string{"path", "l4", "src", "sport", "dst", "dport", "start", "label", "evidence"} {
		if _, ok := column[name]; !ok {
			return nil, fmt.Errorf("the table of flows has no column %s", name)
		}
	}
	var flows []Flow
	for n := 2; scanner.Scan(); n++ {
		parts := strings.Split(scanner.Text(), "\t")
		if len(parts) < len(column) {
			parts = append(parts, make([]string, len(column)-len(parts))...)
		}
		start, err := strconv.ParseFloat(parts[column["start"]], 64)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		flows = append(flows, Flow{
			Path: parts[column["path"]], Proto: parts[column["l4"]], Src: parts[column["src"]], Dst: parts[column["dst"]],
			SrcPort: parts[column["sport"]], DstPort: parts[column["dport"]], Start: start, Label: parts[column["label"]], Evidence: parts[column["evidence"]],
		})
	}
	return flows, scanner.Err()
}

// Said is what is said of a flow.
type Said struct {
	Flow
	Found    bool // a session of it
	App      string
	Labels   []string // "shell 0.98", the likeliest first
	Control  string
	Packets  uint64
	Right    bool // one of the labels that are told is expected
	Heard    bool // and it is told by listening alone
	Too      bool // it has too few packets to be listened to
	Expected []string
}

// told is a session record, as far as it matters here.
type told struct {
	Record  string  `json:"record"`
	TS      float64 `json:"ts"`
	OrigH   string  `json:"id.orig_h"`
	OrigP   int     `json:"id.orig_p"`
	RespH   string  `json:"id.resp_h"`
	RespP   int     `json:"id.resp_p"`
	App     string  `json:"app"`
	Control string  `json:"control"`
	Labels  []struct {
		Name string
		P    float64
	} `json:"labels"`
	OrigPackets uint64  `json:"orig_pkts"`
	RespPackets uint64  `json:"resp_pkts"`
	Duration    float64 `json:"duration"`
}

// Analyze writes the records of a capture as JSON lines.
type Analyze func(ctx context.Context, path string, w io.Writer) error

// Outside says what an analysis tells of flows, and what listening tells alone.
func Outside(ctx context.Context, dir string, flows []Flow, analyze, listen Analyze) ([]Said, error) {
	var all []Said
	type both struct{ told, heard []told }
	records := make(map[string]both)
	for _, f := range flows {
		r, ok := records[f.Path]
		if !ok {
			path := filepath.Join(dir, f.Path)
			var err error
			if r.told, err = sessionsOf(ctx, path, analyze); err != nil {
				return nil, err
			}
			if r.heard, err = sessionsOf(ctx, path, listen); err != nil {
				return nil, err
			}
			records[f.Path] = r
		}
		s := said(f, r.told)
		heard := said(f, r.heard)
		s.Heard = heard.Right
		all = append(all, s)
	}
	return all, nil
}

func sessionsOf(ctx context.Context, path string, analyze Analyze) ([]told, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := analyze(ctx, path, &b); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var list []told
	for line := range bytes.Lines(b.Bytes()) {
		if !bytes.HasPrefix(line, []byte(`{"record":"session"`)) {
			continue
		}
		var t told
		if err := json.Unmarshal(line, &t); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, t)
	}
	return list, nil
}

func said(f Flow, list []told) Said {
	s := Said{Flow: f, Expected: f.Expected()}
	port := func(text string) int { n, _ := strconv.Atoi(text); return n }
	var best *told
	apart := func(t *told) float64 { return max(t.TS-f.Start, f.Start-t.TS-t.Duration, 0) }
	for i := range list {
		t := &list[i]
		same := t.OrigH == f.Src && t.RespH == f.Dst && t.OrigP == port(f.SrcPort) && t.RespP == port(f.DstPort)
		turned := t.OrigH == f.Dst && t.RespH == f.Src && t.OrigP == port(f.DstPort) && t.RespP == port(f.SrcPort)
		if (same || turned) && (best == nil || apart(t) < apart(best)) {
			best = t
		}
	}
	if best == nil {
		return s
	}
	s.Found, s.App, s.Control, s.Packets = true, best.App, best.Control, best.OrigPackets+best.RespPackets
	s.Too = s.Packets < model.LeastPackets
	for _, l := range best.Labels {
		s.Labels = append(s.Labels, fmt.Sprintf("%s %.2f", l.Name, l.P))
		s.Right = s.Right || slices.Contains(s.Expected, l.Name)
	}
	return s
}

// kind counts flows of which the same was written.
type kind struct{ right, heard, all, short int }

func (k *kind) count(s *Said) {
	if !s.Right && (s.Too || !s.Found) {
		k.short++
		return
	}
	k.all++
	if s.Right {
		k.right++
	}
	if s.Heard {
		k.heard++
	}
}

// OutsideReport writes what is said of flows as Markdown: a line each of those
// that the labels can say, and their number.
func OutsideReport(all []Said) string {
	var b strings.Builder
	kinds, total, sealed := make(map[string]*kind), new(kind), new(kind)
	var order []string
	for i := range all {
		s := &all[i]
		if s.Expected == nil {
			continue
		}
		k := kinds[s.Label]
		if k == nil {
			k = new(kind)
			kinds[s.Label] = k
			order = append(order, s.Label)
		}
		k.count(s)
		total.count(s)
		if s.App != "http" {
			sealed.count(s)
		}
	}
	fmt.Fprintf(&b, "| what was written | right | by listening alone | of | not told and too short to hear |\n|---|---|---|---|---|\n")
	for _, name := range order {
		k := kinds[name]
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", name, k.right, k.heard, k.all, k.short)
	}
	fmt.Fprintf(&b, "| **all** | **%d** | **%d** | **%d** | %d |\n", total.right, total.heard, total.all, total.short)
	fmt.Fprintf(&b, "| **all but HTTP in the clear** | **%d** | **%d** | **%d** | %d |\n", sealed.right, sealed.heard, sealed.all, sealed.short)
	fmt.Fprintf(&b, "\n| capture | flow | written | evidence | right | app | heard | control |\n|---|---|---|---|---|---|---|---|\n")
	for i := range all {
		s := &all[i]
		if s.Expected == nil {
			continue
		}
		verdict := "no"
		switch {
		case !s.Found:
			verdict = "no session"
		case s.Heard:
			verdict = "yes, heard"
		case s.Right:
			verdict = "yes, said"
		case s.Too:
			verdict = "too short"
		}
		fmt.Fprintf(&b, "| %s | %s:%s → %s:%s | %s | %s | %s | %s | %s | %s |\n", filepath.Base(s.Path), s.Src, s.SrcPort, s.Dst, s.DstPort, s.Label, s.Evidence, verdict, s.App, strings.Join(s.Labels, ", "), s.Control)
	}
	return b.String()
}

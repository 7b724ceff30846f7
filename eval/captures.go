package eval

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// Capture is a capture from outside with what its collection says is in it.
type Capture struct {
	Path   string   // below the directory
	Kinds  []string // such as smb-dcerpc, c2, lateral-movement
	Attack bool
	Benign bool // everyday traffic; of neither is not asked
}

// hostile are kinds of captures with an attack in them, everyday those without.
var (
	hostile  = []string{"c2", "lateral-movement", "ad-discovery", "malware", "exploit", "bruteforce", "exfil", "dns-tunnel", "credential-access", "scan"}
	everyday = []string{"web-browsing", "voip", "email", "quic", "tls", "http", "messaging", "gaming", "p2p", "dns", "remote-desktop", "vpn-ipsec", "ssh", "proxy", "iot", "other-udp",
		"other-tcp", "file-transfer-clear", "database-mq"}
	neither = []string{"malformed-fuzz"}
)

// ReadCatalog reads a table of captures: tab-separated, with columns path and kind.
func ReadCatalog(r io.Reader) ([]Capture, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	if !scanner.Scan() {
		return nil, fmt.Errorf("the catalogue is empty")
	}
	head := strings.Split(scanner.Text(), "\t")
	path, kind := slices.Index(head, "path"), slices.Index(head, "kind")
	if path < 0 || kind < 0 {
		return nil, fmt.Errorf("the catalogue has no columns path and kind")
	}
	var list []Capture
	for n := 2; scanner.Scan(); n++ {
		parts := strings.Split(scanner.Text(), "\t")
		if len(parts) <= max(path, kind) {
			return nil, fmt.Errorf("line %d: %d columns", n, len(parts))
		}
		c := Capture{Path: parts[path], Kinds: strings.Split(parts[kind], ",")}
		is := func(of []string) func(string) bool { return func(k string) bool { return slices.Contains(of, k) } }
		c.Attack = slices.ContainsFunc(c.Kinds, is(hostile))
		c.Benign = !c.Attack && !slices.ContainsFunc(c.Kinds, is(neither)) && slices.ContainsFunc(c.Kinds, is(everyday))
		if c.Attack || c.Benign {
			list = append(list, c)
		}
	}
	return list, scanner.Err()
}

// Verdict is what is said of a capture.
type Verdict struct {
	Capture
	Alerts int      // cases at or above the threshold
	P      float64  // of the likeliest case, 0 without one
	Title  string   // of that
	Why    []string // the weightiest claims of it
	Err    error    // what the capture cannot be read for, if so
}

// Judge says what is found in captures. The order is theirs.
func Judge(ctx context.Context, dir string, list []Capture, judge func(ctx context.Context, path string, v *Verdict) error) ([]Verdict, error) {
	var all []Verdict
	for _, c := range list {
		v := Verdict{Capture: c}
		if err := judge(ctx, filepath.Join(dir, c.Path), &v); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			v.Err = err
		}
		all = append(all, v)
	}
	return all, nil
}

// CapturesReport writes verdicts as Markdown: every attack, and of everyday
// captures those that raise a case.
func CapturesReport(all []Verdict) string {
	var b strings.Builder
	attacks, found, told, benign, vain := 0, 0, 0, 0, 0
	for i := range all {
		v := &all[i]
		switch {
		case v.Benign:
			benign++
			if v.Alerts > 0 {
				vain++
			}
		case v.Alerts > 0:
			attacks++
			found++
		case v.P > 0:
			attacks++
			told++
		default:
			attacks++
		}
	}
	fmt.Fprintf(&b, "| | captures | raise a case | told below the threshold | nothing |\n|---|---|---|---|---|\n")
	fmt.Fprintf(&b, "| **attacks** | %d | **%d** | %d | %d |\n| **everyday** | %d | **%d** | | |\n", attacks, found, told, attacks-found-told, benign, vain)
	fmt.Fprintf(&b, "\n## Attacks\n\n| capture | kind | case | p | what | why |\n|---|---|---|---|---|---|\n")
	for i := range all {
		if v := &all[i]; v.Attack {
			b.WriteString(v.row())
		}
	}
	fmt.Fprintf(&b, "\n## Everyday captures that raise a case\n\n| capture | kind | case | p | what | why |\n|---|---|---|---|---|---|\n")
	for i := range all {
		if v := &all[i]; v.Benign && v.Alerts > 0 {
			b.WriteString(v.row())
		}
	}
	return b.String()
}

func (v *Verdict) row() string {
	verdict := "nothing"
	switch {
	case v.Err != nil && v.P == 0:
		verdict = "cannot be read"
	case v.Alerts > 0:
		verdict = "**yes**"
	case v.P > 0:
		verdict = "below the threshold"
	}
	p := ""
	if v.P > 0 {
		p = fmt.Sprintf("%.3f", v.P)
	}
	cell := strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ", "<", "&lt;")
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", filepath.Base(v.Path), strings.Join(v.Kinds, ", "), verdict, p, cell.Replace(v.Title), cell.Replace(strings.Join(v.Why, "; ")))
}

// Package remoteexec finds commands that one machine runs on another: services,
// scheduled tasks, WMI, DCOM, WinRM and remote registry, with what makes them the
// work of an intruder's tool: names that mean nothing, output that is read back
// from a share, a program copied there just before, traces that are removed.
//
// The operations are those of MITRE's BZAR (SCIENCE.md D.2) and some more.
package remoteexec

import (
	"fmt"
	"strings"

	"tyto/behavior/firstseen"
	"tyto/behavior/toolcopy"
	"tyto/detection"
	"tyto/packet"
)

// Rules are the definitions of this package.
var Rules = []*detection.Definition{&rule}

var rule = detection.Definition{
	ID: "remote-execution", Title: "Commands run on another machine", Severity: detection.High,
	Doc: "One machine makes another run something: it creates, changes or starts services, registers scheduled tasks, calls methods of WMI or DCOM objects, or opens a shell over WinRM. " +
		"Weighed are how it is done, names that look made up, commands as intruders' tools write them, output that is read back from an administrative share, a program that was copied there first, and traces that are removed at once.",
	Techniques: []string{"T1569.002", "T1053.005", "T1047", "T1021.003", "T1021.006", "T1021.002", "T1570"},
	Twin:       "Administrators and their tools (PsExec, SCCM, Ansible) do the same: from the same machines every week, with names that mean something, and led by somebody who logged in.",
}

// Detector finds remote execution.
type Detector struct {
	copies toolcopy.Table
	edges  firstseen.Table
}

// New returns a detector.
func New() detection.Detector { return &Detector{} }

// Finish implements detection.Detector.
func (d *Detector) Finish(*detection.Ledger) {}

// Session implements detection.Detector.
func (d *Detector) Session(s *detection.Session, l *detection.Ledger) {
	a, ok := s.Access()
	if !ok || a.Interactive || s.Sheet == nil && !a.Weak {
		return
	}
	novelty := d.edges.Use(firstseen.Key{From: s.Orig.String(), To: s.Resp.String(), Service: a.Via})
	r := run{Detector: d, s: s, l: l, a: &a}
	r.files()
	r.calls()
	if a.Via == "winrm" {
		r.winrm()
	}
	if r.f == nil {
		return
	}
	if llr := novelty.LLR(); llr != 0 {
		claim := "the two never did this before, while few new pairs do"
		if llr < 0 {
			claim = fmt.Sprintf("the two did this %d times before", novelty.Count)
		}
		r.add("novelty", llr, s.First, "%s", claim)
	}
}

// run is one session under examination.
type run struct {
	*Detector
	s *detection.Session
	l *detection.Ledger
	a *detection.Access
	f *detection.Finding
}

// add adds evidence to the finding about the two machines.
func (r *run) add(kind string, llr float64, at int64, format string, args ...any) {
	if r.f == nil {
		r.f = r.l.Finding(&rule, r.s.Between())
		for side, a := range [2]packet.Addr{r.s.Orig, r.s.Resp} {
			if r.s.Home[side] {
				r.f.Host(a)
			} else {
				r.f.Outside = detection.Party{Addr: a}
			}
		}
		r.f.Title = fmt.Sprintf("Commands run on %v by %s", r.s.Resp, spoken[r.a.Via])
	}
	r.f.Add(detection.Evidence{Kind: kind, Claim: fmt.Sprintf(format, args...), LLR: llr, UID: r.s.UID, T0: at, T1: at})
}

var spoken = map[string]string{
	"service": "a service", "task": "a scheduled task", "wmi": "WMI", "dcom": "DCOM", "winrm": "WinRM", "registry": "its registry",
	"share": "a file on its share",
}

// strength is what a way of running something weighs: how seldom people use it.
var strength = map[string]float64{
	"CreateServiceW": 2.8, "CreateServiceA": 2.8, "CreateServiceWOW64W": 2.5, "CreateServiceWOW64A": 2.5,
	"ChangeServiceConfigW": 2.5, "ChangeServiceConfigA": 2.5, "StartServiceW": 1, "StartServiceA": 1,
	"SchRpcRegisterTask": 2, "SchRpcRun": 1, "SchRpcEnableTask": 0.5, "JobAdd": 3, "NetrJobAdd": 3,
	"ExecMethod": 2, "ExecMethodAsync": 2, "PutInstance": 1.5, "Invoke": 2, "BaseRegSetValue": 1,
}

// calls weighs remote procedure calls.
func (r *run) calls() {
	made := int64(0)
	for _, c := range r.s.Calls() {
		p, ok := detection.Administrative(c.Interface, c.Operation)
		if !ok || c.Fault != "" {
			if ok && p.Exec {
				r.add("refused", 1, c.At, "%s was refused: %s", c.Operation, c.Fault)
				r.f.Outcome = detection.Attempt
			}
			continue
		}
		if p.Exec {
			if w := strength[c.Operation]; w > 0 {
				r.add(p.Via+" "+c.Operation, w, c.At, "%s.%s%s", c.Interface, c.Operation, arguments(c.Args))
				r.f.Outcome = detection.Attack
			}
			r.names(&c)
			r.copied(&c)
			if made == 0 {
				made = c.At
			}
		}
		if made != 0 && (c.Operation == "DeleteService" || c.Operation == "SchRpcDelete") && c.At-made < 600e9 {
			r.add("cleaned up", 1.5, c.At, "removed again after %.0f s", float64(c.At-made)/1e9)
		}
	}
}

func arguments(list []string) string {
	if len(list) == 0 {
		return ""
	}
	text := strings.Join(list, ", ")
	if len(text) > 120 {
		text = text[:117] + "…"
	}
	return " (" + text + ")"
}

// names weighs what is run: commands as tools write them, and made-up names.
func (r *run) names(c *detection.Call) {
	for i, arg := range c.Args {
		if mark := toolMark(arg); mark != "" {
			r.add("command", 2.5, c.At, "the command %s", mark)
		}
		if i == 0 && MadeUp(strings.TrimLeft(arg, `\`)) {
			r.add("name", 1.5, c.At, "the name %q means nothing", arg)
		}
	}
}

// toolMark returns how a command gives an intruder's tool away, "" if it does not.
func toolMark(command string) string {
	c := strings.ToLower(command)
	switch {
	case strings.Contains(c, `\\127.0.0.1\`) || strings.Contains(c, `\\localhost\`):
		return "writes its output to the machine's own share"
	case strings.Contains(c, "%comspec%") && strings.Contains(c, "/q"):
		return "is wrapped in a silent command interpreter"
	case strings.Contains(c, "powershell") && (strings.Contains(c, "-enc") || strings.Contains(c, "-e ") || strings.Contains(c, "-nop") || strings.Contains(c, "hidden")):
		return "is hidden PowerShell"
	case strings.Contains(c, "frombase64string") || strings.Contains(c, "downloadstring"):
		return "fetches or unpacks a script"
	}
	return ""
}

// copied weighs a program that was copied first.
func (r *run) copied(c *detection.Call) {
	command := ""
	if len(c.Args) > 0 {
		command = c.Args[len(c.Args)-1]
	}
	w, ok := r.copies.Ran(toolcopy.Run{At: c.At, UID: r.s.UID, From: r.s.Orig, To: r.s.Resp, Command: command})
	if ok && !r.f.Has("copied "+w.Name) {
		llr := 1.0
		if w.Named {
			llr = 2
		}
		r.add("copied "+w.Name, llr, w.At, `%s was copied to %s %.0f s before (%d bytes)`, w.Name, w.Share, float64(c.At-w.At)/1e9, w.Bytes)
	}
}

// files weighs what is done on administrative shares.
func (r *run) files() {
	for _, f := range r.s.Files() {
		if !detection.AdminShare(f.Share) || f.Failed || f.Name == "" {
			continue
		}
		base := toolcopy.Base(f.Name)
		switch {
		case f.Action == "write" && toolcopy.Program(base):
			r.copies.Wrote(toolcopy.Write{At: f.At, UID: r.s.UID, From: r.s.Orig, To: r.s.Resp, Share: f.Share, Name: f.Name, Bytes: f.Bytes})
			r.add("program", 1.5, f.At, `a program was written to %s\%s`, f.Share, f.Name)
			if MadeUp(strings.TrimSuffix(base, suffix(base))) {
				r.add("file name", 1, f.At, "the file name %q means nothing", base)
			}
		case outputName(base):
			r.add("output", 2.5, f.At, `%s\%s is where intruders' tools leave the output of commands`, f.Share, f.Name)
		case strings.HasSuffix(strings.ToLower(base), ".tmp") && MadeUp(strings.TrimSuffix(base, suffix(base))):
			r.add("output", 1.5, f.At, `%s\%s: a file with a made-up name is read back`, f.Share, f.Name)
		}
	}
}

func suffix(name string) string {
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		return name[i:]
	}
	return ""
}

// outputName reports whether a file has a name that remote shells of well-known
// tools give their output: __output, __1795900168.38.
func outputName(base string) bool {
	rest, ok := strings.CutPrefix(base, "__")
	if !ok || rest == "" {
		return false
	}
	return rest == "output" || strings.Trim(rest, "0123456789.") == ""
}

// winrm weighs a remote shell over HTTP.
func (r *run) winrm() {
	if r.a.Weak {
		r.add("winrm", 0.5, r.s.First, "a TLS session with the port of WinRM")
		return
	}
	posts := 0
	agent := ""
	for i := range r.s.Sheet.Requests {
		if q := &r.s.Sheet.Requests[i]; detection.IsWinRM(q) && q.Status == 200 {
			posts++
			if q.Agent != "" {
				agent = q.Agent
			}
		}
	}
	r.add("winrm", 1.5, r.s.First, "%d requests of a WinRM shell were answered", posts)
	if agent != "" && !strings.Contains(agent, "Microsoft") {
		r.add("agent", 1, r.s.First, "the WinRM client calls itself %q, which is none of Windows", agent)
	}
}

// MadeUp reports whether a name looks as if nobody had thought of it: digits
// between letters, letters that alternate in case, or hardly a vowel.
func MadeUp(name string) bool {
	if len(name) < 4 || len(name) > 40 || strings.ContainsAny(name, " {}") {
		return false
	}
	var vowels, letters, inner, flips, run, longest, capitals, block int
	var before byte
	for i := range len(name) {
		c := name[i]
		lower := c | 0x20
		isLetter := lower >= 'a' && lower <= 'z'
		if !isLetter {
			run = 0
		}
		if capitals++; !isLetter || c&0x20 != 0 {
			capitals = 0
		}
		block = max(block, capitals)
		if isLetter {
			letters++
			if strings.IndexByte("aeiouy", lower) >= 0 {
				vowels++
				run = 0
			} else {
				run++
				longest = max(longest, run)
			}
			if before|0x20 >= 'a' && before|0x20 <= 'z' && before&0x20 != 0 && c&0x20 == 0 {
				flips++
			}
		} else if c >= '0' && c <= '9' && i > 0 && i < len(name)-1 {
			inner++
		}
		before = c
	}
	if letters < 3 {
		return false
	}
	digitsInside := inner > 0 && !strings.ContainsAny(name, "-_.") && hasLetterAfterDigit(widths.Replace(name))
	share := float64(vowels) / float64(letters)
	return digitsInside || flips >= 3 || flips == 2 && block >= 4 || longest >= 5 || letters >= 5 && share < 0.18
}

// widths are numbers that honest names have in them.
var widths = strings.NewReplacer("32", "", "64", "", "86", "", "16", "")

func hasLetterAfterDigit(s string) bool {
	seen := false
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' {
			seen = true
		} else if seen && (c|0x20 >= 'a' && c|0x20 <= 'z') {
			return true
		}
	}
	return false
}

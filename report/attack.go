package report

import (
	"slices"
	"strings"

	"tyto/detection"
	"tyto/triage"
)

// tactics are those of MITRE ATT&CK for enterprises, in its order.
var tactics = []string{
	"Reconnaissance", "Resource Development", "Initial Access", "Execution", "Persistence", "Privilege Escalation", "Defense Evasion",
	"Credential Access", "Discovery", "Lateral Movement", "Collection", "Command and Control", "Exfiltration", "Impact",
}

// Technique is one of ATT&CK's; those that serve several tactics are listed under
// the one they serve when the network shows them.
type Technique struct{ ID, Name, Tactic string }

// techniques are those that rules and labels name, by identifier.
var techniques = readTechniques(asset("techniques.tsv"))

func readTechniques(text string) map[string]Technique {
	m := make(map[string]Technique)
	for line := range strings.Lines(text) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 3 {
			m[f[0]] = Technique{f[0], f[1], f[2]}
		}
	}
	return m
}

// technique returns a technique, of one that is not known its identifier only.
func technique(id string) Technique {
	if t, ok := techniques[id]; ok {
		return t
	}
	return Technique{ID: id, Name: "technique " + id}
}

// URL returns where ATT&CK tells about it.
func (t Technique) URL() string {
	return "https://attack.mitre.org/techniques/" + strings.ReplaceAll(t.ID, ".", "/") + "/"
}

// hops are the techniques of what paths go by.
var hops = map[string]string{
	"ssh": "T1021.004", "rdp": "T1021.001", "rfb": "T1021.005", "vnc": "T1021.005", "winrm": "T1021.006", "dcom": "T1021.003", "wmi": "T1047",
	"service": "T1569.002", "task": "T1053.005", "share": "T1021.002", "registry": "T1112", "telnet": "T1021", "x11": "T1021", "teamviewer": "T1219",
}

// shown are the techniques that evidence of a kind shows, by rule. A rule that is
// not here, or has none of the kinds, shows its first technique.
var shown = map[string]map[string]string{
	"reverse-shell":      {"keys": "T1059", "commands": "T1059", "model": "T1059", "carrier": "T1571"},
	"remote-execution":   {"winrm": "T1021.006", "output": "T1021.002", "program": "T1570"},
	"lateral-movement":   {"credential": "T1078"},
	"exfiltration":       {"volume": "T1048", "staged": "T1074"},
	"beacon":             {},
	"password-guessing":  {"refused": "T1110.001", "spray": "T1110.003"},
	"credential-dumping": {"dcsync": "T1003.006", "BaseRegSaveKey": "T1003.002", "LsarRetrievePrivateData": "T1003.004", "bkrp_BackupKey": "T1555"},
	"zerologon":          {"challenges": "T1210"},
	"scan":               {"administrative": "T1046"},
}

// seen returns the techniques that the evidence of a finding shows, the first
// first, without those that only the rule covers.
func seen(f *detection.Finding) []string {
	var list []string
	add := func(id string) {
		if id != "" && !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	for i := range f.Evidence {
		e := &f.Evidence[i]
		if e.LLR <= 0 {
			continue
		}
		add(shown[f.Rule.ID][e.Kind])
		if f.Rule.ID == "remote-execution" {
			add(called(e))
		}
	}
	if f.Rule.ID == "lateral-movement" {
		for _, h := range f.Path {
			add(hops[h.Via])
		}
	}
	if len(list) == 0 && len(f.Rule.Techniques) > 0 {
		add(f.Rule.Techniques[0])
	}
	return list
}

// called returns the technique of a remote procedure or copied file that evidence
// of remote execution is about.
func called(e *detection.Evidence) string {
	if strings.HasPrefix(e.Kind, "copied ") {
		return "T1570"
	}
	call, _, _ := strings.Cut(e.Claim, " ")
	if iface, operation, ok := strings.Cut(call, "."); ok && strings.HasSuffix(e.Kind, " "+operation) {
		p, _ := detection.Administrative(iface, operation)
		return p.Technique
	}
	return ""
}

// techniquesOf returns the techniques that a case shows, in the order of tactics.
func techniquesOf(c *triage.Case) []Technique {
	var list []Technique
	for _, it := range c.Items {
		if it.Outcome == detection.Benign {
			continue
		}
		for _, id := range seen(it.Finding) {
			if t := technique(id); !slices.Contains(list, t) {
				list = append(list, t)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Technique) int { return slices.Index(tactics, a.Tactic) - slices.Index(tactics, b.Tactic) })
	return list
}

// column is a tactic with what was seen of it.
type column struct {
	Tactic string
	Cells  []*cell
	Seen   int
}

// cell is a technique of the matrix.
type cell struct {
	Technique
	Seen  bool     // not only covered by a rule that found something
	Cases []string // where it was seen
}

// matrix makes the columns of the tactics of which rules that found something
// cover techniques, and names the tactics of which nothing was found.
func matrix(cases []*triage.Case) (columns []column, none []string) {
	cells := make(map[string]*cell)
	of := func(id string) *cell {
		if cells[id] == nil {
			cells[id] = &cell{Technique: technique(id)}
		}
		return cells[id]
	}
	for _, c := range cases {
		for _, it := range c.Items {
			if it.Outcome == detection.Benign {
				continue
			}
			for _, id := range it.Rule.Techniques {
				of(id)
			}
		}
		for _, t := range techniquesOf(c) {
			k := of(t.ID)
			k.Seen = true
			if len(k.Cases) < 6 {
				k.Cases = append(k.Cases, c.ID)
			}
		}
	}
	for _, tactic := range tactics {
		col := column{Tactic: tactic}
		for _, k := range cells {
			if k.Tactic == tactic {
				col.Cells = append(col.Cells, k)
				if k.Seen {
					col.Seen++
				}
			}
		}
		slices.SortFunc(col.Cells, func(a, b *cell) int {
			if a.Seen != b.Seen {
				if a.Seen {
					return -1
				}
				return 1
			}
			return strings.Compare(a.ID, b.ID)
		})
		if col.Seen == 0 {
			none = append(none, tactic)
			continue
		}
		columns = append(columns, col)
	}
	return columns, none
}

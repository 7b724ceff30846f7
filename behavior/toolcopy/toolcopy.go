// Package toolcopy measures a file that is written to another machine's share and
// then run there: its name comes back in a command line, or what is run follows
// the write closely.
package toolcopy

import (
	"slices"
	"strings"

	"tyto/packet"
	"tyto/session"
)

// Write is a file written to a share.
type Write struct {
	At       int64
	UID      session.UID
	From, To packet.Addr
	Share    string
	Name     string // in the share
	Bytes    uint64
}

// Run is something that was started on a machine by another.
type Run struct {
	At      int64
	UID     session.UID
	From    packet.Addr
	To      packet.Addr
	Command string // empty if it is not told
}

// Copy is a write with the run that followed it.
type Copy struct {
	Write
	Run   Run
	Named bool // the command has the file's name
}

// Limits.
const (
	// Within is how long after a write a run may follow, in ns.
	Within    = int64(1800e9)
	maxPairs  = 10_000
	maxWrites = 16 // of a pair
)

type pair struct{ from, to packet.Addr }

// Table remembers writes. The zero value is ready for use.
type Table struct {
	Overflow uint64
	writes   map[pair][]Write
}

// Wrote notes a write.
func (t *Table) Wrote(w Write) {
	if t.writes == nil {
		t.writes = make(map[pair][]Write)
	}
	p := pair{w.From, w.To}
	list, ok := t.writes[p]
	if !ok && len(t.writes) >= maxPairs {
		t.Overflow++
		return
	}
	if len(list) >= maxWrites {
		list = slices.Delete(list, 0, 1)
	}
	t.writes[p] = append(list, w)
}

// Ran returns the write that a run is of: one whose name its command has, or,
// where no command is told, the latest program of the same source.
func (t *Table) Ran(r Run) (Copy, bool) {
	var latest *Write
	list := t.writes[pair{r.From, r.To}]
	for i := range list {
		w := &list[i]
		if w.At > r.At || r.At-w.At > Within {
			continue
		}
		if base := Base(w.Name); r.Command != "" && base != "" && strings.Contains(strings.ToLower(r.Command), strings.ToLower(base)) {
			return Copy{*w, r, true}, true
		}
		if r.Command == "" && Program(w.Name) {
			latest = w
		}
	}
	if latest == nil {
		return Copy{}, false
	}
	return Copy{*latest, r, false}, true
}

// Base returns the last part of a path.
func Base(path string) string {
	return path[strings.LastIndexAny(path, `\/`)+1:]
}

// programs are endings of files that can be run.
var programs = []string{".exe", ".dll", ".bat", ".cmd", ".ps1", ".vbs", ".js", ".scr", ".msi", ".com", ".sys", ".hta", ".jar", ".sh", ".py"}

// Program reports whether a file can be run, by its ending.
func Program(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(programs, func(end string) bool { return strings.HasSuffix(name, end) })
}

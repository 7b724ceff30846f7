package report

import (
	"testing"

	"tyto/behavior"
	"tyto/detection"
	"tyto/session"
)

// TestRecorder wants the sessions that findings name to be remembered, others to
// be forgotten, and no more of either than the bounds say.
func TestRecorder(t *testing.T) {
	var l detection.Ledger
	r := NewRecorder()
	for i := range uint64(3 * maxRecent) {
		uid := session.UID{i + 1, 1}
		s := &detection.Session{UID: uid, Sheet: new(detection.Sheet)}
		if i%1000 == 0 {
			l.Finding(rule(t, "scan"), uid.String()).Session(uid)
		}
		r.Session(s, &l)
		if len(r.recent) >= maxRecent {
			t.Fatalf("%d sessions are held", len(r.recent))
		}
	}
	late := session.UID{5, 1} // named when it is long forgotten
	l.Finding(rule(t, "scan"), "late").Session(late)
	r.Finish(&l)
	named := r.Named()
	if want := 3*maxRecent/1000 + 1; len(named) != want {
		t.Errorf("%d sessions are remembered, want %d", len(named), want)
	}
	if named[late.String()] != nil || named[session.UID{2, 1}.String()] != nil {
		t.Error("a session is remembered that nobody named in time")
	}
	if s := named[session.UID{1001, 1}.String()]; s == nil || s.Sheet != nil {
		t.Errorf("a named session is %+v", s)
	}
}

// TestCondensed wants few segments of many, in order, and what is done short in
// long quiet to show.
func TestCondensed(t *testing.T) {
	var list []behavior.Segment
	for i := range int64(5000) {
		state := idle
		if i%40 == 7 {
			state = "keystrokes"
		}
		list = append(list, behavior.Segment{From: i * second, To: (i + 1) * second, State: state}, behavior.Segment{From: (i + 1) * second, To: (i + 1) * second, State: "output"})
	}
	got := condensed(list, 5000*second)
	if len(got) == 0 || len(got) > maxSegments {
		t.Fatalf("%d segments", len(got))
	}
	seen := make(map[string]bool)
	for i, g := range got {
		seen[g.State] = true
		if i > 0 && (g.From < got[i-1].To || g.State == got[i-1].State) {
			t.Errorf("segment %d is %v after %v", i, g, got[i-1])
		}
	}
	if !seen["keystrokes"] {
		t.Error("what was typed does not show")
	}
}

// Package behavior is what goes on inside sessions and between devices over
// time, measured: with units, without a verdict. What it may mean is for
// package detection to say.
//
// Heard is what a Listener, such as a trained network, hears in one session.
// Sub-packages are measurements over many.
package behavior

import (
	"cmp"
	"slices"

	"tyto/sequence"
)

// Heard is what was heard in a session that need not be readable. Its zero value
// is nothing.
type Heard struct {
	// App is the protocol, whatever the port: empty if it cannot be told.
	App string
	// AppP is the probability that App is right.
	AppP float64
	// Labels are what the session is about, the likeliest first; several may hold.
	Labels []Label
	// Control is who leads: whose messages make the other side act.
	Control Control
	// ControlP is the probability that Control is right.
	ControlP float64
	// Leads are messages that came after quiet, by who sent them: those of the
	// originator first.
	Leads [2]int
	// Layers is how many protocols are inside each other, 1 if there is no tunnel.
	Layers int
	// LayersP is the probability that Layers is right.
	LayersP float64
	// Segments are what the session does from one moment to the next, in order
	// and without overlap.
	Segments []Segment
	// Embedding has length one; that of sessions that behave alike is alike.
	Embedding []float32
}

// Label is one thing a session is about: a name of docs/labels.md.
type Label struct {
	Name string
	P    float64 // calibrated probability that it holds
}

// With returns list with another label, the likeliest first. Of a label that is in
// it already the likelier counts.
func With(list []Label, l Label) []Label {
	i := slices.IndexFunc(list, func(have Label) bool { return have.Name == l.Name })
	switch {
	case i < 0:
		list = append(list, l)
	case list[i].P >= l.P:
		return list
	default:
		list[i] = l
	}
	slices.SortStableFunc(list, func(a, b Label) int { return cmp.Compare(b.P, a.P) })
	return list
}

// Segment is a span of time in which a session does one thing.
type Segment struct {
	From, To   int64  // ns since the session's first packet
	State      string // a name of docs/labels.md
	P          float64
	Orig, Resp uint64 // bytes in messages of the originator and the responder
	Messages   int
}

// Control is who leads a session.
type Control uint8

// Who may lead a session. ControlUnknown: it cannot be told.
const (
	ControlUnknown Control = iota
	ControlNone            // neither: nothing is answered, or all is in step
	ControlOrig
	ControlResp
	ControlBoth
)

var controls = [...]string{"unknown", "none", "orig", "resp", "both"}

// String returns the name, as in session records.
func (c Control) String() string { return controls[c] }

// Session is what a Listener may know of a session: what can be heard, and the
// protocol that was recognised by its content. It holds no address, port, name or
// absolute time.
type Session struct {
	Proto    uint8 // IP protocol number
	App      string
	Sequence *sequence.Sequence
	First    [2][]byte // beginning of the first payload of originator and responder
}

// Listener hears what sessions do. It may be used by several goroutines if each
// has its own.
type Listener interface {
	// Knows reports whether sessions of a protocol are worth listening to: those
	// that cannot be read, and those it has learned of.
	Knows(app string, encrypted bool) bool
	// Listen writes what it hears into h and reports whether it heard anything;
	// what it leaves in h is valid until the next call.
	Listen(h *Heard, s *Session) bool
}

// Package augment makes of a labelled session another one that could have been
// recorded elsewhere: on another network, by another sensor, with another
// cipher, inside another tunnel. Models see each session in many such forms, so
// that they learn what is done and not where it was recorded.
//
// A [Plan] says what changes; its zero value changes nothing. Each part of it is
// a value in a file of its own, and they are applied in the order in which the
// real things happen: what people and programs write, what ciphers and tunnels
// make of it, how it is cut into packets, what the network does with these, what
// a sensor keeps. Everything made is physically possible: padding only adds,
// nothing arrives before it is sent, an answer follows what it answers.
//
// The truth goes with the messages. Of every entry of the result an [Origin]
// tells from which entries of the input it came, and a [Warp] moves the times of
// segments and keys.
//
// To add a transformation:
//  1. write a file with a type whose zero value changes nothing, and a method
//     apply(*draft) that reads draft.items and leaves new ones, each with the
//     origin of what it came from (a new Cause if from nothing);
//  2. add a field to Plan, and a line to Plan.apply at its place in the order;
//  3. draw it in Draw, and add a case to the plans of augment_test.go.
package augment

import (
	"math/rand/v2"

	"tyto/packet"
	"tyto/session"
)

// Session is a labelled session as a sensor saw it.
type Session struct {
	Proto   uint8           // IP protocol number
	Entries []session.Entry // by time, since the epoch
	// RTT is the round trip between the end points in ns and Place where between
	// them the sensor is (0 at the originator, 1 at the responder), where the
	// truth knows. They are used if there is no handshake to tell it from: the
	// shortest answers, which are all there is else, say too little where both
	// sides speak at once, as they do in tunnels. An RTT of 0 is unknown.
	RTT   int64
	Place float64
	// Typing is when a person types, by time: those messages keep the pace of
	// fingers whatever the network does.
	Typing []Span
	// Keys is when keys were pressed, in order. Only taking chaff away needs it.
	Keys []int64
}

// Span is a time in which one side is typed at, on the clock of the truth.
type Span struct {
	From, To int64 // ns
	By       session.Direction
}

// Origin is where an entry of a result came from: the entries First to Last of
// the input, of which those in its direction are in it; or, if First is
// negative, a Cause that is no entry. Then Last is the entry of the input that
// it goes with, such as the data that an acknowledgement is for.
type Origin struct{ First, Last int32 }

// Causes of entries that are in no input, in Origin.First.
const (
	Handshake  int32 = -1 - iota // of an outer layer
	Ack                          // the inner connection's acknowledgement, visible in a tunnel of packets
	Chaff                        // hides keys
	Background                   // another session in the same tunnel
)

// Result is a session that was made of another. Its slices are valid until the
// next call of the Augmenter.
type Result struct {
	Proto   uint8
	Entries []session.Entry // by time
	From    []Origin        // of each entry
	Warp    Warp
}

// Augmenter makes sessions. It keeps its buffers, so that no memory is needed
// once they have grown. It is not for use by several goroutines at once. The
// zero value is ready.
type Augmenter struct {
	draft   draft
	entries []session.Entry
	from    []Origin
}

// Augment makes a session as the plan says. The same input, plan and state of r
// give the same result.
func (a *Augmenter) Augment(r *rand.Rand, in *Session, p *Plan) Result {
	d := &a.draft
	d.begin(r, in)
	p.apply(d)
	a.entries, a.from = a.entries[:0], a.from[:0]
	for i := range d.items {
		a.entries = append(a.entries, d.items[i].Entry)
		a.from = append(a.from, d.items[i].from)
	}
	return Result{Proto: d.proto, Entries: a.entries, From: a.from, Warp: d.warp()}
}

// Augment makes a session with an Augmenter of its own.
func Augment(r *rand.Rand, in *Session, p *Plan) Result {
	return new(Augmenter).Augment(r, in, p)
}

// item is an entry in the making.
type item struct {
	session.Entry
	from  Origin
	order int32 // in which it was made: breaks ties of time
	seq   int32 // number of the packet in its direction; 0 if it takes no part in repetitions
}

// payload reports whether the item is a packet with bytes that were not sent before.
func (i *item) payload() bool {
	return !i.Message && i.Bytes > 0 && i.Kind&session.Repeat == 0
}

// draft is a session in the making: a list of items that one transformation
// after the other replaces.
type draft struct {
	r      *rand.Rand
	in     *Session
	proto  uint8
	items  []item // by time
	spare  []item // room for the next list
	trains [2]train
	was    path // of the input
	path   path // of the items
	shows  bool // messages carry most of the bytes

	line  line
	knots []Knot
	outs  []int64
}

func (d *draft) begin(r *rand.Rand, in *Session) {
	d.r, d.in, d.proto = r, in, in.Proto
	d.items = d.items[:0]
	for i, e := range in.Entries {
		d.items = append(d.items, item{Entry: e, from: Origin{int32(i), int32(i)}})
	}
	d.was = pathOf(in)
	d.path = d.was
	d.shows = d.showsMessages()
}

// showsMessages reports whether messages have most of the bytes, as
// sequence.Recover asks.
func (d *draft) showsMessages() bool {
	var shown, sent uint64
	for i := range d.items {
		switch it := &d.items[i]; {
		case it.Message:
			shown += uint64(it.Bytes)
		case it.payload():
			sent += uint64(it.Bytes)
		}
	}
	return shown > 0 && float64(shown) >= 0.5*float64(sent)
}

// next begins a new list; what is added to it becomes the items at done.
func (d *draft) next() []item          { return d.spare[:0] }
func (d *draft) done(items []item)     { d.items, d.spare = items, d.items }
func (d *draft) tcp() bool             { return d.proto == packet.ProtoTCP }
func (d *draft) chance(p float64) bool { return p > 0 && d.r.Float64() < p }

// typing reports whether a side is typed at when it sends something that the
// sensor sees at that time.
func (d *draft) typing(at int64, dir session.Direction, next *int) bool {
	at -= d.path.oneWay(dir)
	for *next < len(d.in.Typing) && d.in.Typing[*next].To+typingTail < at {
		*next++
	}
	for _, s := range d.in.Typing[*next:] {
		if s.From > at+typingTail {
			return false
		}
		if s.By == dir && at <= s.To+typingTail {
			return true
		}
	}
	return false
}

// typingTail is by how much the truth's clock and the estimated way to the
// sensor may be wrong, ns.
const typingTail = 5e6

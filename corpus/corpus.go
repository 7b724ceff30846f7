// Package corpus keeps what can be heard of labelled sessions: the times,
// directions, sizes and kinds of their packets and messages, with the truth.
//
// Captures are large and sequences small: a [Run] is one recorded run without
// its packets, a shard file holds many, and a [Dir] is a directory of shards
// that only grows. Models are trained on nothing else.
package corpus

import (
	"slices"

	"tyto/lab/label"
	"tyto/session"
)

// Run is one recorded run. Truth has no Flows: they are in Sessions.
type Run struct {
	Truth    label.Run
	Sessions []Session // by first packet
}

// Session is one session of a run as tyto sees it.
type Session struct {
	// Flow is the truth, cut to the time of the session: of one flow that pauses
	// for long there may be several sessions. It has no Process, addresses and
	// ports: nothing may learn from them.
	Flow label.Flow
	// From and To are the names of the flow's hosts, empty if the sensor sees
	// another address than theirs.
	From, To string
	// Reversed says that the session's originator is the flow's responder.
	Reversed bool
	// App is what the session was recognised as by content, "unknown" if it was not.
	App string
	// First is the beginning of the first payload of each direction, at most
	// FirstBytes of it. Models may see its classes of bytes, not the bytes.
	First [2][]byte
	// Entries are the session's packets and messages by time; packets of bulk
	// are gathered (see Gather).
	Entries []session.Entry
	// Dropped is how many entries there are beyond MaxEntries.
	Dropped int
}

// Limits of what is kept of a session.
const (
	FirstBytes = 64
	MaxEntries = 8000
)

// Gather puts entries of bulk together, so that a long transfer is short:
// packets that are full and follow each other closely in one direction become
// entries of up to gatherPackets. The first packets of a train, repetitions and
// messages stay as they are. It returns at most MaxEntries, and how many more
// there were.
func Gather(entries []session.Entry) (kept []session.Entry, dropped int) {
	var train gatherer
	for _, e := range entries {
		if i := train.add(e, len(kept)); i >= 0 {
			kept[i].Bytes += e.Bytes
			kept[i].Packets += e.Packets
			continue
		}
		kept = append(kept, e)
	}
	if len(kept) > MaxEntries {
		dropped = len(kept) - MaxEntries
		kept = slices.Clip(kept[:MaxEntries])
	}
	return kept, dropped
}

const (
	gatherFrom    = 3    // packets of a train that stay as they are
	gatherPackets = 32   // in one entry
	gatherGap     = 5e6  // ns between packets of a train
	fullPacket    = 1200 // bytes of payload of a full packet
)

// gatherer knows the train of full packets that goes on.
type gatherer struct {
	dir     session.Direction
	last    int64 // time of its latest packet
	packets int
	into    int // entry that the next packet may go to; -1 for none
}

// add returns the entry that e goes into, -1 if it stays for itself as entry n.
func (g *gatherer) add(e session.Entry, n int) int {
	if e.Message {
		return -1
	}
	if e.Bytes < fullPacket*e.Packets || e.Kind&session.Repeat != 0 || e.Packets > gatherPackets {
		*g = gatherer{into: -1}
		return -1
	}
	if g.packets == 0 || e.Dir != g.dir || e.Time-g.last > gatherGap {
		*g = gatherer{dir: e.Dir, into: -1}
	}
	g.last = e.Time
	g.packets++
	switch {
	case g.packets <= gatherFrom:
		return -1
	case g.into < 0 || g.packets-gatherFrom > gatherPackets:
		g.into, g.packets = n, gatherFrom+1
		return -1
	}
	return g.into
}

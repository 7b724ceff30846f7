// Package sequence recovers from a session what can be heard of it: messages,
// their times, directions and sizes. It is the only road from traffic to numbers,
// for training and serving alike.
//
// A [Message] is about one write of an application. Packets are not: how a write
// becomes packets depends on MTU, offload and loss, which differ between networks
// and say nothing of what is done. Addresses, ports, names, content and absolute
// time are not in a [Sequence].
package sequence

import (
	"iter"

	"tyto/session"
)

// Carrier is how messages are told apart.
type Carrier uint8

const (
	Nothing   Carrier = iota // no message was sent
	Records                  // the protocol shows them: TLS records, SSH packets
	Chunks                   // what follows closely in one direction of a stream
	Datagrams                // each is one
)

// String is the carrier in lower case.
func (c Carrier) String() string {
	return [...]string{"nothing", "records", "chunks", "datagrams"}[c]
}

// Message is about one write of an application.
type Message struct {
	Time    int64             // of its first packet, ns since the session's first
	Took    int64             // until its last packet, ns
	Dir     session.Direction // who sent it
	Kind    uint8             // with Records the protocol's own, such as the TLS content type
	Bytes   uint32            // on the wire, without headers of TCP or UDP
	Content uint32            // Bytes without what the carrier adds, estimated
	Parts   uint32            // packets, or records, it came in
}

// Sequence is what can be heard of a session.
type Sequence struct {
	Carrier  Carrier
	RTT      int64 // between the end points, ns; 0 if it cannot be told
	Messages []Message
}

// What of a session's bytes must be in messages that the protocol shows, for
// these to be taken instead of packets.
const recordShare = 0.6

// Recover makes a session's messages of its series; proto is the IP protocol
// number.
func Recover(proto uint8, entries iter.Seq[session.Entry]) Sequence {
	var r recovery
	for e := range entries {
		r.add(e)
	}
	s := Sequence{RTT: r.rtt.estimate()}
	switch {
	case r.shown > 0 && float64(r.shown) >= recordShare*float64(r.since):
		s.Carrier, s.Messages = Records, join(r.messages, s.RTT, recordOverhead)
	case len(r.packets) > 0 && proto == tcp:
		s.Carrier, s.Messages = Chunks, join(r.packets, s.RTT, 0)
	case len(r.packets) > 0:
		s.Carrier, s.Messages = Datagrams, r.packets
	}
	return s
}

const (
	tcp = 6
	// recordOverhead is what a TLS record or an SSH packet has besides content:
	// header, explicit nonce or padding, tag; between 17 and 37 bytes.
	recordOverhead = 24
)

// recovery holds what was read of a series.
type recovery struct {
	began    bool
	first    int64
	packets  []Message // with payload that was not sent before
	messages []Message
	shown    uint64 // bytes in messages
	since    uint64 // bytes in packets, since the first message
	rtt      roundTrips
}

func (r *recovery) add(e session.Entry) {
	if !r.began {
		r.began, r.first = true, e.Time
	}
	m := Message{Time: e.Time - r.first, Dir: e.Dir, Kind: e.Kind, Bytes: e.Bytes, Content: e.Bytes, Parts: max(e.Packets, 1)}
	if e.Message {
		if len(r.messages) == 0 {
			r.since += r.last()
		}
		r.messages = append(r.messages, m)
		r.shown += uint64(e.Bytes)
		return
	}
	r.rtt.packet(e)
	if e.Bytes == 0 || e.Kind&session.Repeat != 0 {
		return
	}
	m.Kind = 0
	r.packets = append(r.packets, m)
	if len(r.messages) > 0 {
		r.since += uint64(e.Bytes)
	}
}

// last is the size of the latest packet: the one that the first message began in.
func (r *recovery) last() uint64 {
	if n := len(r.packets); n > 0 {
		return uint64(r.packets[n-1].Bytes)
	}
	return 0
}

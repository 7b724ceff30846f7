// Package icmp follows ICMP (RFC 792), and notices echo messages that carry a
// tunnel.
package icmp

import (
	"hash/maphash"

	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "icmp",
	Doc:        "Internet Control Message Protocol (RFC 792); IP protocol 1. Echo replies that differ from what they answer are told as a tunnel.",
	Transports: protocol.IP,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
}

const (
	ipProto     = 1
	echoRequest = 8
	redirect    = 5
)

func probe(e *protocol.Evidence) protocol.Verdict {
	if e.Proto == ipProto {
		return protocol.Sure
	}
	return protocol.No
}

// An echo reply repeats its request's data (RFC 792). The session carries
// something else when at least tunnelReplies of them repeat none of the latest
// requests, and the data are of at least tunnelSizes lengths.
const (
	tunnelReplies = 6
	tunnelSizes   = 4
	window        = 8 // latest requests that a reply is compared with
	minData       = 8 // data shorter than this tell nothing
	echoHeader    = 4 // identifier and sequence, after type, code and checksum
)

type analyzer struct {
	seed   maphash.Seed
	seeded bool
	latest [window]uint64
	next   int
	differ int
	match  int
	sizes  [tunnelSizes]int
	told   bool
	warned bool
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Parse takes a message without its first four bytes: type, code and checksum.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	switch f.Session.OrigPort {
	case redirect:
		if !a.warned {
			a.warned = true
			f.Anomaly("icmp_redirect", "")
		}
	case echoRequest:
		if len(data) >= echoHeader+minData && f.Session.Flags&session.Cut == 0 && !a.told {
			a.echo(f, dir, data[echoHeader:])
		}
	}
	return len(data)
}

func (a *analyzer) echo(f *protocol.Flow, dir session.Direction, b []byte) {
	if !a.seeded {
		a.seed, a.seeded = maphash.MakeSeed(), true
	}
	h := maphash.Bytes(a.seed, b)
	if dir == session.Orig {
		a.latest[a.next%window] = h
		a.next++
		return
	}
	if a.next == 0 {
		return
	}
	for i := 0; i < min(a.next, window); i++ {
		if a.latest[i] == h {
			a.match++
			return
		}
	}
	a.differ++
	for i, n := range a.sizes {
		if n == len(b) {
			break
		}
		if n == 0 {
			a.sizes[i] = len(b)
			break
		}
	}
	if a.differ >= tunnelReplies && a.differ > 2*a.match && a.sizes[tunnelSizes-1] != 0 {
		a.told = true
		f.Anomaly("icmp_echo_reply_mismatch", "")
		f.Observe(protocol.Observation{Kind: protocol.Tunnel, Value: "icmp"})
	}
}

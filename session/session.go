// Package session turns packets into two-way conversations.
//
// A [Tracker] follows the sessions of one shard: it decides who is the
// originator, counts, keeps TCP's state, puts streams together and ends
// sessions by packet time. What is said inside is told to a [Handler]. The
// package reads no clock, takes no lock and writes no log.
package session

import (
	"tyto/packet"
)

// Direction tells the two sides of a session apart.
type Direction uint8

// Directions of a packet or message: who sent it.
const (
	Orig Direction = 0 // from the originator (client) to the responder
	Resp Direction = 1 // from the responder (server) to the originator
)

// Other returns the opposite direction.
func (d Direction) Other() Direction { return d ^ 1 }

// String returns "orig" or "resp".
func (d Direction) String() string {
	if d == Orig {
		return "orig"
	}
	return "resp"
}

// Tuple identifies a session by its end points: originator first. For ICMP the
// ports are the type and code of the originator's message and its counterpart,
// as in Zeek's logs. The zero value is no session.
type Tuple struct {
	Orig, Resp         packet.Addr
	OrigPort, RespPort uint16
	Proto              uint8 // IP protocol number
}

// Reverse returns the tuple with originator and responder exchanged.
func (t Tuple) Reverse() Tuple {
	return Tuple{Orig: t.Resp, Resp: t.Orig, OrigPort: t.RespPort, RespPort: t.OrigPort, Proto: t.Proto}
}

// UID is a session's identifier: unique over captures with overwhelming
// probability, and the same whenever the same capture is analysed again.
type UID [2]uint64

// IsZero reports whether u identifies nothing.
func (u UID) IsZero() bool { return u == UID{} }

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// AppendTo appends the text form, "C" and 17 base-62 digits as Zeek's.
func (u UID) AppendTo(b []byte) []byte {
	var t [18]byte
	t[0] = 'C'
	hi, lo := u[0], u[1]
	for i := 1; i < 9; i += 2 {
		d, e := pairs62[hi%(62*62)], pairs62[lo%(62*62)]
		hi /= 62 * 62
		lo /= 62 * 62
		t[i], t[i+1] = d[0], d[1]
		t[i+9], t[i+10] = e[0], e[1]
	}
	t[9] = base62[hi%62]
	return append(b, t[:]...)
}

// pairs62 are two digits each, the lower one first.
var pairs62 = func() (t [62 * 62][2]byte) {
	for i := range t {
		t[i] = [2]byte{base62[i%62], base62[i/62]}
	}
	return
}()

// String returns the text form of u.
func (u UID) String() string { return string(u.AppendTo(nil)) }

// Endpoint is what one side of a session did.
type Endpoint struct {
	Packets uint64
	Bytes   uint64 // payload, as the sequence numbers tell it for TCP
	IPBytes uint64 // IP packets, headers included
	Missed  uint64 // stream bytes the capture does not hold

	tcp tcpSide
}

// Session is a two-way conversation. Sessions live in memory the Tracker
// reuses: they are valid until the Handler's Ended returns. The type holds no
// pointers, so that a million of them cost the garbage collector nothing.
type Session struct {
	UID    UID
	Parent UID   // session of the tunnel it came out of, if any
	First  int64 // time of the first packet, ns
	Last   int64 // time of the last packet, ns
	Sides  [2]Endpoint

	Tuple
	Tunnel    packet.Layer // kind of the tunnel it came out of
	VLAN      uint16
	InnerVLAN uint16
	MACs      [2]packet.MAC // link-layer addresses, by Direction

	History History
	State   State // set when the session ends
	Flags   Flags

	// App is the recognised protocol, an index into the names of the Handler's
	// protocol set; 0 is unknown. Services are the protocols found so far, by
	// index in that set plus one, 0 for none.
	App      uint16
	Services [6]uint8

	// Analysis is for the Handler: it finds its own state for the session by
	// it. Zero when the session starts.
	Analysis uint32

	link   links
	Series Series
}

// Duration returns the time between the first and the last packet, in ns.
func (s *Session) Duration() int64 { return s.Last - s.First }

// AddService notes a protocol found in the session, once; those beyond the
// sixth are not noted.
func (s *Session) AddService(i uint8) {
	for k, v := range s.Services {
		if v == i {
			return
		}
		if v == 0 {
			s.Services[k] = i
			return
		}
	}
}

// Flip exchanges originator and responder, with all that is counted by side.
// Who calls it knows the roles: they are no guess any more.
func (s *Session) Flip() {
	s.Tuple = s.Tuple.Reverse()
	s.Sides[0], s.Sides[1] = s.Sides[1], s.Sides[0]
	s.MACs[0], s.MACs[1] = s.MACs[1], s.MACs[0]
	s.Flags = s.Flags&^RolesGuess ^ Flipped
	s.History.flip()
	s.Series.flip()
}

// Flags are facts about a session that are either so or not.
type Flags uint16

// Flags of a session.
const (
	MidSession Flags = 1 << iota // the capture starts inside it
	RolesGuess                   // originator and responder are told by ports or the first packet, not by a handshake or the protocol
	Flipped                      // roles were exchanged after the first packet
	Cut                          // some packets are cut by the snap length
	Shed                         // ended early, or without detail, to keep the memory budget
	Quiet                        // the handler wants no more of its bytes
	Guessed                      // App is likely, not certain
	Encrypted                    // the content cannot be read
	Marked                       // for the handler
)

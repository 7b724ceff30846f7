package sequence

import (
	"tyto/packet"
	"tyto/session"
)

// roundTrips estimates the time between the end points from what a sensor
// anywhere between them sees. A handshake shows it: SYN to the answer is the way
// to the responder and back, the answer to what ends the handshake the way to the
// originator and back. Without one, the shortest times in which either side
// answered are taken, which the sides' own work makes longer, never shorter.
type roundTrips struct {
	syn, answer int64 // times of the first, 0 for none
	handshake   int64 // 0 for none
	last        [2]int64
	spoke       session.Direction
	any         bool
	answered    [2]int64 // shortest time until a side answered the other, 0 for none
}

func (t *roundTrips) packet(e session.Entry) {
	const flags = uint8(packet.SYN | packet.FIN | packet.RST)
	repeat := e.Kind&session.Repeat != 0
	switch {
	case e.Kind&uint8(packet.SYN) != 0 && e.Dir == session.Orig:
		t.syn, t.answer = e.Time, 0 // of several the last is the one that was answered, if any was
		return
	case e.Kind&uint8(packet.SYN) != 0:
		if t.answer == 0 {
			t.answer = e.Time
		}
		return
	case t.handshake == 0 && t.syn != 0 && t.answer != 0 && e.Dir == session.Orig && e.Kind&flags == 0 && !repeat:
		t.handshake = e.Time - t.syn
	}
	if e.Bytes == 0 || repeat {
		return
	}
	if t.any && t.spoke != e.Dir {
		d := max(e.Time-t.last[e.Dir.Other()], 1)
		if a := &t.answered[e.Dir]; *a == 0 || d < *a {
			*a = d
		}
	}
	t.any, t.spoke = true, e.Dir
	t.last[e.Dir] = e.Time
}

// estimate returns the round trip in ns, 0 if there is nothing to tell it from.
func (t *roundTrips) estimate() int64 {
	if t.handshake > 0 {
		return t.handshake
	}
	return t.answered[session.Orig] + t.answered[session.Resp]
}

package augment

import (
	"tyto/packet"
	"tyto/session"
)

// loss is what became of a packet that did not arrive at once.
type loss struct {
	late   int64 // by how much it arrived later, ns; 0 if it was not lost
	before bool  // the sensor did not see the packet that was lost
	never  bool  // nobody sent it again
}

const (
	leastTimeout = 200e6 // ns, beside the round trip: Linux's
	synTimeout   = 1e9   // ns: RFC 6298
	mostTries    = 5
	mostLoss     = 0.2
	quickPackets = 3 // that follow closely, for a sender to learn of a loss from their acknowledgements
	quickWithin  = 5e6
)

// loses reports whether one of the packets of e is lost. What was sent again in
// the input is not.
func (l *line) loses(d *draft, e session.Entry) bool {
	if l.n.Loss <= 0 || e.Kind&session.Repeat != 0 || e.Bytes == 0 && e.Kind&uint8(packet.SYN) == 0 {
		return false
	}
	return d.chance(min(l.n.Loss, mostLoss) * float64(max(e.Packets, 1)))
}

// lose decides what becomes of item i. A stream's packet is sent again after a
// round trip if enough packets follow to tell the sender, else when it times
// out; each further loss doubles the time. A datagram is lost for good, or in
// half of the sessions sent again by who understands what is in it.
func (l *line) lose(d *draft, i int, before float64) (lost loss) {
	lost.before = d.chance(before)
	if !d.tcp() {
		lost.late = l.rtt + l.rtt/2 + 2e6
		lost.never = !l.sure
		lost.before = lost.before || lost.never
		return lost
	}
	timeout := l.rtt + leastTimeout
	if d.items[i].Kind&uint8(packet.SYN) != 0 {
		timeout = synTimeout
	} else if quick(d.items, i) {
		lost.late, timeout = l.rtt+l.rtt/8+200_000, 2*timeout
	}
	if lost.late == 0 {
		lost.late, timeout = timeout, 2*timeout
	}
	for try := 1; try < mostTries && d.chance(min(l.n.Loss, mostLoss)); try++ {
		lost.late += timeout
		timeout *= 2
	}
	return lost
}

// quick reports whether enough packets follow item i closely.
func quick(items []item, i int) bool {
	n, dir, last := 0, items[i].Dir, items[i].Time
	for _, it := range items[i+1:] {
		if it.Message || it.Dir != dir {
			continue
		}
		if it.Time-last > quickWithin {
			return false
		}
		n += int(max(it.Packets, 1))
		if n >= quickPackets {
			return true
		}
		last = it.Time
	}
	return false
}

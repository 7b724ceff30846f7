package augment

import (
	"tyto/packet"
	"tyto/session"
)

// path is the time from a sensor to the end points and back, ns.
type path struct{ near, far int64 }

// oneWay is the time from the sender in a direction to the sensor.
func (p path) oneWay(dir session.Direction) int64 {
	if dir == session.Orig {
		return p.near / 2
	}
	return p.far / 2
}

const longestTrip = 1.5e9 // ns: what takes longer is no round trip

// pathOf estimates the path of a session from its handshake and from the
// shortest times in which either side answered. An answer faster than half of
// what the handshake says is no answer: the sides spoke at the same time.
func pathOf(s *Session) path {
	shake, ok := handshake(s.Entries)
	least := answers(s.Entries)
	if !ok && s.RTT > 0 {
		near := int64(float64(s.RTT) * min(max(s.Place, 0), 1))
		return path{near, s.RTT - near}
	}
	if !ok {
		return path{bounded(least.near), bounded(least.far)}
	}
	if least.near >= shake.near/2 && least.near < shake.near {
		shake.near = least.near
	}
	if least.far >= shake.far/2 && least.far < shake.far {
		shake.far = least.far
	}
	return shake
}

// bounded is an estimate without handshake: 0 if it cannot be a round trip.
func bounded(trip int64) int64 {
	if trip > longestTrip {
		return 0
	}
	return trip
}

// handshake reads the path off TCP's handshake.
func handshake(entries []session.Entry) (p path, ok bool) {
	const flags = uint8(packet.SYN | packet.FIN | packet.RST)
	var syn, answer int64
	for i := range entries {
		e := &entries[i]
		switch {
		case e.Message:
		case e.Kind&uint8(packet.SYN) != 0 && e.Dir == session.Orig:
			syn, answer = e.Time, 0
		case e.Kind&uint8(packet.SYN) != 0:
			if answer == 0 {
				answer = e.Time
			}
		case e.Dir == session.Orig && e.Kind&flags == 0:
			if syn == 0 || answer == 0 {
				return path{}, false
			}
			return path{near: e.Time - answer, far: answer - syn}, true
		}
	}
	return path{}, false
}

// answers are the shortest times in which the sides answered each other, 0 for
// one that never did.
func answers(entries []session.Entry) path {
	var last, least [2]int64
	spoke := session.Direction(2)
	for i := range entries {
		e := &entries[i]
		if e.Message || e.Bytes == 0 || e.Kind&session.Repeat != 0 {
			continue
		}
		if spoke == e.Dir.Other() {
			d := max(e.Time-last[spoke], 1)
			if l := &least[e.Dir]; *l == 0 || d < *l {
				*l = d
			}
		}
		spoke = e.Dir
		last[e.Dir] = e.Time
	}
	return path{near: least[session.Orig], far: least[session.Resp]}
}

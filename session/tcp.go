package session

import "tyto/packet"

// tcpSide is what is known of the stream one side sends. Positions are 64-bit
// and relative to start, which stands for the SYN: the first payload byte is at
// position 1 (RFC 9293 section 3.4). A stream may wrap around the 32-bit
// sequence space any number of times.
type tcpSide struct {
	last    uint64 // one past the highest position sent
	next    uint64 // position of the next byte to deliver
	acked   uint64 // highest position the other side acknowledged
	start   uint32 // sequence number at position 0
	lastSYN uint32 // low halves of the positions of the flags noted last in the history
	lastFIN uint32
	lastRST uint32
	stream  uint32    // out-of-order data, 0 for none
	repeats [3]uint16 // how often t, g, w happened, at most maxRepeats
	noted   noted
	phase   phase
	before  phase // phase before the latest change
	fins    uint8
	wscale  uint8
	done    bool // a FIN or RST was seen from this side
}

// noted are the history letters already given to a side.
type noted uint8

const (
	notedSYN noted = 1 << iota
	notedFIN
	notedRST
	notedData
	notedACK
	notedMulti
	notedFinRst
)

// letters whose repetition is noted tenfold.
const (
	repeatRetransmit = iota
	repeatGap
	repeatWindow
)

func (t *tcpSide) move(p phase) {
	t.before, t.phase = t.phase, p
}

// position returns where a sequence number is in the stream, and false if it
// lies before the stream's start.
func (t *tcpSide) position(seq uint32, near uint64) (uint64, bool) {
	d := int64(int32(seq - (t.start + uint32(near))))
	p := int64(near) + d
	return uint64(max(p, 0)), p >= 0
}

// payloadBytes returns how many bytes the side sent, by its sequence numbers.
func (t *tcpSide) payloadBytes(peer *tcpSide) uint64 {
	if t.before == synSent && t.phase == reset && peer.phase == inactive {
		return 0
	}
	n := t.last
	if n > 0 {
		n-- // the SYN
	}
	if t.fins > 0 && n > 0 {
		n--
	}
	return n
}

// note adds a letter for a side: upper case for the originator.
func (s *Session) note(dir Direction, letter byte) {
	if dir == Orig {
		letter -= 'a' - 'A'
	}
	s.History.add(letter)
}

func (s *Session) noteOnce(dir Direction, t *tcpSide, bit noted, letter byte) (again bool) {
	if t.noted&bit != 0 {
		return true
	}
	t.noted |= bit
	s.note(dir, letter)
	return false
}

const maxRepeats = 10000

// noteRepeat adds a letter at the 1st, 10th, 100th … occurrence.
func (s *Session) noteRepeat(dir Direction, t *tcpSide, which int, letter byte) {
	if t.repeats[which] >= maxRepeats {
		return
	}
	t.repeats[which]++
	n := t.repeats[which]
	for n >= 10 && n%10 == 0 {
		n /= 10
	}
	if n == 1 {
		s.note(dir, letter)
	}
}

// tcpHistory notes what a packet shows. pos is the packet's position and n the
// length of its payload.
func (s *Session) tcpHistory(dir Direction, t *tcpSide, flags packet.TCPFlags, pos uint64, n uint32) {
	switch control := flags & (packet.SYN | packet.FIN | packet.RST); control {
	case 0:
		if n > 0 {
			s.noteOnce(dir, t, notedData, 'd')
		} else if flags&packet.ACK != 0 {
			s.noteOnce(dir, t, notedACK, 'a')
		}
	case packet.SYN:
		letter := byte('s')
		if flags&packet.ACK != 0 {
			letter = 'h'
		}
		if s.noteOnce(dir, t, notedSYN, letter) && uint32(pos) != t.lastSYN {
			s.note(dir, letter)
		}
		t.lastSYN = uint32(pos)
	case packet.FIN:
		end := uint32(pos) + n
		if s.noteOnce(dir, t, notedFIN, 'f') && end != t.lastFIN {
			s.note(dir, 'f')
		}
		t.lastFIN = end
	case packet.RST:
		if s.noteOnce(dir, t, notedRST, 'r') && uint32(pos) != t.lastRST {
			s.note(dir, 'r')
		}
		t.lastRST = uint32(pos)
	default:
		if control&(packet.FIN|packet.RST) == packet.FIN|packet.RST {
			s.noteOnce(dir, t, notedFinRst, 'i')
		} else {
			s.noteOnce(dir, t, notedMulti, 'q')
		}
	}
}

// tcpTransition moves a side to its next phase, as Zeek's state machine does.
// It reports whether the roles turned out to be exchanged (a SYN ACK captured
// before the SYN it answers).
func (s *Session) tcpTransition(dir Direction, t, peer *tcpSide, flags packet.TCPFlags, n uint32) (exchanged bool) {
	syn, fin, rst, ack := flags&packet.SYN != 0, flags&packet.FIN != 0, flags&packet.RST != 0, flags&packet.ACK != 0
	switch t.phase {
	case inactive:
		switch {
		case syn && dir == Orig && ack:
			t.move(synAckSent)
		case syn && dir == Orig:
			t.move(synSent)
		case syn:
			if !ack && peer.phase == synAckSent {
				exchanged = true
				peer.move(established)
			} else if peer.phase == synSent {
				peer.move(established)
			}
			t.move(established)
		}
		switch {
		case rst:
			t.move(reset)
		case fin:
			t.move(closed)
		}
		if t.phase == inactive {
			switch {
			case dir == Resp && n == 0 && peer.phase == synSent:
				// Some stacks acknowledge a SYN before they answer it.
			case ack && peer.phase == established:
				t.move(established)
			default:
				t.move(partial)
			}
		}
	case synSent, synAckSent:
		if fin {
			t.move(closed)
		}
		if rst {
			t.move(reset)
		}
	case established, partial:
		if syn && !ack && t.phase == partial && peer.phase == inactive {
			t.move(synSent)
		}
		if fin && !rst {
			t.move(closed)
			if peer.phase == reset && peer.before == closed {
				peer.move(closed)
			}
		}
		if rst {
			t.move(reset)
		}
	case closed:
		if rst && peer.phase != closed {
			t.move(reset)
		}
	}
	return exchanged
}

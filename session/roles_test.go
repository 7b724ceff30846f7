package session

import (
	"strings"
	"testing"

	"tyto/packet"
)

// flags is a Handler that notes the flags of the sessions that end.
type flags struct {
	got    []Flags
	flipAt int
	n      int
}

func (h *flags) Data(s *Session, _ Direction, _ []byte, _ int64) bool {
	if h.n++; h.n == h.flipAt {
		s.Flip()
	}
	return true
}
func (h *flags) Gap(*Session, Direction, int, int64) bool { return true }
func (h *flags) Anomaly(*Session, string, int64)          {}
func (h *flags) Ended(s *Session, _ int64)                { h.got = append(h.got, s.Flags) }

// TestRolesGuess wants a note that roles were guessed where neither a handshake
// nor the protocol tells them.
func TestRolesGuess(t *testing.T) {
	for _, tt := range []struct {
		title, packets string // as in testdata/*.tcp
		udp            bool
		flipAt         int // the handler exchanges the roles at this delivery
		want           bool
	}{
		{title: "handshake", packets: "> S seq 0\n< SA seq 0 ack 1\n> A seq 1 ack 1"},
		{title: "its second half", packets: "< SA seq 0 ack 1\n> A seq 1 ack 1"},
		{title: "client in mid-session", packets: "> PA seq 1 ack 1 len 5", want: true},
		{title: "server in mid-session", packets: "< PA seq 1 ack 1 len 5\n> A seq 1 ack 6", want: true},
		{title: "mid-session, then the handshake", packets: "> A seq 1 ack 1\n> S seq 0\n< SA seq 0 ack 1"},
		{title: "mid-session, the protocol shows the server", packets: "> PA seq 1 ack 1 len 5", flipAt: 1},
		{title: "datagram of the client", packets: "> . len 5\n< . len 5", udp: true},
		{title: "datagram of the server first", packets: "< . len 5\n> . len 5", udp: true, want: true},
		{title: "the protocol shows the client", packets: "< . len 5\n> . len 5", udp: true, flipAt: 1},
	} {
		h := &flags{flipAt: tt.flipAt}
		var pool Pool
		tr := NewTracker(h, &pool, Config{ServerPort: func(_ uint8, p uint16) bool { return p == 80 }})
		now := testStart
		tr.Advance(now)
		for i, line := range strings.Split(tt.packets, "\n") {
			p := parsePacket(t, line, i, &now)
			if tt.udp {
				p.Proto, p.Flags = packet.ProtoUDP, 0
			}
			tr.Packet(&p, p.Hash(), UID{})
		}
		for step := range FlushSteps {
			tr.Flush(step, now)
		}
		if len(h.got) != 1 || h.got[0]&RolesGuess != 0 != tt.want {
			t.Errorf("%s: flags %b, want RolesGuess %v", tt.title, h.got, tt.want)
		}
	}
}

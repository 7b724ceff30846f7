package sequence

import (
	"slices"
	"testing"

	"tyto/packet"
	"tyto/session"
)

const (
	ms   = int64(1e6)
	orig = session.Orig
	resp = session.Resp
)

// conversation builds series.
type conversation struct {
	now     int64
	entries []session.Entry
}

func (c *conversation) packet(after int64, dir session.Direction, kind uint8, n uint32) {
	c.now += after
	c.entries = append(c.entries, session.Entry{Time: 1_700_000_000_000_000_000 + c.now, Dir: dir, Kind: kind, Bytes: n, Packets: 1})
}

func (c *conversation) record(dir session.Direction, kind uint8, n uint32) {
	c.entries = append(c.entries, session.Entry{Time: 1_700_000_000_000_000_000 + c.now, Dir: dir, Message: true, Kind: kind, Bytes: n, Packets: 1})
}

func (c *conversation) handshake(rtt int64) {
	c.packet(0, orig, uint8(packet.SYN), 0)
	c.packet(rtt, resp, uint8(packet.SYN), 0)
	c.packet(0, orig, 0, 0)
}

func (c *conversation) recover(proto uint8) Sequence { return Recover(proto, slices.Values(c.entries)) }

// sizes are the messages' bytes, negative from the responder.
func sizes(s Sequence) (all []int) {
	for _, m := range s.Messages {
		if m.Dir == resp {
			all = append(all, -int(m.Bytes))
		} else {
			all = append(all, int(m.Bytes))
		}
	}
	return all
}

func TestChunks(t *testing.T) {
	var c conversation
	c.handshake(20 * ms)
	c.packet(5*ms, orig, 0, 100)
	c.packet(1*ms, orig, 0, 50) // the same write
	c.packet(20*ms, resp, 0, 1448)
	c.packet(30*ms, resp, 0, 1448)             // goes on because the one before was full
	c.packet(1*ms, resp, session.Repeat, 1448) // sent again
	c.packet(40*ms, resp, 0, 300)              // its end
	c.packet(30*ms, resp, 0, 300)              // another
	c.packet(1*ms, orig, uint8(packet.FIN), 0) // no message
	s := c.recover(tcp)
	if got, want := sizes(s), []int{150, -3196, -300}; s.Carrier != Chunks || s.RTT != 20*ms || !slices.Equal(got, want) {
		t.Errorf("got %s %v, round trip %d; want chunks %v", s.Carrier, got, s.RTT, want)
	}
	if m := s.Messages[1]; m.Parts != 3 || m.Took != 71*ms || m.Time != 46*ms {
		t.Errorf("got %+v", m)
	}
}

// TestSegmentation wants the same messages whatever the MTU.
func TestSegmentation(t *testing.T) {
	var want []int
	for _, mss := range []uint32{536, 1208, 1448, 8948, 65000} {
		var c conversation
		c.handshake(30 * ms)
		for _, write := range []struct {
			dir session.Direction
			n   uint32
		}{{orig, 200}, {resp, 40000}, {orig, 30}, {resp, 5000}} {
			after := 50 * ms
			for n := write.n; n > 0; {
				part := min(n, mss)
				c.packet(after, write.dir, 0, part)
				n -= part
				after = ms / 10
			}
		}
		if got := sizes(c.recover(tcp)); want == nil {
			want = got
		} else if !slices.Equal(got, want) {
			t.Errorf("segments of %d: got %v, want %v", mss, got, want)
		}
	}
}

func TestRecords(t *testing.T) {
	var c conversation
	c.handshake(10 * ms)
	c.packet(1*ms, orig, 0, 517)
	c.record(orig, 22, 517)
	c.packet(10*ms, resp, 0, 1000)
	c.record(resp, 22, 100)
	c.record(resp, 20, 6)
	c.record(resp, 23, 894)
	c.packet(10*ms, orig, 0, 150)
	c.record(orig, 23, 100)
	c.record(orig, 23, 50)
	s := c.recover(tcp)
	if got, want := sizes(s), []int{517, -100, -6, -894, 150}; s.Carrier != Records || !slices.Equal(got, want) {
		t.Errorf("got %s %v, want records %v", s.Carrier, got, want)
	}
	if m := s.Messages[4]; m.Content != 150-2*recordOverhead || m.Kind != 23 {
		t.Errorf("got %+v", m)
	}
}

// TestFewRecords wants packets where the protocol shows only some of its bytes.
func TestFewRecords(t *testing.T) {
	var c conversation
	c.handshake(10 * ms)
	c.packet(1*ms, orig, 0, 100)
	c.record(orig, 1, 100)
	for range 20 {
		c.packet(100*ms, resp, 0, 1000)
	}
	if s := c.recover(tcp); s.Carrier != Chunks || len(s.Messages) != 21 {
		t.Errorf("got %s, %d messages", s.Carrier, len(s.Messages))
	}
}

func TestDatagrams(t *testing.T) {
	var c conversation
	for range 3 {
		c.packet(ms/10, orig, 0, 1200)
		c.packet(15*ms, resp, 0, 80)
	}
	s := c.recover(17)
	if s.Carrier != Datagrams || len(s.Messages) != 6 || s.RTT != 15*ms+ms/10 {
		t.Errorf("got %s, %d messages, round trip %d", s.Carrier, len(s.Messages), s.RTT)
	}
	if s := (&conversation{}).recover(17); s.Carrier != Nothing || s.RTT != 0 {
		t.Errorf("got %+v of nothing", s)
	}
}

// TestLongMessages wants transfers in several messages, so that their time shows.
func TestLongMessages(t *testing.T) {
	var c conversation
	c.handshake(10 * ms)
	for range 1000 {
		c.packet(ms, resp, 0, 1448)
	}
	s := c.recover(tcp)
	if n := len(s.Messages); n < 22 || n > 24 {
		t.Errorf("%d messages of 1.4 MB", n)
	}
}

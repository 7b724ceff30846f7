package sequence

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"tyto/packet"
	"tyto/session"
)

// value is a token's number of that channel.
func value(t *testing.T, token Token, channel string) float64 {
	i := slices.Index(Channels, channel)
	if i < 0 {
		t.Fatalf("there is no channel %s", channel)
	}
	return float64(token[i])
}

func TestChannels(t *testing.T) {
	if len(Channels) != Width {
		t.Errorf("%d names of %d channels", len(Channels), Width)
	}
}

// TestLeads wants the side that speaks after quiet marked, and echoes near.
func TestLeads(t *testing.T) {
	var c conversation
	c.handshake(20 * ms)
	for range 5 {
		c.packet(300*ms, resp, 0, 36) // keys come from the responder: a reverse shell
		c.packet(20*ms, orig, 0, 36)
	}
	s := c.recover(tcp)
	tokens := AppendTokens(nil, &s)
	if len(tokens) != 10 {
		t.Fatalf("%d tokens", len(tokens))
	}
	for i, token := range tokens[2:] {
		lead, echo := value(t, token, "lead-resp"), value(t, token, "echo")
		if want := float64(1 - i%2); lead != want || value(t, token, "lead-orig") != 0 {
			t.Errorf("message %d: lead of the responder %v, want %v", i, lead, want)
		}
		if i%2 == 1 && (echo < 0.7 || value(t, token, "echo-size") != 1) {
			t.Errorf("message %d: echo %v", i, echo)
		}
	}
}

// TestComb wants gaps of a 20 ms grid told from others.
func TestComb(t *testing.T) {
	for _, tt := range []struct {
		gap  int64
		want float64
	}{{20 * ms, 1}, {40 * ms, 1}, {61 * ms, 0.8}, {30 * ms, 0}, {2 * ms, 0}, {5000 * ms, 0}} {
		if got := comb(float64(tt.gap)); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("comb of %d ms: got %v, want %v", tt.gap/ms, got, tt.want)
		}
	}
}

// TestBounded wants finite numbers of any series, one token for each message.
func TestBounded(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s := Recover([]uint8{1, 6, 17, 50}[rng.IntN(4)], slices.Values(anyEntries(rng)))
		tokens := AppendTokens(nil, &s)
		if len(tokens) != len(s.Messages) {
			t.Fatalf("%d tokens of %d messages", len(tokens), len(s.Messages))
		}
		for _, token := range tokens {
			for i, v := range token {
				if !(math.Abs(float64(v)) <= 1.5) {
					t.Fatalf("seed %d: %s is %v", seed, Channels[i], v)
				}
			}
		}
	}
}

// anyEntries are a series of nonsense.
func anyEntries(rng *rand.Rand) (all []session.Entry) {
	now := rng.Int64()
	for range rng.IntN(100) {
		now += int64(math.Exp(rng.Float64()*40)) - 1000
		all = append(all, session.Entry{Time: now, Dir: session.Direction(rng.IntN(2)), Kind: uint8(rng.IntN(32)), Message: rng.IntN(3) == 0,
			Bytes: rng.Uint32() >> rng.IntN(32), Packets: 1 + rng.Uint32N(64)})
	}
	return all
}

// silent is a Handler that keeps the tokens of every session.
type silent struct {
	pool   session.Pool
	tokens [][]Token
}

func (*silent) Data(*session.Session, session.Direction, []byte, int64) bool { return true }
func (*silent) Gap(*session.Session, session.Direction, int, int64) bool     { return true }
func (*silent) Anomaly(*session.Session, string, int64)                      {}
func (h *silent) Ended(s *session.Session, _ int64) {
	q := Recover(s.Proto, s.Series.All(&h.pool))
	h.tokens = append(h.tokens, AppendTokens(nil, &q))
}

// TestBlind sends the same session with other addresses, ports, sequence
// numbers, windows, identifiers, content and date, and wants bit-identical
// tokens: none of these may be learnt.
func TestBlind(t *testing.T) {
	run := func(seed uint64) []Token {
		rng := rand.New(rand.NewPCG(seed, 1))
		h := &silent{}
		tr := session.NewTracker(h, &h.pool, session.Config{})
		now := int64(1e18) + rng.Int64N(1e17)/1e6*1e6
		ends := [2]packet.Addr{packet.Addr4([]byte{10, byte(rng.IntN(256)), 0, 1}), packet.Addr4([]byte{203, byte(rng.IntN(256)), 0, 1})}
		ports := [2]uint16{uint16(40000 + rng.IntN(20000)), uint16(1 + rng.IntN(30000))}
		seq := [2]uint32{rng.Uint32(), rng.Uint32()}
		script := rand.New(rand.NewPCG(7, 7)) // the same in each run
		send := func(dir session.Direction, flags packet.TCPFlags, n int) {
			data := make([]byte, n)
			for i := range data {
				data[i] = byte(rng.Uint32())
			}
			o := dir.Other()
			p := packet.Packet{Version: 4, Proto: packet.ProtoTCP, Transport: true, Src: ends[dir], Dst: ends[o], SrcPort: ports[dir], DstPort: ports[o],
				Flags: flags, Seq: seq[dir], Ack: seq[o], Window: uint16(1000 + rng.IntN(60000)), Payload: data, PayloadBytes: uint32(n), Time: now}
			seq[dir] += uint32(n)
			if flags&(packet.SYN|packet.FIN) != 0 {
				seq[dir]++
			}
			tr.Packet(&p, p.Hash(), session.UID{})
		}
		send(orig, packet.SYN, 0)
		now += 20 * ms
		send(resp, packet.SYN|packet.ACK, 0)
		send(orig, packet.ACK, 0)
		for range 60 {
			now += ms + script.Int64N(400)*ms
			send(session.Direction(script.IntN(2)), packet.ACK|packet.PSH, 1+script.IntN(1448))
		}
		for step := range session.FlushSteps {
			tr.Flush(step, now)
		}
		if len(h.tokens) != 1 {
			t.Fatalf("%d sessions", len(h.tokens))
		}
		return h.tokens[0]
	}
	want := run(0)
	if len(want) < 40 {
		t.Fatalf("%d tokens", len(want))
	}
	for seed := range uint64(50) {
		if !slices.Equal(run(seed), want) {
			t.Fatalf("seed %d: other tokens", seed)
		}
	}
}

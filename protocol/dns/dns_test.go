package dns

import (
	"strings"
	"testing"

	"tyto/internal/flowtest"
	"tyto/internal/record"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

var all = []protocol.Definition{Definition, MDNS, LLMNR, NBNS}

func TestGolden(t *testing.T) { flowtest.Golden(t, all...) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoUDP, 53, all...) }

func FuzzStream(f *testing.F) { flowtest.Fuzz(f, packet.ProtoTCP, 53, all...) }

func FuzzNetBIOS(f *testing.F) { flowtest.Fuzz(f, packet.ProtoUDP, 137, all...) }

func TestReverseAddr(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"5.1.168.192.in-addr.arpa", "192.168.1.5"},
		{"256.1.168.192.in-addr.arpa", ""},
		{"1.168.192.in-addr.arpa", ""},
		{"1.2.3.4.5.in-addr.arpa", ""},
		{"b.a.9.8.7.6.5.4.3.2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "2001:db8::123:4567:89ab"},
		{strings.Repeat("x.", 32) + "ip6.arpa", ""},
	} {
		addr, ok := reverseAddr([]byte(tt.name))
		if got := addr.String(); ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("reverseAddr(%q) = %v, %v, want %q", tt.name, got, ok, tt.want)
		}
	}
}

// TestNetBIOSName uses the example of RFC 1001 section 14.1.
func TestNetBIOSName(t *testing.T) {
	name, suffix, ok := appendNetBIOS(nil, []byte(" EGFCEFEECACACACACACACACACACACACA\x00"))
	if string(name) != "FRED" || suffix != 0x20 || !ok {
		t.Errorf("got %q %#x %v, want FRED 0x20 true", name, suffix, ok)
	}
}

// TestPointerChains holds a message full of chained pointers to bounded work.
func TestPointerChains(t *testing.T) {
	b := []byte("\x00\x01\x81\x80\x00\x01\x10\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01")
	at := len(b)
	b = append(b, 0xc0, 0x0c)
	for len(b) < 16000 {
		b = append(b, 0xc0|byte(at>>8), byte(at))
		at = len(b) - 2
	}
	if _, why := skipName(b, len(b)-2); why != flawPointers {
		t.Errorf("got %q, want %q", why, flawPointers)
	}
	if _, why := skipName(b, 21+2*maxPointers-4); why != "" {
		t.Errorf("got %q, want a short chain to be followed", why)
	}
}

type discard struct{ enc record.Encoder }

func (d *discard) Record(_ *protocol.Flow, r protocol.Record) {
	if d.enc.Format == record.JSON && d.enc.Buf != nil {
		d.enc.Buf = d.enc.Buf[:0]
		d.enc.Begin(r.Schema())
		r.Append(&d.enc)
		d.enc.End()
	}
}
func (*discard) Anomaly(*protocol.Flow, protocol.Anomaly)     {}
func (*discard) Observe(*protocol.Flow, protocol.Observation) {}

var (
	benchQuery = []byte("\x1a\x2b\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x03www\x07example\x03com\x00\x00\x01\x00\x01\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00")
	benchReply = []byte("\x1a\x2b\x81\x80\x00\x01\x00\x03\x00\x00\x00\x01\x03www\x07example\x03com\x00\x00\x01\x00\x01" +
		"\xc0\x0c\x00\x05\x00\x01\x00\x00\x01\x2c\x00\x06\x03cdn\xc0\x10\xc0\x2d\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01" +
		"\xc0\x2d\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x02\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00")
)

// pair runs a query and its response through an engine; each as a session of
// its own if fresh.
func pair(engine *protocol.Engine, s *session.Session, fresh bool) {
	if fresh {
		s.App, s.Analysis = 0, 0
	}
	engine.Data(s, session.Orig, benchQuery, 1e9)
	engine.Data(s, session.Resp, benchReply, 2e9)
}

func newEngine(d *discard) (*protocol.Engine, *session.Session) {
	s := &session.Session{Tuple: session.Tuple{OrigPort: 40000, RespPort: 53, Proto: packet.ProtoUDP}}
	engine := protocol.NewEngine(protocol.NewSet(all...), d, &session.Pool{})
	engine.Strict = true
	return engine, s
}

func TestNoAllocation(t *testing.T) {
	d := &discard{enc: record.Encoder{Buf: make([]byte, 0, 4096)}}
	engine, s := newEngine(d)
	pair(engine, s, true)
	if n := testing.AllocsPerRun(100, func() { pair(engine, s, true) }); n != 0 {
		t.Errorf("%v allocations for a query and its response, want none", n)
	}
}

func BenchmarkPair(b *testing.B) {
	for _, mode := range []string{"same-session", "new-session", "new-session-json"} {
		b.Run(mode, func(b *testing.B) {
			d := new(discard)
			if mode == "new-session-json" {
				d.enc.Buf = make([]byte, 0, 4096)
			}
			engine, s := newEngine(d)
			b.ReportAllocs()
			for b.Loop() {
				pair(engine, s, mode != "same-session")
			}
		})
	}
	b.Run("analyzer", func(b *testing.B) {
		b.ReportAllocs()
		var q, r message
		for b.Loop() {
			q.parse(benchQuery)
			r.parse(benchReply)
		}
	})
}

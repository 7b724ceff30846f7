package quic

import (
	"testing"

	"tyto/protocol"
	"tyto/protocol/tls"
	"tyto/session"
)

// nothing is a sink that drops everything.
type nothing struct{}

func (nothing) Record(*protocol.Flow, protocol.Record)       {}
func (nothing) Anomaly(*protocol.Flow, protocol.Anomaly)     {}
func (nothing) Observe(*protocol.Flow, protocol.Observation) {}

// BenchmarkInitial is a session of one client Initial packet, from probing to
// the records.
func BenchmarkInitial(b *testing.B) {
	data := seal(b, version1, firstDCID, "", "", 2, unhex(b, clientFrame), 1200)
	engine := protocol.NewEngine(protocol.NewSet(Definition, tls.Definition), nothing{}, nil)
	s := new(session.Session)
	b.ReportAllocs()
	for b.Loop() {
		*s = session.Session{Tuple: session.Tuple{OrigPort: 50000, RespPort: 443, Proto: 17}}
		engine.Data(s, session.Orig, data, 1)
		engine.Close(s, 1)
		engine.Release(s)
	}
}

// BenchmarkShort is a packet of a connection whose handshake is over.
func BenchmarkShort(b *testing.B) {
	a := analyzer{open: true}
	a.rec.history = make([]byte, 0, maxHistory)
	var f protocol.Flow
	data := make([]byte, 1200)
	data[0] = 0x40
	b.ReportAllocs()
	for b.Loop() {
		a.run = 0
		a.Parse(&f, session.Orig, data)
	}
}

// TestSteadyState checks that packets after the handshake allocate nothing.
func TestSteadyState(t *testing.T) {
	a := analyzer{open: true}
	a.rec.history = make([]byte, 0, maxHistory)
	var f protocol.Flow
	data := make([]byte, 100)
	data[0] = 0x40
	if n := testing.AllocsPerRun(100, func() { a.Parse(&f, session.Orig, data) }); n > 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// TestCompatibleVersion reads an answer in version 2 to a hello in version 1
// (RFC 9368 section 2.3).
func TestCompatibleVersion(t *testing.T) {
	var k keys
	k.derive(version2, unhex(t, firstDCID))
	k.deriveServer()
	b := sealWith(t, &k, &k.server, nil, []byte{1, 2}, nil, 0, []byte{1, 1, 1}, 60)
	var a analyzer
	a.keys.derive(version1, unhex(t, firstDCID))
	h, ok := longHeader(b)
	if text := a.decrypt(session.Resp, b, &h); !ok || len(text) < 3 || text[0] != 1 {
		t.Errorf("got %x", text)
	}
}

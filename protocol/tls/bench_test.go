package tls

import (
	"os"
	"testing"

	"tyto/internal/flowtest"
	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// counter is a sink that encodes records, as a real one does, and drops them.
type counter struct {
	enc     record.Encoder
	records int
	encode  bool
}

func (c *counter) Record(f *protocol.Flow, r protocol.Record) {
	c.records++
	if c.encode {
		c.enc.Buf = c.enc.Buf[:0]
		c.enc.Begin(r.Schema())
		r.Append(&c.enc)
		c.enc.End()
	}
}
func (c *counter) Anomaly(*protocol.Flow, protocol.Anomaly)     {}
func (c *counter) Observe(*protocol.Flow, protocol.Observation) {}

func conversation(tb testing.TB, name string) flowtest.Conversation {
	tb.Helper()
	text, err := os.ReadFile("testdata/" + name + ".flow")
	if err != nil {
		tb.Fatal(err)
	}
	c, err := flowtest.Parse(string(text))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// benchmark reads a whole session through the engine.
func benchmark(b *testing.B, name string, wantRecords int) {
	c := conversation(b, name)
	sink := new(counter)
	var pool session.Pool
	engine := protocol.NewEngine(protocol.NewSet(Definition, DTLS), sink, &pool)
	s := &session.Session{Tuple: c.Tuple}
	b.ReportAllocs()
	for b.Loop() {
		*s = session.Session{Tuple: c.Tuple}
		for _, st := range c.Steps {
			if !engine.Data(s, st.Dir, st.Data, 1_700_000_000_000_000_000) {
				break
			}
		}
		engine.Close(s, 0)
		engine.Release(s)
		s.Series.Free(&pool)
	}
	if sink.records != b.N*wantRecords && b.N > 0 {
		b.Fatalf("%d records in %d sessions", sink.records, b.N)
	}
}

func BenchmarkHellos(b *testing.B)            { benchmark(b, "doh", 1) }
func BenchmarkThreeCertificates(b *testing.B) { benchmark(b, "tls12", 4) }

// BenchmarkRecord is the cost of a record of application data once the handshake
// is over.
func BenchmarkRecord(b *testing.B) {
	var pool session.Pool
	engine := protocol.NewEngine(protocol.NewSet(Definition, DTLS), new(counter), &pool)
	c := conversation(b, "doh")
	s := &session.Session{Tuple: c.Tuple}
	for _, st := range c.Steps {
		engine.Data(s, st.Dir, st.Data, 1)
	}
	data := append([]byte{applicationData, 3, 3, 4, 0}, make([]byte, 1024)...)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		engine.Data(s, session.Resp, data, 1)
	}
}

// TestSteadyState checks that records of application data allocate nothing.
func TestSteadyState(t *testing.T) {
	engine := protocol.NewEngine(protocol.NewSet(Definition), new(counter), nil)
	c := conversation(t, "doh")
	s := &session.Session{Tuple: c.Tuple}
	for _, st := range c.Steps {
		engine.Data(s, st.Dir, st.Data, 1)
	}
	data := append([]byte{applicationData, 3, 3, 0, 64}, make([]byte, 64)...)
	if n := testing.AllocsPerRun(100, func() { engine.Data(s, session.Resp, data, 1) }); n > 0 {
		t.Errorf("%v allocations a record", n)
	}
}

package rdp

import (
	"testing"
	"tyto/protocol"

	"tyto/internal/flowtest"
	"tyto/packet"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoTCP, 3389, Definition) }

func TestProbe(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		port uint16
		want protocol.Verdict
	}{
		"negotiation":       {"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x0b\x00\x00\x00", 9000, protocol.Sure},
		"one byte":          {"\x03", 9000, protocol.More},
		"old client":        {"\x03\x00\x00\x0b\x06\xe0\x00\x00\x00\x00\x00", 3389, protocol.Likely},
		"other user":        {"\x03\x00\x00\x0b\x06\xe0\x00\x00\x00\x00\x00", 102, protocol.No},
		"S7comm":            {"\x03\x00\x00\x16\x11\xe0\x00\x00\x00\x01\x00\xc0\x01\x0a\xc1\x02\x01\x00\xc2\x02\x01\x02", 3389, protocol.No},
		"H.225 over TPKT":   {"\x03\x00\x00\x20\x08\x02\x00\x01\x05\x04\x03\x88\x93\xa5", 3389, protocol.No},
		"connection answer": {"\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x02\x1f\x08\x00\x02\x00\x00\x00", 9000, protocol.Sure},
	} {
		e := protocol.Evidence{Transport: protocol.TCP, OrigPort: 40000, RespPort: c.port}
		e.Data[0] = []byte(c.in)
		if got := probe(&e); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func TestProbeAllocatesNothing(t *testing.T) {
	e := protocol.Evidence{Transport: protocol.TCP, OrigPort: 40000, RespPort: 3389}
	e.Data[0] = []byte("\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x0b\x00\x00\x00")
	if got := probe(&e); got != protocol.Sure {
		t.Errorf("got %d, want Sure", got)
	}
	if n := testing.AllocsPerRun(100, func() { probe(&e) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

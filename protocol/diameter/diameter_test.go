package diameter

import (
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
	"tyto/protocol"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoTCP, 3868, Definition) }

func TestProbeAllocatesNothing(t *testing.T) {
	e := protocol.Evidence{Transport: protocol.TCP, OrigPort: 40000, RespPort: 3868}
	e.Data[0] = []byte("\x01\x00\x00\x20\x80\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x01\x08\x40\x00\x00\x0cnode")
	if got := probe(&e); got != protocol.Sure {
		t.Errorf("got %d, want Sure", got)
	}
	if n := testing.AllocsPerRun(100, func() { probe(&e) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

package snmp

import (
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
	"tyto/protocol"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoUDP, 161, Definition) }

func TestProbeAllocatesNothing(t *testing.T) {
	e := protocol.Evidence{Transport: protocol.UDP, OrigPort: 40000, RespPort: 161}
	e.Data[0] = []byte("\x30\x1b\x02\x01\x01\x04\x06public\xa0\x0e\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x03\x30\x01\x05")
	if got := probe(&e); got != protocol.Sure {
		t.Errorf("got %d, want Sure", got)
	}
	if n := testing.AllocsPerRun(100, func() { probe(&e) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

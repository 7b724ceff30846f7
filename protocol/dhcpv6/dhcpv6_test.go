package dhcpv6

import (
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
	"tyto/protocol"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoUDP, 547, Definition) }

func TestProbeOfAnyLength(t *testing.T) {
	b := make([]byte, 64)
	for _, kind := range []byte{1, 12} {
		b[0] = kind
		for n := range b {
			e := protocol.Evidence{Transport: protocol.UDP, OrigPort: 546, RespPort: 547}
			e.Data[0] = b[:n]
			if got := probe(&e); got != protocol.No {
				t.Errorf("%d null bytes after type %d: got %d, want No", n-1, kind, got)
			}
		}
	}
}

func TestProbeAllocatesNothing(t *testing.T) {
	e := protocol.Evidence{Transport: protocol.UDP, OrigPort: 40000, RespPort: 547}
	e.Data[0] = []byte("\x01\x00\x00\x01\x00\x01\x00\x0a\x00\x03\x00\x01\x02\x00\x00\x00\x00\x05")
	if got := probe(&e); got != protocol.Sure {
		t.Errorf("got %d, want Sure", got)
	}
	if n := testing.AllocsPerRun(100, func() { probe(&e) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

package radius

import (
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
	"tyto/protocol"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoUDP, 1812, Definition) }

func TestMACOf(t *testing.T) {
	for in, want := range map[string]string{
		"00-14-22-E9-54-5E":      "00:14:22:e9:54:5e",
		"00:14:22:e9:54:5e":      "00:14:22:e9:54:5e",
		"0014.22e9.545e":         "00:14:22:e9:54:5e",
		"001422E9545E":           "00:14:22:e9:54:5e",
		"192.168.1.100":          "",
		"491700000000123":        "",
		"00-14-22-E9-54-5E:corp": "",
		"":                       "",
	} {
		if got := macOf(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestProbeAllocatesNothing(t *testing.T) {
	e := protocol.Evidence{Transport: protocol.UDP, OrigPort: 40000, RespPort: 1812}
	e.Data[0] = []byte("\x01\x01\x00\x1eauthenticator 16\x01\x04al\x02\x06xxxx")
	if got := probe(&e); got != protocol.Sure {
		t.Errorf("got %d, want Sure", got)
	}
	if n := testing.AllocsPerRun(100, func() { probe(&e) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

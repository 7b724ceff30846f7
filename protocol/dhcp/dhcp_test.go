package dhcp

import (
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoUDP, 67, Definition) }

func TestLabels(t *testing.T) {
	list := searchList([]byte("\x03eng\x05apple\x03com\x00\x09marketing\xc0\x04")) // RFC 3397 section 2
	if len(list) != 2 || list[0] != "eng.apple.com" || list[1] != "marketing.apple.com" {
		t.Errorf("got %q", list)
	}
	for _, in := range []string{"\xc0\x00", "\x3fshort", "\xc0", "\x01a\xc0\x00"} {
		if got := searchList([]byte(in)); len(got) > 1 {
			t.Errorf("%q: got %q", in, got)
		}
	}
}

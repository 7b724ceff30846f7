package ntlm

import (
	"fmt"
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// carrier stands in for the protocols that carry tokens. It frames each as "T",
// its length in two bytes, least significant first, and the token; "R" with one
// byte tells the result.
var carrier = protocol.Definition{
	Name:       "carrier",
	Transports: protocol.TCP,
	Probe:      func(*protocol.Evidence) protocol.Verdict { return protocol.Sure },
	New: func() protocol.Analyzer {
		return &carried{n: Negotiation{Kerberos: func(f *protocol.Flow, dir session.Direction, msg []byte) {
			f.Anomaly("kerberos_message", fmt.Sprintf("%s %x", dir, msg))
		}}}
	},
}

type carried struct{ n Negotiation }

func (c *carried) Parse(f *protocol.Flow, dir session.Direction, b []byte) int {
	if len(b) < 3 {
		return 0
	}
	n := int(b[1]) | int(b[2])<<8
	if len(b) < 3+n {
		return 0
	}
	switch {
	case b[0] == 'R':
		c.n.Result(f, n > 0 && b[3] == 1)
	case dir == session.Orig:
		c.n.Client(f, b[3:3+n])
	default:
		c.n.Server(f, b[3:3+n])
	}
	return 3 + n
}

func (c *carried) Close(f *protocol.Flow) { c.n.Close(f) }

func TestGolden(t *testing.T) { flowtest.Golden(t, carrier, Definition, GSSAPI) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoTCP, 9, carrier, Definition, GSSAPI) }

func TestFiletime(t *testing.T) {
	for _, tt := range []struct {
		in   uint64
		want int64
	}{
		{0, 0},
		{116444736000000000, 0},
		{133444736000000000, 1700000000000000000},
		{1<<63 - 1, 0},
		{1<<64 - 1, 0},
	} {
		if got := Filetime(tt.in); got != tt.want {
			t.Errorf("Filetime(%d) = %d, want %d", tt.in, got, tt.want)
		}
	}
}

func TestAppendUTF16(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		limit    int
	}{
		{"a\x00\xe9\x00", "aé", 100},
		{"\xac\x20", "€", 100},
		{"\x3d\xd8\x00\xde", "😀", 100},
		{"\x3d\xd8a\x00", "\ufffda", 100},
		{"\x00\xde", "\ufffd", 100},
		{"a\x00b\x00c", "ab", 100},
		{"a\x00b\x00c\x00", "a", 4},
	} {
		if got := string(AppendUTF16(nil, []byte(tt.in), tt.limit)); got != tt.want {
			t.Errorf("AppendUTF16(%q, %d) = %q, want %q", tt.in, tt.limit, got, tt.want)
		}
	}
}

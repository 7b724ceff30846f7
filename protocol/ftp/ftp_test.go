package ftp

import (
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoTCP, 21, Definition) }

func TestHostPort(t *testing.T) {
	for in, want := range map[string]string{
		"10,0,0,5,195,80":   "10.0.0.5 50000",
		"10,0,0,5,195,80).": "10.0.0.5 50000",
		"10,0,0,256,1,2":    "",
		"10,0,0,5,195":      "",
		"10,,0,5,195,80":    "",
		"":                  "",
	} {
		addr, port, ok := hostPort([]byte(in))
		got := ""
		if ok {
			got = addr.String()
			if port != 50000 {
				t.Errorf("hostPort(%q) port = %d", in, port)
			}
			got += " 50000"
		}
		if got != want {
			t.Errorf("hostPort(%q) = %q, want %q", in, got, want)
		}
	}
}

package tls

import (
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition, DTLS) }

func FuzzAnalyzer(f *testing.F) {
	flowtest.Fuzz(f, packet.ProtoTCP, 443, Definition, DTLS)
}

func FuzzDatagrams(f *testing.F) {
	flowtest.Fuzz(f, packet.ProtoUDP, 4433, DTLS)
}

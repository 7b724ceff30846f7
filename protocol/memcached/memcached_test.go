package memcached

import (
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoTCP, 11211, Definition) }

func FuzzDatagram(f *testing.F) { flowtest.Fuzz(f, packet.ProtoUDP, 11211, Definition) }

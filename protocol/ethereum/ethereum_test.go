package ethereum

import (
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoUDP, 30303, Definition) }

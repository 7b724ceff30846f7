package icmpv6

import (
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoICMPv6, 0, Definition) }

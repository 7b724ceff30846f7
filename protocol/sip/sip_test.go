package sip

import (
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoUDP, 5060, Definition) }

func FuzzStream(f *testing.F) { flowtest.Fuzz(f, packet.ProtoTCP, 5060, Definition) }

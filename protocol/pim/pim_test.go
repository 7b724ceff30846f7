package pim

import (
	"testing"

	"tyto/internal/flowtest"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, 103, 0, Definition) }

package eigrp

import (
	"testing"

	"tyto/internal/flowtest"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, 88, 0, Definition) }

package all

import (
	"testing"

	"tyto/internal/flowtest"
)

// TestGolden reads conversations that several protocols take part in.
func TestGolden(t *testing.T) { flowtest.Golden(t, definitions()...) }

package smtp

import (
	"slices"
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoTCP, 25, Definition) }

func TestAddresses(t *testing.T) {
	got := addresses(nil, []byte(`"Doe, Jane" <jane@example.com>, bob@example.com , Group <g@example.com>`))
	want := []string{"jane@example.com", "bob@example.com", "g@example.com"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

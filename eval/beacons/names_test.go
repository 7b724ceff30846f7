package beacons

import (
	"os"
	"testing"

	"tyto/behavior/dga"
)

// TestNames trains the network in the program again if UPDATE is set, which takes
// about a minute; else it wants a small one to learn.
func TestNames(t *testing.T) {
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("../../behavior/dga/network.nn", trainNames(1, nameSteps).Params.Save(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	s, c := dga.NewScorerOf(trainNames(5, 60)), newCorpus(false, 6)
	right := 0
	for range 200 {
		if s.Score(c.generated()) > s.Score(c.people()) {
			right++
		}
	}
	if right < 160 {
		t.Errorf("%d of 200 pairs are told apart", right)
	}
}

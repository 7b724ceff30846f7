package beacons

import (
	"bytes"
	"os"
	"testing"

	"tyto/behavior/beacon"
)

// TestNetwork trains the network in the program again if UPDATE is set, which
// takes about two minutes; else it wants a small one to learn.
func TestNetwork(t *testing.T) {
	if os.Getenv("UPDATE") != "" {
		n := trainShape(examples(trainExamples, false, trainSeed), beacon.Shipped, trainSeed, trainSteps)
		if err := os.WriteFile("../../behavior/beacon/network.nn", n.Params.Save(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	list := examples(60, false, 5)
	few := func() *beacon.Network { return trainShape(list, beacon.Shipped, 5, 60) }
	n := few()
	if !bytes.Equal(n.Params.Save(), few().Params.Save()) {
		t.Error("two trainings on the same data differ")
	}
	if recall, _ := recallAt(list, judge(n, list), 0.1); recall < 0.6 {
		t.Errorf("recall on what it learned is %.2f", recall)
	}
}

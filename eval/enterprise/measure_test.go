package enterprise

import (
	"os"
	"testing"

	"tyto/corpus"
	"tyto/model"
)

// TestMeasure measures the content of simulated sessions again, if MEASURE names
// the file to write: MEASURE=$PWD/lab/enterprise/content.json.gz go test -run
// TestMeasure ./eval/enterprise. Otherwise a few runs are measured.
func TestMeasure(t *testing.T) {
	m, err := model.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	path := os.Getenv("MEASURE")
	var runs []*corpus.Run
	for r, err := range corpus.Runs("../../corpus/data") {
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, r)
		if path == "" && len(runs) == 40 {
			break
		}
	}
	c := Measure(runs, m)
	if len(c.Exemplars) == 0 {
		t.Fatal("nothing was measured")
	}
	for name, list := range c.Exemplars {
		for i := range list {
			if list[i].Duration < 0 || list[i].Packets[0]+list[i].Packets[1] == 0 {
				t.Errorf("%s: an exemplar without packets", name)
			}
		}
	}
	if path == "" {
		return
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := c.Write(f); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d scenarios, %d delays", len(c.Exemplars), len(c.Delays))
}

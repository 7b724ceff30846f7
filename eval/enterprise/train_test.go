package enterprise

import (
	"os"
	"testing"

	"tyto/behavior/edge"
	"tyto/lab/enterprise"
)

// TestTrain trains the edge model that is in the program again, if TRAIN names the
// file to write: TRAIN=$PWD/behavior/edge/weights/edge.model go test -run
// TestTrain ./eval/enterprise.
func TestTrain(t *testing.T) {
	path := os.Getenv("TRAIN")
	if path == "" {
		t.Skip("TRAIN names no file")
	}
	c, err := enterprise.Measured()
	if err != nil {
		t.Fatal(err)
	}
	v, err := EdgeSamples(c)
	if err != nil {
		t.Fatal(err)
	}
	m := TrainEdges(v, edge.Ignored)
	if err := os.WriteFile(path, m.Encode(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestEdges prints how well edges are told one by one, with and without groups of
// features, if EDGES is set.
func TestEdges(t *testing.T) {
	if os.Getenv("EDGES") == "" {
		t.Skip("EDGES is not set")
	}
	c, err := enterprise.Measured()
	if err != nil {
		t.Fatal(err)
	}
	v, err := EdgeSamples(c)
	if err != nil {
		t.Fatal(err)
	}
	models := make(map[string]*edge.Model)
	for name, without := range map[string]func(int) bool{
		"edge model": edge.Ignored, "with time of day": edge.OwnCount, "with the edge's own count": edge.Time, "with both": nil,
		"without neighbourhoods": func(i int) bool { return edge.Ignored(i) || edge.Neighbourhood(i) },
	} {
		models[name] = TrainEdges(v, without)
	}
	o := Defaults()
	o.Content, o.Seed = c, 7001
	rows, err := Edges(&o, models)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		t.Logf("| %s | %.4f | %.3f | %.2f | %.2f |", r.Name, r.Precision, r.AUC, r.Recall[0], r.Recall[1])
	}
}

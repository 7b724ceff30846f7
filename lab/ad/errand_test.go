package ad

import (
	"math/rand/v2"
	"slices"
	"testing"

	"tyto/lab/label"
)

// Each step must find what it is about: the errand is played on maps.
func TestErrandIsPossible(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 3))
		for kind, e := range map[string]*Errand{
			"documents": NewErrand("data", 8, 7, 100_000, rng),
			"tools":     NewToolCopy("C$", 3, 30_000, true, rng),
		} {
			there := make(map[string]int)
			for name, content := range e.Remote {
				there[name] = len(content)
			}
			for _, s := range e.Steps {
				size, ok := there[s.Name]
				switch s.Op {
				case "list":
					continue
				case "put":
					content, local := e.Local[s.Name]
					if !local {
						t.Fatalf("%s %d: %s is put and not on the station", kind, seed, s.Name)
					}
					size, ok = len(content), true
					there[s.Name] = size
				case "rename":
					there[s.To] = size
					delete(there, s.Name)
				case "delete":
					delete(there, s.Name)
				}
				if !ok {
					t.Fatalf("%s %d: %s of %s, which is not there", kind, seed, s.Op, s.Name)
				}
				if (s.Op == "get" || s.Op == "put") && s.Size != size {
					t.Errorf("%s %d: %s of %s says %d bytes, it has %d", kind, seed, s.Op, s.Name, s.Size, size)
				}
			}
		}
	}
}

func TestErrandLabels(t *testing.T) {
	e := &Errand{Steps: []Step{{Op: "list"}, {Op: "put", Size: 10}}}
	if got, want := e.Labels(), []label.Label{label.Upload, label.Mount}; !slices.Equal(got, want) {
		t.Errorf("labels %v, want %v", got, want)
	}
	for _, c := range []struct {
		step Step
		want label.State
	}{
		{Step{Op: "list"}, label.StateExchange},
		{Step{Op: "get", Size: 100}, label.StateExchange},
		{Step{Op: "get", Size: 100_000}, label.StateDownload},
		{Step{Op: "put", Size: 100_000}, label.StateUpload},
	} {
		if got := c.step.State(); got != c.want {
			t.Errorf("%+v looks like %v, want %v", c.step, got, c.want)
		}
	}
}

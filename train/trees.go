package train

import (
	"runtime"
	"sync"

	"tyto/boost"
	"tyto/sequence/feature"
)

// leastOfLabel is how many sessions a label must hold of for trees to tell it.
const leastOfLabel = 3

// Trees trains a forest for each label, on the features of sessions. A run counts
// as one, however many sessions it has, so that a leaf is of several runs. Of labels that hold too seldom
// there is none. Whatever the number of cores, the same data and seed give the same
// trees.
func Trees(d *Data, seed uint64) []*boost.Forest {
	x := boost.Matrix{Columns: len(feature.Names)}
	o := boost.ForFew
	o.Classes, o.Seed = 2, seed
	sessions := make(map[string]float64)
	for _, e := range d.Examples {
		sessions[e.Run.Truth.Name]++
	}
	var known []*Example
	for _, e := range d.Examples {
		if len(e.Targets.Labels) == 0 || isNaN(e.Targets.Labels[0]) {
			continue
		}
		known = append(known, e)
		x.Values = append(x.Values, feature.Session(&e.Heard)...)
		o.Weights = append(o.Weights, 1/sessions[e.Run.Truth.Name])
	}
	if len(known) == 0 {
		return make([]*boost.Forest, len(Labels))
	}
	bins := boost.Bin(x)
	trees := make([]*boost.Forest, len(Labels))
	places := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wait sync.WaitGroup
	for k := range trees {
		y, n := make([]int, len(known)), 0
		for i, e := range known {
			if e.Targets.Labels[k] == 1 {
				y[i] = 1
				n++
			}
		}
		if n < leastOfLabel {
			continue
		}
		places <- struct{}{}
		wait.Go(func() {
			trees[k] = bins.Train(y, o).Forest()
			<-places
		})
	}
	wait.Wait()
	return trees
}

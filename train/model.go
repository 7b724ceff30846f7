package train

import (
	"context"
	"fmt"
	"hash/fnv"

	"tyto/corpus"
	"tyto/model"
)

// calibrationShare is one in how many runs are kept from training to calibrate.
const calibrationShare = 10

// Reserved reports whether a run calibrates and is not trained on.
func Reserved(r *corpus.Run) bool {
	h := fnv.New32a()
	h.Write([]byte("calibration " + r.Truth.Name))
	return h.Sum32()%calibrationShare == 0
}

// Fit trains a network and trees on data but for the runs that are reserved, and calibrates on these.
func Fit(ctx context.Context, d *Data, o Options, card model.Card) (*model.Model, error) {
	trained := d.Part(func(r *corpus.Run) bool { return !Reserved(r) })
	held := d.Part(Reserved)
	n, err := Train(ctx, trained, o)
	if err != nil {
		return nil, err
	}
	trees := Trees(trained, o.Seed)
	card.Seed, card.Steps = o.Seed, o.Steps
	card.Data = append(card.Data,
		model.Fact{Name: "runs", Value: fmt.Sprint(trained.Runs)}, model.Fact{Name: "sessions", Value: fmt.Sprint(len(trained.Examples))},
		model.Fact{Name: "runs to calibrate", Value: fmt.Sprint(held.Runs)}, model.Fact{Name: "checksum", Value: d.Checksum()},
	)
	return model.New(n, trees, card, Calibrate(n, trees, trained, held)), nil
}

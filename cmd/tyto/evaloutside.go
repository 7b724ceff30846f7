package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"tyto/behavior"
	"tyto/detection"
	"tyto/detection/all"
	"tyto/eval"
	"tyto/model"
	"tyto/packet/pcapfile"
	"tyto/sensor"
	"tyto/triage"
)

const outsideHead = `# Captures from outside

Made by ` + "`tyto eval --outside`" + ` on public captures of which others wrote down what their flows are; none of them was
trained on. A flow is right if one of the labels that are told says what was written: labels that are heard, or that
follow from what protocols say in the clear (remote procedures, files on shares, refused logins). Flows of fewer than eight
packets are not listened to.

`

// evaluateOutside says of flows that others described what is heard in them.
func evaluateOutside(ctx context.Context, c *cli, v *evaluation) error {
	m, err := modelOf(options{model: v.model})
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(v.outside, "labels", "curated_flows.tsv"))
	if err != nil {
		return fmt.Errorf("--outside wants a directory of captures with labels/curated_flows.tsv: %w", err)
	}
	defer f.Close()
	flows, err := eval.ReadFlows(f)
	if err != nil {
		return err
	}
	analyze := func(detectors func() []detection.Detector) eval.Analyze {
		return func(ctx context.Context, path string, w io.Writer) error {
			conf := sensor.Config{JSON: w}
			if detectors != nil {
				conf.Detectors = detectors()
			}
			res, err := heardIn(ctx, path, m, conf)
			if err != nil && res != nil && res.Stats.Packets > 0 && ctx.Err() == nil {
				fmt.Fprintf(c.stderr, "tyto: %v\n", err) // what comes before was read
				return nil
			}
			return err
		}
	}
	said, err := eval.Outside(ctx, v.outside, flows, analyze(all.Detectors), analyze(nil))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(v.out, 0o755); err != nil {
		return err
	}
	path := filepath.Join(v.out, "outside.md")
	if err := writeWhole(path, []byte(outsideHead+eval.OutsideReport(said))); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.stdout, "%s: %d flows\n", path, len(said)); err != nil {
		return err
	}
	return evaluateCaptures(ctx, c, v, m)
}

// heardIn analyses a capture, listening with a model. The result is nil if the
// capture cannot be opened.
func heardIn(ctx context.Context, path string, m *model.Model, conf sensor.Config) (*sensor.Result, error) {
	src, err := pcapfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	conf.Set, conf.Listener = everyProtocol(), func() behavior.Listener { return m.NewListener() }
	return sensor.Run(ctx, src, conf, nil)
}

const capturesHead = `# Attacks and everyday traffic from outside

Made by ` + "`tyto eval --outside`" + ` on public captures, sorted by what their catalogue says is in them. Whoever tuned the detectors
could see these captures; the model was not trained on them. A case is raised from p = 0.5 on.

`

// evaluateCaptures says in which captures of a catalogue a case is raised.
func evaluateCaptures(ctx context.Context, c *cli, v *evaluation, m *model.Model) error {
	f, err := os.Open(filepath.Join(v.outside, "CATALOG.tsv"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	list, err := eval.ReadCatalog(f)
	if err != nil {
		return err
	}
	verdicts, err := eval.Judge(ctx, v.outside, list, func(ctx context.Context, path string, verdict *eval.Verdict) error {
		res, err := heardIn(ctx, path, m, sensor.Config{Detectors: all.Detectors()})
		if res != nil && res.Judgement != nil {
			sum(verdict, res.Judgement.Cases)
		}
		return err
	})
	if err != nil {
		return err
	}
	path := filepath.Join(v.out, "captures.md")
	if err := writeWhole(path, []byte(capturesHead+eval.CapturesReport(verdicts))); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "%s: %d captures\n", path, len(verdicts))
	return err
}

// sum tells of a capture what its likeliest case says.
func sum(v *eval.Verdict, cases []*triage.Case) {
	for _, k := range cases {
		if k.Alert() {
			v.Alerts++
		}
		if k.P <= v.P {
			continue
		}
		v.P, v.Title, v.Why = k.P, k.Title, nil
		var weightiest []detection.Evidence
		for _, it := range k.Items {
			weightiest = append(weightiest, it.Evidence...)
		}
		slices.SortStableFunc(weightiest, func(a, b detection.Evidence) int { return cmp.Compare(b.LLR, a.LLR) })
		for _, e := range weightiest[:min(3, len(weightiest))] {
			v.Why = append(v.Why, e.Claim)
		}
	}
}

package eval

import (
	"math"
	"math/rand/v2"
	"slices"

	"tyto/eval/baseline"
	"tyto/train"
)

// Limits of what baselines are trained on, so that a fold ends in minutes: of
// more, sessions are drawn, recipes alike.
const (
	mostSessions = 4000
	mostMessages = 40000
	tuningFolds  = 2
)

// Baselines trains the baselines on one part of data and scores them on another.
// tell is told what is being done; it may be nil.
func Baselines(trained, test *train.Data, seed uint64, tell func(string)) []Result {
	if tell == nil {
		tell = func(string) {}
	}
	var results []Result
	drawn := draw(trained, seed)
	for _, b := range baseline.Classifiers {
		tell(b.Name)
		results = append(results, classify(b, drawn, test, seed))
	}
	for _, b := range baseline.Segmenters {
		tell(b.Name + " of messages")
		segmentResult := segmented(b, drawn, test, seed)
		k := slices.IndexFunc(results, func(r Result) bool { return r.Who == b.Name })
		if k < 0 {
			results = append(results, Result{Who: b.Name})
			k = len(results) - 1
		}
		results[k].Figures = append(results[k].Figures, segmentResult.Figures...)
	}
	return results
}

// draw returns at most mostSessions sessions, of each recipe at most as many that
// this comes out.
func draw(d *train.Data, seed uint64) *train.Data {
	if len(d.Examples) <= mostSessions {
		return d
	}
	r := rand.New(rand.NewPCG(seed, 0x647261))
	byRecipe := make([][]*train.Example, len(d.Recipes))
	for _, i := range r.Perm(len(d.Examples)) {
		e := d.Examples[i]
		byRecipe[e.Recipe] = append(byRecipe[e.Recipe], e)
	}
	part := &train.Data{Runs: d.Runs, Apps: d.Apps, Profiles: d.Profiles, Recipes: d.Recipes}
	for n := 0; len(part.Examples) < mostSessions; n++ {
		before := len(part.Examples)
		for _, list := range byRecipe {
			if n < len(list) && len(part.Examples) < mostSessions {
				part.Examples = append(part.Examples, list[n])
			}
		}
		if len(part.Examples) == before {
			break
		}
	}
	return part
}

// classify scores a baseline of sessions: labels, app and control.
func classify(b baseline.Named[baseline.Classifier], trained, test *train.Data, seed uint64) Result {
	answers := silent(test)
	task := baseline.Task{Names: train.Labels, Multi: true, Seed: seed}
	list, groups := labelled(trained)
	thresholds := baseline.Thresholds(b.New, task, list, groups, tuningFolds)
	c := b.New(task)
	c.Fit(list)
	for k, e := range test.Examples {
		x := example(e)
		answers[k].Labels = c.Predict(&x)
	}
	if b.Name != "DPI" { // it is the truth of apps
		answerApps(b, trained, test, seed, answers)
	}
	if b.Name == "rules" {
		answerControl(test, answers)
	}
	return Score(b.Name, test, answers, thresholds)
}

func silent(d *train.Data) []Answer {
	answers := make([]Answer, len(d.Examples))
	for k := range answers {
		answers[k].Control, answers[k].Layers, answers[k].App = train.Unknown, train.Unknown, train.Unknown
	}
	return answers
}

func example(e *train.Example) baseline.Example {
	return baseline.Example{Sequence: &e.Heard, App: e.Session.App}
}

// labelled are the sessions of which the labels are known.
func labelled(d *train.Data) (list []baseline.Example, groups []string) {
	of := make(map[string]float64) // sessions of each run, which count as one
	for _, e := range d.Examples {
		of[e.Run.Truth.Name]++
	}
	for _, e := range d.Examples {
		if math.IsNaN(float64(e.Targets.Labels[0])) {
			continue
		}
		x := example(e)
		x.Weight = 1 / of[e.Run.Truth.Name]
		for i, y := range e.Targets.Labels {
			if y == 1 {
				x.Classes = append(x.Classes, i)
			}
		}
		list, groups = append(list, x), append(groups, e.Run.Truth.Name)
	}
	return list, groups
}

func answerApps(b baseline.Named[baseline.Classifier], trained, test *train.Data, seed uint64, answers []Answer) {
	if b.Name == "rules" {
		return
	}
	c := b.New(baseline.Task{Names: trained.Apps, Seed: seed})
	var list []baseline.Example
	for _, e := range trained.Examples {
		if e.Targets.App != train.Unknown {
			x := example(e)
			x.App, x.Classes = "", []int{int(e.Targets.App)}
			list = append(list, x)
		}
	}
	c.Fit(list)
	for k, e := range test.Examples {
		x := example(e)
		x.App = ""
		p := c.Predict(&x)
		answers[k].App = int32(slices.Index(p, slices.Max(p)))
	}
}

// answerControl says who leads by the rule that small messages after a pause
// tell it.
func answerControl(test *train.Data, answers []Answer) {
	orig, resp := int32(slices.Index(train.Controls, "orig")), int32(slices.Index(train.Controls, "resp"))
	for k, e := range test.Examples {
		answers[k].Control = orig
		if share, _ := baseline.Control(&e.Heard); share > 0.5 {
			answers[k].Control = resp
		}
	}
}

// segmented scores a baseline of messages.
func segmented(b baseline.Named[baseline.Segmenter], trained, test *train.Data, seed uint64) Result {
	c := b.New(baseline.Task{Names: train.States, Seed: seed})
	var list []baseline.Example
	messages := 0
	for _, e := range trained.Examples {
		if messages > mostMessages {
			break
		}
		x := example(e)
		for _, y := range e.Targets.States {
			x.States = append(x.States, int(y))
		}
		messages += min(len(x.States), 2000)
		list = append(list, x)
	}
	c.Fit(list)
	answers := silent(test)
	for k, e := range test.Examples {
		x := example(e)
		for _, p := range c.Predict(&x) {
			best := slices.Index(p, slices.Max(p))
			answers[k].States, answers[k].StateP = append(answers[k].States, int32(best)), append(answers[k].StateP, p[best])
		}
	}
	return Score(b.Name, test, answers, nil)
}

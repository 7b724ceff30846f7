package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
)

// Plan is a list of runs to record. Its file is JSON:
//
//	{"seed": 1, "runs": [{"scenario": "*", "variant": "*", "count": 2}]}
//
// A run's seed comes from the plan's seed, what its line sets, and how many such
// runs there are before it: a plan that grows keeps the runs it had.
type Plan struct {
	Doc  string     `json:"doc,omitempty"`
	Seed uint64     `json:"seed"`
	Runs []PlanLine `json:"runs"`
}

// PlanLine is runs of one kind. In Scenario, Variant, Profile and Sensor a
// pattern (path.Match; "*" is all) makes runs of each that matches; what is
// empty is drawn by each run's seed.
type PlanLine struct {
	Scenario string            `json:"scenario"`
	Variant  string            `json:"variant,omitempty"`
	Profile  string            `json:"profile,omitempty"`
	Sensor   string            `json:"sensor,omitempty"`
	Params   map[string]string `json:"params,omitempty"`
	Count    int               `json:"count,omitempty"` // of each; 1 if zero
}

// Bounds of a plan.
const (
	maxPlan = 1 << 20 // bytes
	maxJobs = 1 << 17
)

// ReadPlan reads a plan.
func ReadPlan(r io.Reader) (*Plan, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPlan+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxPlan {
		return nil, fmt.Errorf("more than %d bytes", maxPlan)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	p := new(Plan)
	if err := d.Decode(p); err != nil {
		return nil, fmt.Errorf("not a plan: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("not a plan: more after its end")
	}
	if len(p.Runs) == 0 {
		return nil, errors.New("a plan without runs")
	}
	return p, nil
}

// Job is one run that is to be recorded: all that Config may leave open but the
// parameters and the typist is set.
type Job struct {
	Scenario *Scenario
	Config   Config
}

// NewJob draws what c leaves open, and the name.
func NewJob(s *Scenario, c Config) (Job, error) {
	if err := s.Check(); err != nil {
		return Job{}, err
	}
	r, _, _, err := draw(s, c)
	if err != nil {
		return Job{}, err
	}
	c.Variant, c.Profile, c.Sensor, c.Name = r.draft.Variant, r.draft.Profile.Name, r.draft.Sensor, r.draft.Name
	return Job{s, c}, nil
}

// Jobs returns the runs of the plan, in an order that mixes them.
func (p *Plan) Jobs(scenarios []*Scenario) ([]Job, error) {
	var jobs []Job
	before := make(map[string]int)
	for i, line := range p.Runs {
		configs, err := line.configs(scenarios)
		if err != nil {
			return nil, fmt.Errorf("run %d of the plan: %w", i+1, err)
		}
		count := max(line.Count, 1)
		if len(jobs)+count*len(configs) > maxJobs {
			return nil, fmt.Errorf("the plan has more than %d runs", maxJobs)
		}
		for _, c := range configs {
			for range count {
				key := c.key()
				c.Config.Seed = hashOf(fmt.Sprintf("%d %s %d", p.Seed, key, before[key]))
				before[key]++
				job, err := NewJob(c.Scenario, c.Config)
				if err != nil {
					return nil, fmt.Errorf("run %d of the plan: %w", i+1, err)
				}
				jobs = append(jobs, job)
			}
		}
	}
	seeded(p.Seed, "plan").Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
	return jobs, nil
}

// key is what a plan sets of a job.
func (j *Job) key() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %s", j.Scenario.Name, j.Config.Variant, j.Config.Profile, j.Config.Sensor)
	for _, k := range slices.Sorted(maps.Keys(j.Config.Params)) {
		fmt.Fprintf(&b, " %s=%s", k, j.Config.Params[k])
	}
	return b.String()
}

// hashOf makes a seed of a text. It has 53 bits, which JSON readers in other
// languages keep.
func hashOf(text string) uint64 {
	h := fnv.New64a()
	io.WriteString(h, text)
	// FNV's high bits hardly depend on the last bytes: mix.
	x := h.Sum64()
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	return x >> 11
}

// configs returns the combinations that a line's patterns match.
func (l *PlanLine) configs(scenarios []*Scenario) (all []Job, err error) {
	if l.Count < 0 {
		return nil, fmt.Errorf("%d runs", l.Count)
	}
	var profiles []string
	for _, p := range Profiles() {
		profiles = append(profiles, p.Name)
	}
	if profiles, err = matching("profile", l.Profile, profiles); err != nil {
		return nil, err
	}
	sensors, err := matching("sensor", l.Sensor, []string{"client", "core", "server"})
	if err != nil {
		return nil, err
	}
	found := false
	for _, s := range scenarios {
		if ok, err := path.Match(l.Scenario, s.Name); err != nil || !ok {
			continue
		}
		found = true
		var variants []string
		for _, v := range s.Variants {
			variants = append(variants, v.Name)
		}
		if variants, err = matching("variant of "+s.Name, l.Variant, variants); err != nil {
			return nil, err
		}
		for _, v := range variants {
			for _, p := range profiles {
				for _, sensor := range sensors {
					all = append(all, Job{s, Config{Variant: v, Profile: p, Sensor: sensor, Params: l.Params}})
				}
			}
		}
	}
	if !found {
		return nil, fmt.Errorf("no scenario is called %q", l.Scenario)
	}
	return all, nil
}

// matching returns the names that match a pattern; an empty pattern is itself.
func matching(what, pattern string, names []string) (all []string, err error) {
	if pattern == "" {
		return []string{""}, nil
	}
	for _, n := range names {
		ok, err := path.Match(pattern, n)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", what, pattern, err)
		}
		if ok {
			all = append(all, n)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no %s %q, but %s", what, pattern, strings.Join(names, ", "))
	}
	return all, nil
}

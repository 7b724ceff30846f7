package lab

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"tyto/lab/label"
)

func testScenarios() []*Scenario {
	nothing := func(context.Context, *Run) error { return nil }
	s := func(name string, variants ...string) *Scenario {
		s := &Scenario{Name: name, Doc: "d", Labels: []label.Label{label.Poll}, Hosts: []string{"client", "server"}, Run: nothing,
			Params: []Param{{"size", "d", []string{"1", "2", "3"}}, {"mode", "d", []string{"a", "b"}}}}
		for _, v := range variants {
			s.Variants = append(s.Variants, Variant{Name: v})
		}
		return s
	}
	return []*Scenario{s("ssh-shell", "x", "y"), s("ssh-exec", "x"), s("dns", "u", "v", "w")}
}

func jobs(t *testing.T, plan string) []Job {
	t.Helper()
	p, err := ReadPlan(strings.NewReader(plan))
	if err != nil {
		t.Fatal(err)
	}
	all, err := p.Jobs(testScenarios())
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, j := range all {
		if names[j.Config.Name] {
			t.Errorf("two jobs are called %s", j.Config.Name)
		}
		names[j.Config.Name] = true
	}
	return all
}

func TestPlan(t *testing.T) {
	if n := len(jobs(t, `{"seed":1,"runs":[{"scenario":"*","variant":"*"}]}`)); n != 6 {
		t.Errorf("every variant: %d runs, want 6", n)
	}
	if n := len(jobs(t, `{"seed":1,"runs":[{"scenario":"ssh-*","count":5},{"scenario":"ssh-*","count":2}]}`)); n != 14 {
		t.Errorf("SSH seven times: %d runs, want 14", n)
	}
	all := jobs(t, `{"seed":1,"runs":[{"scenario":"dns","variant":"u","profile":"*","sensor":"*","params":{"size":"2"}}]}`)
	if want := 3 * len(Profiles()); len(all) != want {
		t.Errorf("every profile and sensor: %d runs, want %d", len(all), want)
	}
	for _, j := range all {
		if j.Config.Params["size"] != "2" || j.Config.Variant != "u" || j.Config.Sensor == "" || j.Config.Profile == "" {
			t.Errorf("a run of %+v", j.Config)
		}
	}
	// A plan that grows keeps the runs it had.
	less := jobs(t, `{"seed":1,"runs":[{"scenario":"dns","count":4}]}`)
	more := jobs(t, `{"seed":1,"runs":[{"scenario":"ssh-shell"},{"scenario":"dns","count":6}]}`)
	found := make(map[string]bool)
	for _, j := range more {
		found[fmt.Sprintf("%+v", j.Config)] = true
	}
	for _, j := range less {
		if !found[fmt.Sprintf("%+v", j.Config)] {
			t.Errorf("the longer plan has no %+v", j.Config)
		}
	}
}

func TestPlanErrors(t *testing.T) {
	for plan, want := range map[string]string{
		``:                                 "not a plan",
		`{}`:                               "without runs",
		`{"runs":[{"scenery":"x"}]}`:       "scenery",
		`{"runs":[{"scenario":"x"}]} {}`:   "more after",
		`{"runs":[{"scenario":"telnet"}]}`: `no scenario is called "telnet"`,
		`{"runs":[{"scenario":"dns","variant":"q"}]}`:           "but u, v, w",
		`{"runs":[{"scenario":"dns","profile":"moon"}]}`:        "moon",
		`{"runs":[{"scenario":"dns","sensor":"roof"}]}`:         "roof",
		`{"runs":[{"scenario":"dns","params":{"size":"9"}}]}`:   "size=9",
		`{"runs":[{"scenario":"dns","count":-1}]}`:              "-1",
		`{"runs":[{"scenario":"dns","count":999999999999999}]}`: "more than",
		`{"runs":[{"scenario":"dns","variant":"["}]}`:           "syntax",
	} {
		p, err := ReadPlan(strings.NewReader(plan))
		if err == nil {
			_, err = p.Jobs(testScenarios())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", plan, err, want)
		}
	}
}

// TestDraw wants the same seed to draw the same, other seeds other things, and
// what is set to change nothing else.
func TestDraw(t *testing.T) {
	s := testScenarios()[2]
	describe := func(c Config) (string, *Run) {
		r, n, congestion, err := draw(s, c)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%+v %s %v %v %v %v", r.draft, congestion, n.split, n.hops, n.public, n.routers)
		for _, h := range r.hosts {
			text += fmt.Sprint(h.addr, h.mac, h.gateway, n.cables[h].delay)
		}
		return text + fmt.Sprint(r.Rand().Uint64(), r.typist.Name()), r
	}
	different := make(map[string]bool)
	variants, profiles, sensors, sizes := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	const n = 600
	for seed := range uint64(n) {
		a, r := describe(Config{Seed: seed})
		b, _ := describe(Config{Seed: seed})
		if a != b {
			t.Fatalf("seed %d:\n%s\n%s", seed, a, b)
		}
		different[a] = true
		variants[r.draft.Variant]++
		profiles[r.draft.Profile.Name]++
		sensors[r.draft.Sensor]++
		sizes[r.draft.Params["size"]]++
		_, set := describe(Config{Seed: seed, Variant: "u", Params: map[string]string{"mode": "a"}})
		if set.draft.Variant != "u" || set.draft.Params["size"] != r.draft.Params["size"] || !reflect.DeepEqual(set.draft.Profile, r.draft.Profile) || set.hosts[1].addr != r.hosts[1].addr {
			t.Errorf("seed %d: setting the variant changed more", seed)
		}
	}
	if len(different) != n {
		t.Errorf("%d different draws of %d", len(different), n)
	}
	for _, x := range []struct {
		what string
		n    map[string]int
		of   int
	}{{"variants", variants, 3}, {"profiles", profiles, len(Profiles())}, {"sensors", sensors, 3}, {"sizes", sizes, 3}} {
		for name, count := range x.n {
			if want := n / x.of; count < want/2 || count > want*2 {
				t.Errorf("%s: %s %d times of %d", x.what, name, count, n)
			}
		}
		if len(x.n) != x.of {
			t.Errorf("%s: %v", x.what, x.n)
		}
	}
}

func TestDrawErrors(t *testing.T) {
	s := testScenarios()[0]
	for want, c := range map[string]Config{
		"variant":  {Variant: "z"},
		"size=x":   {Params: map[string]string{"size": "x"}},
		"colour":   {Params: map[string]string{"colour": "red"}},
		"moon":     {Profile: "moon"},
		"attic":    {Sensor: "attic"},
		"typist-x": {Typist: "typist-x"},
		"hurry":    {Hurry: -1},
	} {
		if _, err := NewJob(s, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestScenarioCheck(t *testing.T) {
	for want, change := range map[string]func(*Scenario){
		"is not a name": func(s *Scenario) { s.Name = "a/b" },
		"are needed":    func(s *Scenario) { s.Run = nil },
		"0 hosts":       func(s *Scenario) { s.Hosts = nil },
		"twice":         func(s *Scenario) { s.Hosts = []string{"a", "a"} },
		"near host":     func(s *Scenario) { s.Near = []string{"moon"} },
		"ATT&CK":        func(s *Scenario) { s.Techniques = []string{"T1"} },
		"no variant":    func(s *Scenario) { s.Variants = nil },
		`variant ""`:    func(s *Scenario) { s.Variants = []Variant{{}} },
		"parameter":     func(s *Scenario) { s.Params = []Param{{Name: "x"}} },
	} {
		s := testScenarios()[0]
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		change(s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestPackage(t *testing.T) {
	for need, want := range map[string]string{"sshd": "openssh-server", "/usr/sbin/sshd": "openssh-server", "py:paramiko": "python3-paramiko", "curl": "curl", "foo@bar": "bar"} {
		if got := Package(need); got != want {
			t.Errorf("%s is in %s, want %s", need, got, want)
		}
	}
	if Have("no-such-program-at-all") || Have("py:no_such_module") || !Have("sh") || !Have("/bin/sh") {
		t.Error("Have is wrong about sh or about what is not there")
	}
}

package hunt_test

import (
	"os/exec"
	"strings"
	"testing"

	"tyto/hunt"
)

// TestExamples: what the reference shows works.
func TestExamples(t *testing.T) {
	ks := kinds(t)
	reference := hunt.Reference()
	for _, o := range hunt.Operators() {
		q, err := hunt.Parse(o.Example)
		if err != nil {
			t.Errorf("%s: %v", o.Name, err)
			continue
		}
		if got := q.String(); got != o.Example {
			t.Errorf("%s: write its example as %s", o.Name, got)
		}
		if _, err := q.Compile(ks, now); err != nil && o.Name != "like" && o.Name != "path" {
			t.Errorf("%s: %v", o.Name, err)
		}
		if !strings.Contains(o.Example, "| "+o.Name+" ") || !strings.Contains(reference, o.Usage) {
			t.Errorf("%s: its example does without it, or the reference does", o.Name)
		}
	}
	for _, h := range hunt.Hunts() {
		if !strings.Contains(reference, h.Query) {
			t.Errorf("the reference lacks the hunt %s", h.Name)
		}
	}
	if len(hunt.Hunts()) < 25 {
		t.Errorf("%d hunts", len(hunt.Hunts()))
	}
}

func TestCompletion(t *testing.T) {
	ks := kinds(t)
	for _, shell := range hunt.Shells() {
		script, err := hunt.Completion(shell, ks)
		if err != nil || !strings.Contains(script, " beacon-candidates ") || !strings.Contains(script, " timeline ") {
			t.Errorf("%s: %v\n%s", shell, err, script)
		}
		if path, err := exec.LookPath(shell); err == nil {
			if out, err := exec.Command(path, "-n", "-c", script).CombinedOutput(); err != nil {
				t.Errorf("%s does not take its script: %v\n%s", shell, err, out)
			}
		}
	}
	if _, err := hunt.Completion("cmd", ks); err == nil {
		t.Error("a shell that is not known got a script")
	}
}

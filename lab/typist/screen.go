package typist

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Script is what a person does in a full-screen program.
type Script struct {
	Name  string  // "vim"
	Needs string  // program
	Start Command // starts it; Want appears when its screen is drawn
	Steps []Step  // the last one ends it
	Check Command // after it: Want shows that what was done is done
}

// Step is one thing that a person does in a full-screen program.
type Step struct {
	Keys []string // pressed without mistakes, or
	Type string   // typed as text
	Want string   // the screen shows it afterwards; empty if it cannot be known
	Read bool     // before it a screen is read, not only glanced at
}

// Step returns the keys of a step; the first delay holds the time to look at
// the screen.
func (t *Typist) Step(s Step, rng *rand.Rand) []Key {
	look := duration(.25 + t.Think(0, rng).Seconds()/6)
	if s.Read {
		look = t.Think(1500, rng)
	}
	keys := t.Keys(s.Type, rng)
	if s.Keys != nil {
		keys = t.Press(s.Keys, rng)
	}
	if len(keys) > 0 {
		keys[0].Delay = min(keys[0].Delay+look, MaxThink)
	}
	return keys
}

// Screens draws one script for each full-screen program. They use the files
// of the roles and files they make.
func Screens(rng *rand.Rand) []Script {
	return []Script{vim(rng), nano(rng), less(rng), top(rng)}
}

// keys are the characters of s, each a key.
func keys(s string) []string { return strings.Split(s, "") }

// times is a key pressed n times.
func times(key string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = key
	}
	return all
}

// vim works with every vi: it moves with letters only.
func vim(rng *rand.Rand) Script {
	name := "memo-" + tag(rng) + ".txt"
	s := Script{
		Name: "vim", Needs: "vi",
		Start: cmd("cp notes.txt "+name+" && vi "+name, "Quarterly"),
		Check: cmd("tail -2 "+name+" && rm "+name, "end of memo"),
	}
	s.Steps = append(s.Steps, Step{Keys: times("j", 1+rng.IntN(5)), Read: true})
	for range 1 + rng.IntN(3) {
		s.Steps = append(s.Steps,
			Step{Keys: []string{"o"}},
			Step{Type: "- " + Prose(4+rng.IntN(12), rng)},
			Step{Keys: append([]string{Escape}, times(one(rng, "k", "j"), rng.IntN(3))...), Read: rng.IntN(2) == 0})
		if rng.IntN(3) == 0 {
			s.Steps = append(s.Steps, Step{Keys: keys("dd")}, Step{Keys: keys("u"), Read: true})
		}
	}
	s.Steps = append(s.Steps,
		Step{Keys: append(keys("/printer"), Enter)},
		Step{Keys: keys("Go")},
		Step{Type: "end of memo"},
		Step{Keys: []string{Escape}},
		Step{Keys: append(keys(one(rng, ":wq", ":x")), Enter)})
	return s
}

func nano(rng *rand.Rand) Script {
	name := "draft-" + tag(rng) + ".txt"
	s := Script{
		Name: "nano", Needs: "nano",
		Start: cmd("nano "+name, "GNU nano"),
		Check: cmd("tail -1 "+name+" && rm "+name, "Regards, M."),
	}
	for range 1 + rng.IntN(3) {
		s.Steps = append(s.Steps, Step{Type: Prose(8+rng.IntN(16), rng) + "\n", Read: rng.IntN(2) == 0})
	}
	s.Steps = append(s.Steps,
		Step{Keys: times(Up, 1+rng.IntN(3)), Read: true},
		Step{Keys: times(Down, 5)},
		Step{Type: "Regards, M."},
		Step{Keys: []string{"\x0f"}, Want: "File Name to Write"},
		Step{Keys: []string{Enter}, Want: "Wrote"},
		Step{Keys: []string{"\x18"}})
	return s
}

func less(rng *rand.Rand) Script {
	s := Script{
		Name: "less", Needs: "less",
		Start: cmd("less logs/acc\tess.log", "HTTP/1.1"),
		Check: cmd("echo $((6*7))", "42"),
	}
	for range 2 + rng.IntN(6) {
		s.Steps = append(s.Steps, Step{Keys: times(one(rng, " ", " ", "j", "d", "b"), 1+rng.IntN(3)), Read: true})
	}
	s.Steps = append(s.Steps, Step{Keys: append(keys("/"+one(rng, customers...)), Enter)})
	for range rng.IntN(4) {
		s.Steps = append(s.Steps, Step{Keys: keys("n"), Read: true})
	}
	s.Steps = append(s.Steps, Step{Keys: keys("G"), Want: "END"})
	if rng.IntN(2) == 0 {
		s.Steps = append(s.Steps, Step{Keys: keys("g"), Read: true})
	}
	s.Steps = append(s.Steps, Step{Keys: keys("q"), Read: true})
	return s
}

func top(rng *rand.Rand) Script {
	s := Script{
		Name: "top", Needs: "top",
		Start: cmd(fmt.Sprintf("top -d %d", 1+rng.IntN(4)), "load average"),
		Check: cmd("echo $((6*7))", "42"),
	}
	for range 2 + rng.IntN(5) {
		s.Steps = append(s.Steps, Step{Keys: keys(one(rng, "M", "P", "c", "1", "T", " ")), Read: true})
	}
	s.Steps = append(s.Steps, Step{Keys: keys("q"), Read: true})
	return s
}

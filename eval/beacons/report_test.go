package beacons

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

const page = "../../docs/eval/beacons"

// TestReport writes docs/eval/beacons.md and its chart again if UPDATE is set, which
// takes some minutes. TYTO_NAMES may then name a file of registered names, one a
// line. Otherwise it measures a small site twice, and wants the same report and
// little less found than on large ones.
func TestReport(t *testing.T) {
	if os.Getenv("UPDATE") != "" {
		update(t)
		return
	}
	o := Options{Fleets: 1, Each: 2, Names: 40, Every: 100}
	var text, again, svg bytes.Buffer
	r := Measure(7, o)
	for _, err := range []error{r.Write(&text), Measure(7, o).Write(&again), r.Draw(&svg)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(text.Bytes(), again.Bytes()) {
		t.Error("two measurements with the same seed differ")
	}
	if recall, _, _ := r.beacons.recall(byDetector, alert); recall < 0.7 {
		t.Errorf("recall of beacons is %.2f", recall)
	}
	if share, _ := r.beacons.benign(byDetector, alert); share > 0.02 {
		t.Errorf("benign automation told is %.3f", share)
	}
	var tunnels, uploads []float64
	for _, a := range r.tunnels {
		if a.kind.hostile {
			tunnels = append(tunnels, a.score)
		} else if a.score >= alert {
			t.Errorf("%s: told with %.1f", a.kind.name, a.score)
		}
	}
	for _, u := range r.uploads {
		if u.kind.hostile {
			uploads = append(uploads, u.score)
		}
	}
	if v := above(tunnels, alert); v < 0.9 {
		t.Errorf("recall of tunnels is %.2f", v)
	}
	if v := above(uploads, alert); v < 0.7 {
		t.Errorf("recall of uploads is %.2f", v)
	}
	for _, want := range []string{"## Beacons", "## DNS tunnels", "## Generated names", "## Exfiltration"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report has no %q", want)
		}
	}
}

func update(t *testing.T) {
	o := Defaults()
	if file := os.Getenv("TYTO_NAMES"); file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		o.Outside = strings.Fields(string(b))
	}
	r := Measure(1, o)
	for name, write := range map[string]func(*bytes.Buffer) error{
		page + ".md":  func(b *bytes.Buffer) error { return r.Write(b) },
		page + ".svg": func(b *bytes.Buffer) error { return r.Draw(b) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tyto/eval/metric"
)

// awkward is a name that breaks out of markup where it is not escaped.
const awkward = `a<b> & "c" 'd' ]]></text>` + "\x00\xff\n"

// drawn are charts of each kind, of ordinary data and of hardly any.
var drawn = []struct {
	name string
	draw func(io.Writer) error
}{
	{"confusion", func(w io.Writer) error {
		return Confusion(w, Head{"States of messages", "S1/2: profiles fibre, dsl, cable; 230 runs"}, someConfusion(), []string{"handshake", "keystrokes", "output", "exchange", "never", awkward})
	}},
	{"confusion-empty", func(w io.Writer) error {
		return Confusion(w, Head{Title: "Nothing"}, metric.NewConfusion(2), []string{"a", "b"})
	}},
	{"reliability", func(w io.Writer) error {
		return Reliability(w, Head{"Segment states", "S2/0, after temperature 1.31"}, someBins())
	}},
	{"reliability-empty", func(w io.Writer) error {
		return Reliability(w, Head{Title: "Nothing"}, metric.Reliability(nil, nil, 10))
	}},
	{"bars", func(w io.Writer) error {
		return Bars(w, Head{"Session labels, macro-F1", "95 % intervals by run"}, []Group{
			{"S1/0 lan, jumbo, campus", []Bar{bar("model", 0.91, 0.88, 0.93), bar("boosting", 0.84, 0.8, 0.87), bar("n-grams", 0.62, 0.57, 0.68), bar("kNN", 0.41, math.NaN(), math.NaN())}},
			{"S2/1", []Bar{bar("model", 0.86, 0.81, 0.9), bar("boosting", 0.78, 0.71, 0.83), bar(awkward, math.NaN(), math.NaN(), math.NaN())}},
		})
	}},
	{"bars-empty", func(w io.Writer) error { return Bars(w, Head{Title: awkward, Note: awkward}, nil) }},
	{"roc", func(w io.Writer) error {
		return ROC(w, Head{"Reverse shell", "S2, all folds; 4,000 sessions that are none"}, []Curve{{"model", ranking(4000, 3.5, 1)}, {"boosting", ranking(4000, 2.4, 2)}, {"rules with a long name that is cut", ranking(4000, 1, 3)}})
	}},
	{"roc-empty", func(w io.Writer) error {
		return ROC(w, Head{Title: "Nothing"}, []Curve{{"none", metric.Rank(nil)}})
	}},
	{"timeline", func(w io.Writer) error {
		return Timeline(w, Head{"ssh-shell-putty-openssh", ""}, []Strip{
			{"truth", []metric.Span{{From: 0, To: 3e9, Class: 0}, {From: 3e9, To: 21e9, Class: 1}, {From: 21e9, To: 21e9, Class: 2}, {From: 24e9, To: 40e9, Class: 3}, {From: 30e9, To: 36e9, Class: 1}}},
			{"model", []metric.Span{{From: 0, To: 2.5e9, Class: 0}, {From: 2.5e9, To: 22e9, Class: 1}, {From: 23e9, To: 41.5e9, Class: 3}}},
			{"rules", nil},
		}, []string{"handshake", "keystrokes", "output", "upload", "never"})
	}},
	{"timeline-empty", func(w io.Writer) error { return Timeline(w, Head{Title: "Nothing"}, nil, nil) }},
}

func someConfusion() *metric.Confusion {
	m := metric.NewConfusion(6)
	m.Counts = [][]int{{210, 3, 1, 12, 0, 0}, {0, 8400, 120, 33, 0, 0}, {2, 390, 2100, 512, 0, 0}, {9, 41, 260, 15200, 0, 7}, make([]int, 6), {0, 0, 0, 90, 0, 4}}
	m.Rejected[3] = 1200
	return m
}

func someBins() []metric.Bin {
	r := rand.New(rand.NewPCG(1, 1))
	var p []float64
	var right []bool
	for range 3000 {
		v := 0.3 + 0.7*math.Sqrt(r.Float64())
		p, right = append(p, v), append(right, r.Float64() < v*v)
	}
	return metric.Reliability(p, right, 15)
}

func bar(name string, value, low, high float64) Bar {
	return Bar{name, metric.Interval{Value: value, Low: low, High: high}}
}

// ranking has 200 positive items that are shift standard deviations above the
// negative ones.
func ranking(negatives int, shift float64, seed uint64) *metric.Ranking {
	r := rand.New(rand.NewPCG(seed, 1))
	var items []metric.Scored
	for range negatives {
		items = append(items, metric.Scored{Score: r.NormFloat64()})
	}
	for range 200 {
		items = append(items, metric.Scored{Score: r.NormFloat64() + shift, Positive: true})
	}
	return metric.Rank(items)
}

// TestCharts compares with golden files, which were looked at; UPDATE=1 writes
// them.
func TestCharts(t *testing.T) {
	for _, c := range drawn {
		var b bytes.Buffer
		if err := c.draw(&b); err != nil {
			t.Fatal(err)
		}
		wellFormed(t, c.name, b.Bytes())
		for _, bad := range []string{"NaN", "Inf", "+Inf", "\x00"} {
			if strings.Contains(b.String(), bad) {
				t.Errorf("%s has %q", c.name, bad)
			}
		}
		name := filepath.Join("testdata", c.name+".svg")
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%s is not as it was: look at it with UPDATE=1, then git diff", c.name)
		}
	}
}

// wellFormed parses a chart, and looks for elements that no chart draws.
func wellFormed(t *testing.T, name string, svg []byte) {
	t.Helper()
	known := map[string]bool{"svg": true, "title": true, "style": true, "g": true, "rect": true, "line": true, "circle": true, "path": true, "text": true}
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if e, ok := token.(xml.StartElement); ok && !known[e.Name.Local] {
			t.Errorf("%s has an element %s", name, e.Name.Local)
		}
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		awkward:            "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39; ]]&gt;&lt;/text&gt;�� ",
		"plain – ü ▂":      "plain – ü ▂",
		"\x1b[31m\uFFFE\t": "�[31m� ",
	} {
		if got := escape(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestNum(t *testing.T) {
	for in, want := range map[float64]string{1: "1", 0.125: "0.13", -0.001: "0", 1e6: "1000000", 2. / 3: "0.67"} {
		if got := num(in); got != want {
			t.Errorf("%v: %s, want %s", in, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for in, want := range map[int]string{7: "7", 9999: "9999", 10000: "10k", 2_500_000: "2M"} {
		if got := count(in); got != want {
			t.Errorf("%d: %s, want %s", in, got, want)
		}
	}
}

// errWriter fails.
type errWriter struct{}

func (errWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteError(t *testing.T) {
	for _, c := range drawn {
		if err := c.draw(errWriter{}); err == nil {
			t.Errorf("%s: an error of the writer was lost", c.name)
		}
	}
}

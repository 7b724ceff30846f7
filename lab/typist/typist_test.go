package typist

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// TestText wants whatever is typed, mistakes and all, to come out as asked.
func TestText(t *testing.T) {
	texts := []string{
		"", "a", "ls -la /etc\n", "two\nlines\n\n", `grep -rniE 'pass(wd)?' . | awk '{ print $1 }' > "/tmp/x"`,
		"Grüße aus Köln", "tab\there", "~!@#$%^&*()_+{}|:<>?", strings.Repeat("all work and no play ", 50),
	}
	corrected := 0
	for n := range Count {
		for i, want := range texts {
			keys := Number(n).Keys(want, seeded(uint64(n*100+i)))
			if got := Text(keys); got != want {
				t.Errorf("typist %d: got %q, want %q", n, got, want)
			}
			for _, k := range keys {
				if k.Delay <= 0 || k.Delay > MaxDelay {
					t.Errorf("typist %d: a delay of %v", n, k.Delay)
				}
				if string(k.Bytes) == Backspace {
					corrected++
				}
			}
		}
	}
	if corrected == 0 {
		t.Error("nobody made a mistake")
	}
}

func TestDeterministic(t *testing.T) {
	for n := range Count {
		if !reflect.DeepEqual(Number(n), Number(n)) {
			t.Fatalf("typist %d is not the same twice", n)
		}
		a, b, c := seeded(7), seeded(7), seeded(8)
		const text = "the quick brown fox jumps over the lazy dog"
		x, y, z := Number(n).Keys(text, a), Number(n).Keys(text, b), Number(n).Keys(text, c)
		if !reflect.DeepEqual(x, y) || reflect.DeepEqual(x, z) {
			t.Errorf("typist %d: the keys do not depend on the seed alone", n)
		}
	}
	if !reflect.DeepEqual(Intruder.Commands(40, seeded(3)), Intruder.Commands(40, seeded(3))) {
		t.Error("commands do not depend on the seed alone")
	}
}

// intervals draws n second keys of a pair, each in a text of its own, so that
// they are independent: logarithms of the seconds above the floor.
func intervals(typist *Typist, pair string, n int) []float64 {
	rng := seeded(uint64(n))
	var all []float64
	for len(all) < n {
		k := typist.Press(strings.Split(pair, ""), rng)
		all = append(all, math.Log(k[1].Delay.Seconds()-typist.floor))
	}
	return all
}

// TestIntervals compares the intervals of pairs with the distribution that is
// meant: mean and spread within four standard errors, and the whole by
// Kolmogorov and Smirnov at one in a thousand.
func TestIntervals(t *testing.T) {
	const n = 4000
	for _, who := range []int{0, 11, 23, 47} {
		for _, pair := range []string{"th", "ed", "aa", "e ", "l-", "aB", "p1"} {
			typist := Number(who)
			got := intervals(typist, pair, n)
			mean := typist.median(rune(pair[0]), rune(pair[1]))
			sd := math.Hypot(typist.sigma, typist.tempo)
			m, s := moments(got)
			if d := math.Abs(m - mean); d > 4*sd/math.Sqrt(n) {
				t.Errorf("%s %q: mean %.4f, want %.4f", typist.Name(), pair, m, mean)
			}
			if d := math.Abs(s - sd); d > 4*sd/math.Sqrt(2*n) {
				t.Errorf("%s %q: spread %.4f, want %.4f", typist.Name(), pair, s, sd)
			}
			if d := kolmogorov(got, func(x float64) float64 { return normalCDF((x - mean) / sd) }); d > 1.95/math.Sqrt(n) {
				t.Errorf("%s %q: the distributions differ by %.4f", typist.Name(), pair, d)
			}
		}
	}
}

func moments(x []float64) (mean, sd float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		sd += (v - mean) * (v - mean) / float64(len(x)-1)
	}
	return mean, math.Sqrt(sd)
}

func normalCDF(z float64) float64 { return .5 * math.Erfc(-z/math.Sqrt2) }

func kolmogorov(x []float64, cdf func(float64) float64) (d float64) {
	x = slices.Sorted(slices.Values(x))
	for i, v := range x {
		f := cdf(v)
		d = max(d, f-float64(i)/float64(len(x)), float64(i+1)/float64(len(x))-f)
	}
	return d
}

// TestEffects wants the order of kinds of pairs that is meant, for the median
// typist.
func TestEffects(t *testing.T) {
	pairs := map[string][]string{
		"other hand":  {"so", "du", "fi", "wo", "ek"},
		"one hand":    {"as", "sf", "we", "io", "jl"},
		"same finger": {"ed", "ce", "mu", "lo", "aq"},
		"shift":       {"aP", "sI", "dK", "fJ", "gO"},
	}
	median := make(map[string]float64)
	for kind, list := range pairs {
		var all []float64
		for n := range Count {
			typist := Number(n)
			if typist.twoFingers {
				continue
			}
			for _, p := range list {
				all = append(all, typist.median(rune(p[0]), rune(p[1]))-typist.base)
			}
		}
		slices.Sort(all)
		median[kind] = all[len(all)/2]
	}
	if !(median["other hand"] < median["one hand"] && median["one hand"] < median["same finger"] && median["other hand"]+.2 < median["shift"]) {
		t.Errorf("effects %v", median)
	}
}

// TestPopulation wants ordinary people: around 50 words a minute, from slow to
// fast, and no two alike.
func TestPopulation(t *testing.T) {
	text := Prose(400, seeded(1))
	var speeds []float64
	two := 0
	for n := range Count {
		typist := Number(n)
		if typist.twoFingers {
			two++
		}
		var took time.Duration
		for _, k := range typist.Keys(text, seeded(uint64(n))) {
			took += k.Delay
		}
		speeds = append(speeds, float64(len(text))/5/took.Minutes())
		for m := range n {
			a, b := typist.pace, Number(m).pace
			if math.Abs(a.base-b.base) < .01 && math.Abs(a.sigma-b.sigma) < .01 && math.Abs(a.otherHand-b.otherHand) < .01 {
				t.Errorf("typists %d and %d are alike", n, m)
			}
		}
	}
	slices.Sort(speeds)
	t.Logf("words a minute: %.0f", speeds)
	if m := speeds[Count/2]; m < 35 || m > 70 {
		t.Errorf("median %.0f words a minute", m)
	}
	if speeds[0] < 12 || speeds[Count-1] > 140 || speeds[Count-1] < 1.8*speeds[0] {
		t.Errorf("from %.0f to %.0f words a minute", speeds[0], speeds[Count-1])
	}
	if two == 0 || two > Count/2 {
		t.Errorf("%d type with two fingers", two)
	}
}

// TestMistakes counts corrections: a mistake must happen as often as the
// typist makes them, within four standard errors.
func TestMistakes(t *testing.T) {
	text := strings.ReplaceAll(Prose(3000, seeded(2)), " ", "_")
	for _, who := range []int{2, 17, 33} {
		typist := Number(who)
		mistakes, before := 0, false
		for _, k := range typist.Keys(text, seeded(uint64(who))) {
			back := string(k.Bytes) == Backspace
			if back && !before {
				mistakes++
			}
			before = back
		}
		// A character that was mistaken is tried again with the same chance.
		want := float64(len(text)) * typist.errors / (1 - typist.errors)
		if d := math.Abs(float64(mistakes) - want); d > 4*math.Sqrt(want) {
			t.Errorf("%s: %d mistakes, want %.0f", typist.Name(), mistakes, want)
		}
	}
}

// TestThink compares quantiles of the think time without output with the
// mixture it is drawn from.
func TestThink(t *testing.T) {
	const n = 20000
	typist := Number(5)
	var got []float64
	rng := seeded(4)
	longest := time.Duration(0)
	for range n {
		d := typist.Think(0, rng)
		longest = max(longest, d)
		got = append(got, math.Log(d.Seconds()))
	}
	part := func(x, median, spread float64) float64 { return normalCDF((x - math.Log(median)) / spread) }
	d := kolmogorov(got, func(x float64) float64 {
		if x >= math.Log(MaxThink.Seconds())-1e-9 {
			return 1
		}
		return typist.quick*part(x, .8, .5) + typist.away*part(x, 22, .9) + (1-typist.quick-typist.away)*part(x, 3.4, .75)
	})
	if d > 1.95/math.Sqrt(n) {
		t.Errorf("the distributions differ by %.4f", d)
	}
	if longest > MaxThink {
		t.Errorf("thinks for %v", longest)
	}
	var short, long time.Duration
	for range 2000 {
		short += typist.Think(0, rng)
		long += typist.Think(5000, rng)
	}
	if want := time.Duration(2000 * 1800 / typist.readRate * float64(time.Second)); long-short < want/2 || long-short > want*2 {
		t.Errorf("reading takes %v more, want about %v", long-short, want)
	}
}

// TestLine wants every way to enter a line to enter that line, and each of the
// ways to be used.
func TestLine(t *testing.T) {
	ways := make(map[string]int)
	for n := range Count {
		typist, rng := Number(n), seeded(uint64(n))
		for _, role := range Roles() {
			var shell Shell
			for _, c := range role.Commands(30, rng) {
				shell.Editing = rng.IntN(4) > 0
				keys := typist.Line(c, shell, rng)
				if got := Text(keys); strings.TrimRight(got, " \n") != c.Text || !strings.HasSuffix(got, "\n") {
					t.Fatalf("%s: got %q, want %q", typist.Name(), got, c.Text)
				}
				for _, k := range keys {
					switch {
					case k.Pasted:
						ways["paste"]++
					case string(k.Bytes) == TabKey, string(k.Bytes) == Up:
						if !shell.Editing {
							t.Errorf("%q where there is no line editor", k.Bytes)
						}
						if k.Fills == "" {
							t.Errorf("%q fills nothing", k.Bytes)
						}
						ways[string(k.Bytes)]++
					}
				}
				shell.History = append(shell.History, c.Text)
			}
		}
	}
	for _, way := range []string{"paste", TabKey, Up} {
		if ways[way] < 20 {
			t.Errorf("%q was used %d times", way, ways[way])
		}
	}
}

func TestRecall(t *testing.T) {
	for _, c := range []struct {
		history string
		want    int
	}{{"", 0}, {"a", 1}, {"b", 0}, {"a b", 2}, {"a b b", 0}, {"b b a", 1}, {"a 1 2 3 4 5 6 7", 8}, {"a 1 2 3 4 5 6 7 8", 0}} {
		if got := recall("a", strings.Fields(c.history)); got != c.want {
			t.Errorf("%q: got %d, want %d", c.history, got, c.want)
		}
	}
}

func TestKeyboard(t *testing.T) {
	for r := ' '; r < 0x7f; r++ {
		if !at(r).known {
			t.Errorf("%q is nowhere", r)
		}
		for _, n := range neighbours(r) {
			if !plain(n) || n == r {
				t.Errorf("%q is a neighbour of %q", n, r)
			}
		}
		if r != ' ' && len(neighbours(r)) == 0 {
			t.Errorf("%q has no neighbours", r)
		}
	}
	for r, want := range map[rune]string{'a': "swqz", 'k': "jlio,m", '5': "46rtg"} {
		if got := string(neighbours(r)); got != want && r != '5' {
			for _, n := range got {
				if !strings.ContainsRune(want, n) {
					t.Errorf("neighbours of %q: got %q, want %q", r, got, want)
				}
			}
		}
	}
}

// FuzzText wants the text that was asked for, whatever it is.
func FuzzText(f *testing.F) {
	f.Add("ls -la\n", uint64(1))
	f.Add("a\x7fb\x1b[A", uint64(2))
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		rng := seeded(seed)
		typist := Draw(rng)
		keys := typist.Keys(text, rng)
		for _, k := range keys {
			if k.Delay <= 0 || k.Delay > MaxDelay {
				t.Fatalf("a delay of %v", k.Delay)
			}
		}
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\x7f\r") {
			return
		}
		if got := Text(keys); got != text {
			t.Fatalf("got %q, want %q", got, text)
		}
	})
}

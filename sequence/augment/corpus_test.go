package augment

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tyto/corpus"
	"tyto/lab/label"
	"tyto/packet"
	"tyto/sequence"
	"tyto/session"
)

// sample is a recorded session with the network it was recorded on.
type sample struct {
	run *corpus.Run
	s   *corpus.Session
}

// protoOf is the IP protocol number of a flow.
func protoOf(name string) uint8 {
	n := map[string]uint8{"tcp": packet.ProtoTCP, "udp": packet.ProtoUDP, "icmp": packet.ProtoICMP}[name]
	if n == 0 {
		fmt.Sscanf(name, "ip-%d", &n)
	}
	return n
}

// input is the sample as an augmentation takes it.
func (s sample) input() *Session {
	n := s.network()
	in := &Session{Proto: protoOf(s.s.Flow.Proto), Entries: s.s.Entries, RTT: int64(n.RTT), Place: n.Place}
	by := session.Orig
	if slices.Contains(s.s.Flow.Labels, label.ReverseShell) != s.s.Reversed {
		by = session.Resp
	}
	for _, g := range s.s.Flow.Segments {
		if g.State == label.StateKeystrokes {
			in.Typing = append(in.Typing, Span{int64(g.T0), int64(g.T1), by})
		}
	}
	for _, k := range s.s.Flow.Keys {
		in.Keys = append(in.Keys, int64(k))
	}
	return in
}

// network is the sample's own, as its truth tells it.
func (s sample) network() Network {
	p := s.run.Truth.Profile
	n := Network{RTT: time.Duration(float64(p.RTT) * 1e9), Jitter: time.Duration(float64(p.Jitter) * 1e9), Loss: p.Loss, Rate: [2]float64{p.Rate, p.Rate}}
	n.Place = map[string]float64{"client": 0, "core": 0.5, "server": 1}[s.run.Truth.Sensor]
	if s.s.Reversed {
		n.Place = 1 - n.Place
	}
	return n
}

var readCorpus = sync.OnceValues(func() (all []*corpus.Run, err error) {
	for r, err := range corpus.Runs("../../corpus/data") {
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
})

// corpusRuns are the runs of the corpus, which may still be growing.
func corpusRuns(tb testing.TB) []*corpus.Run {
	all, err := readCorpus()
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// mainSession is a run's labelled session with the most entries that crosses the
// network of the run.
func mainSession(r *corpus.Run) (best sample, ok bool) {
	for i := range r.Sessions {
		s := &r.Sessions[i]
		if len(s.Flow.Labels) == 0 || s.Dropped > 0 || len(s.Entries) < 12 || !crosses(r, s) {
			continue
		}
		if !ok || len(s.Entries) > len(best.s.Entries) {
			best, ok = sample{r, s}, true
		}
	}
	return best, ok
}

// crosses reports whether a session goes over the run's network: its handshake
// takes as long as the truth says.
func crosses(r *corpus.Run, s *corpus.Session) bool {
	p, ok := handshake(s.Entries)
	off := math.Log10(float64(p.near+p.far) / 1e9 / float64(r.Truth.Profile.RTT))
	return !ok || math.Abs(off) < 0.2
}

// numbers are what the two-sample test compares of a session.
type numbers struct {
	gaps, trips, sizes, packets []float64
	rtt                         float64
}

func numbersOf(proto uint8, entries []session.Entry) numbers {
	s := sequence.Recover(proto, slices.Values(entries))
	n := numbers{rtt: math.Log10(max(float64(s.RTT), 1e4) / 1e9)}
	rtt := max(float64(s.RTT), 1e4)
	for _, e := range entries {
		if !e.Message && e.Bytes > 0 && e.Kind&session.Repeat == 0 {
			n.packets = append(n.packets, math.Log2(float64(e.Bytes/e.Packets)))
		}
	}
	for i, m := range s.Messages {
		n.sizes = append(n.sizes, math.Log2(float64(m.Bytes)+1))
		if i > 0 {
			gap := max(float64(m.Time-s.Messages[i-1].Time), 1e4)
			n.gaps = append(n.gaps, math.Log10(gap))
			n.trips = append(n.trips, math.Log10(max(gap/rtt, 1e-3)))
		}
	}
	return n
}

// energy is the energy distance of two samples of numbers (Székely and Rizzo),
// as twice the integral of the squared difference of their distributions.
func energy(x, y []float64) float64 {
	x, y = slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y))
	if len(x) == 0 || len(y) == 0 {
		return 0
	}
	sum, i, j := 0., 0, 0
	last := min(x[0], y[0])
	for i < len(x) || j < len(y) {
		var at float64
		if j == len(y) || i < len(x) && x[i] <= y[j] {
			at = x[i]
		} else {
			at = y[j]
		}
		d := float64(i)/float64(len(x)) - float64(j)/float64(len(y))
		sum += 2 * d * d * (at - last)
		last = at
		for i < len(x) && x[i] == at {
			i++
		}
		for j < len(y) && y[j] == at {
			j++
		}
	}
	return sum
}

// apart are the distances of two sessions: gaps, gaps in round trips, sizes,
// packets a message, and the round trip itself.
func apart(a, b numbers) [5]float64 {
	return [5]float64{energy(a.gaps, b.gaps), energy(a.trips, b.trips), energy(a.sizes, b.sizes), energy(a.packets, b.packets), math.Abs(a.rtt - b.rtt)}
}

// pairs are main sessions of the same recipe and variant in networks that
// differ, by recipe.
func pairs(all []*corpus.Run) (names []string, byName map[string][]sample) {
	byName = make(map[string][]sample)
	for _, r := range all {
		if s, ok := mainSession(r); ok {
			name := r.Truth.Scenario + " " + r.Truth.Variant
			byName[name] = append(byName[name], s)
		}
	}
	for name, list := range byName {
		if len(list) > 1 {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(len(byName[b])-len(byName[a]), cmp.Compare(a, b)) })
	return names, byName
}

// recipes are those that the table shows, chosen by hand: ten over TCP with many
// pairs of networks. Tunnels over UDP are only in the sum: how sequence tells
// their round trip says little of the network.
var recipes = []string{"ssh-shell", "ssh-exec", "scp-upload", "git-ssh", "sshfs", "https-api-poll", "https-autosave", "c2-https", "revshell-tls", "web-terminal"}

// row is a line of the two-sample test's table: sums of distances.
type row struct {
	before, after, floor [5]float64
	pairs, floors        int
}

func (r *row) String() string {
	line := fmt.Sprintf("%5d", r.pairs)
	for k := range r.before {
		line += fmt.Sprintf("  %.3f>%.3f (%.3f)", r.before[k]/float64(r.pairs), r.after[k]/float64(r.pairs), r.floor[k]/float64(max(r.floors, 1)))
	}
	return line
}

// compare adds the pairs of one recipe and variant.
func compare(a *Augmenter, list []sample, to ...*row) {
	heard := make([]numbers, len(list))
	for i, s := range list {
		heard[i] = numbersOf(protoOf(s.s.Flow.Proto), s.s.Entries)
	}
	for i, from := range list {
		for j, other := range list {
			if i == j {
				continue
			}
			before := apart(heard[i], heard[j])
			same := from.run.Truth.Profile.Name == other.run.Truth.Profile.Name
			var after [5]float64
			if !same {
				out := a.Augment(rand.New(rand.NewPCG(1, 2)), from.input(), other.plan())
				after = apart(numbersOf(out.Proto, out.Entries), heard[j])
			}
			for _, r := range to {
				r.add(same, before, after)
			}
		}
	}
}

func (r *row) add(same bool, before, after [5]float64) {
	if same {
		r.floors++
	} else {
		r.pairs++
	}
	for k := range before {
		if same {
			r.floor[k] += before[k]
			continue
		}
		r.before[k] += before[k]
		r.after[k] += after[k]
	}
}

// TestTwoSamples wants a session that is augmented to be of another network to be
// closer to one that was recorded there, of the same recipe and program, than it
// was before. Two runs of a recipe differ also by what is done in them; how far
// two of one kind of network are apart is in brackets, 0 if there are none. What
// c2-https sends differs so much that its gaps in round trips show no gain, so
// that a recipe of its own must only not get worse there.
func TestTwoSamples(t *testing.T) {
	const most = 6 // runs of a variant
	names, byName := pairs(corpusRuns(t))
	var a Augmenter
	var all row
	rows := make(map[string]*row)
	for _, name := range names {
		scenario, _, _ := strings.Cut(name, " ")
		if rows[scenario] == nil {
			rows[scenario] = new(row)
		}
		list := byName[name]
		compare(&a, list[:min(len(list), most)], rows[scenario], &all)
	}
	rows["all recipes"] = &all
	t.Logf("%-14s pairs  gaps, log10            gaps/rtt, log10       message bytes, log2   packet bytes, log2    rtt, log10", "energy distance")
	for _, name := range append(slices.Clone(recipes), "all recipes") {
		r := rows[name]
		if r == nil || r.pairs < 10 {
			continue // the corpus has too few yet
		}
		t.Logf("%-15s%v", name, r)
		for k, most := range [5]float64{0.8, 1.15, 1.1, 1.1, 0.5} {
			if r.after[k] > most*r.before[k]+0.01*float64(r.pairs) {
				t.Errorf("%s: column %d is %.3f apart, %.3f before", name, k, r.after[k]/float64(r.pairs), r.before[k]/float64(r.pairs))
			}
		}
	}
	if all.pairs > 0 && all.after[1] > 0.8*all.before[1] {
		t.Errorf("gaps in round trips are %.3f apart, %.3f before", all.after[1]/float64(all.pairs), all.before[1]/float64(all.pairs))
	}
}

// plan makes of a session one on the sample's network.
func (s sample) plan() *Plan {
	return &Plan{Network: s.network(), Segments: Segments{MTU: s.run.Truth.Profile.MTU}}
}

// Networks whose sessions the classifier test tells from each other.
var (
	quickNetworks = []string{"lan", "jumbo", "campus", "wifi", "fibre"}
	slowNetworks  = []string{"mobile", "ocean", "satellite", "continent", "lossy", "vpn"}
)

// features are what the nearest neighbour is found by: the round trip, and
// quantiles of gaps and of gaps in round trips.
func (n numbers) features() (f [9]float64) {
	f[0] = n.rtt
	for k, list := range [][]float64{n.gaps, n.trips} {
		list = slices.Sorted(slices.Values(list))
		for q := range 4 {
			if len(list) > 0 {
				f[1+4*k+q] = list[(len(list)-1)*(2*q+1)/8]
			}
		}
	}
	return f
}

// TestNearestNeighbour wants sessions of quick networks that are augmented to be
// of slow ones not to be told from those that were recorded there: a classifier
// that asks for the nearest other session of the recipe is right about as often
// as a coin. Each session is used once.
func TestNearestNeighbour(t *testing.T) {
	quick, slow := make(map[string][]sample), make(map[string][]sample)
	for _, r := range corpusRuns(t) {
		s, ok := mainSession(r)
		switch {
		case !ok || s.s.Flow.Proto != "tcp":
		case slices.Contains(quickNetworks, r.Truth.Profile.Name):
			quick[r.Truth.Scenario] = append(quick[r.Truth.Scenario], s)
		case slices.Contains(slowNetworks, r.Truth.Profile.Name):
			slow[r.Truth.Scenario] = append(slow[r.Truth.Scenario], s)
		}
	}
	var networks []sample // of all recipes, so that none is exactly that of a session it is compared with
	for _, scenario := range slices.Sorted(maps.Keys(slow)) {
		networks = append(networks, slow[scenario]...)
	}
	source := rand.New(rand.NewPCG(1, 2))
	var right, among [2]int // before and after
	for _, scenario := range slices.Sorted(maps.Keys(quick)) {
		from := quick[scenario]
		n := min(len(from), len(slow[scenario]))
		if n < 5 {
			continue
		}
		var made, raw, recorded [][9]float64
		for i, to := range slow[scenario][:n] {
			out := Augment(source, from[i].input(), networks[source.IntN(len(networks))].plan())
			recorded = append(recorded, numbersOf(packet.ProtoTCP, to.s.Entries).features())
			raw = append(raw, numbersOf(packet.ProtoTCP, from[i].s.Entries).features())
			made = append(made, numbersOf(out.Proto, out.Entries).features())
		}
		for k, list := range [][][9]float64{raw, made} {
			right[k] += told(recorded, list)
			among[k] += 2 * n
		}
	}
	before, after := float64(right[0])/float64(among[0]), float64(right[1])/float64(among[1])
	t.Logf("%d sessions: %.3f are told before, %.3f after", among[1], before, after)
	if among[1] < 200 {
		t.Skip("too few sessions to tell")
	}
	if before < 0.75 || after > 0.6 {
		t.Errorf("%.3f are told before, want most; %.3f after, want half", before, after)
	}
}

// told is how many of two classes' samples have their nearest neighbour in their
// own class, with features of equal spread.
func told(a, b [][9]float64) (right int) {
	all := slices.Concat(a, b)
	var scale [9]float64
	for k := range scale {
		var sum, squares float64
		for _, f := range all {
			sum += f[k]
			squares += f[k] * f[k]
		}
		n := float64(len(all))
		scale[k] = 1 / math.Sqrt(max(squares/n-sum*sum/n/n, 1e-6))
	}
	for i, f := range all {
		best, nearest := math.Inf(1), -1
		for j, g := range all {
			var d float64
			for k := range f {
				d += (f[k] - g[k]) * (f[k] - g[k]) * scale[k] * scale[k]
			}
			if j != i && d < best {
				best, nearest = d, j
			}
		}
		if (i < len(a)) == (nearest < len(a)) {
			right++
		}
	}
	return right
}

// TestReplay wants sessions that are augmented to be of their own network to stay
// as they are: what the model of causes takes apart it puts together again.
func TestReplay(t *testing.T) {
	var a Augmenter
	sum, n := 0., 0
	for _, r := range corpusRuns(t) {
		s, ok := mainSession(r)
		if !ok || s.s.Flow.Proto != "tcp" {
			continue
		}
		in := s.input()
		p := pathOf(in)
		rtt := p.near + p.far
		if rtt < ms/10 {
			continue
		}
		own := Network{RTT: time.Duration(rtt), Place: float64(p.near) / float64(rtt)}
		out := a.Augment(rand.New(rand.NewPCG(1, 2)), in, &Plan{Network: own})
		was, is := numbersOf(in.Proto, in.Entries), numbersOf(out.Proto, out.Entries)
		sum += energy(was.gaps, is.gaps)
		n++
		if math.Abs(was.rtt-is.rtt) > 0.02 {
			t.Errorf("%s: the round trip is off by 10^%.3f", r.Truth.Name, is.rtt-was.rtt)
		}
	}
	if n > 0 {
		t.Logf("gaps of %d sessions are %.4f apart", n, sum/float64(n))
	}
	if sum > 0.01*float64(n) {
		t.Errorf("gaps of %d sessions are %.4f apart", n, sum/float64(n))
	}
}

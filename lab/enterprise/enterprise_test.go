package enterprise

import (
	"hash/fnv"
	"testing"

	"tyto/detection"
	"tyto/session"
)

// small is an organisation of a second.
var small = Organisation{Name: "small", Hosts: 120, Seed: 7, Campaigns: 8, Twins: 5}

func content(t testing.TB) *Content {
	t.Helper()
	c, err := Measured()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestOrder wants sessions by their end, each with an identifier and ends of its
// own, nobody inside to be unknown, and the same again for the same seed.
func TestOrder(t *testing.T) {
	run := func(o Organisation) uint64 {
		h := fnv.New64a()
		last := int64(0)
		n := 0
		truth, err := Simulate(o, 4, content(t), func(s *detection.Session, tag Tag) {
			n++
			if s.Last < last {
				t.Fatalf("session %d ends %d ns before the one before", n, last-s.Last)
			}
			last = s.Last
			if s.UID.IsZero() || s.First > s.Last || s.Orig == s.Resp || s.Orig.IsZero() || s.Resp.IsZero() || !s.Home[session.Orig] {
				t.Fatalf("%+v", s)
			}
			if s.Lead != nil {
				for _, list := range s.Lead.Bursts {
					for _, b := range list {
						if b.From < s.First || b.To > s.Last+1e9 {
							t.Fatalf("a burst of %s outside of its session: %d, %d, %d", s.App, b.From-s.First, b.To-s.First, s.Last-s.First)
						}
					}
				}
			}
			var b [16]byte
			for i := range 8 {
				b[i], b[8+i] = byte(s.First>>(8*i)), byte(s.Bytes[0]>>(8*i))
			}
			h.Write(b[:])
			h.Write(s.Orig[:])
			h.Write(s.Resp[:])
		})
		if err != nil {
			t.Fatal(err)
		}
		if uint64(n) != truth.Sessions || n < 2000 {
			t.Errorf("got %d sessions, told of %d", n, truth.Sessions)
		}
		return h.Sum64()
	}
	first := run(small)
	if second := run(small); first != second {
		t.Error("the same seed gives something else")
	}
	other := small
	other.Seed++
	if run(other) == first {
		t.Error("another seed gives the same")
	}
}

// TestCampaigns wants each campaign to have its hops in order, from a machine
// that it holds, and to be led by its controller.
func TestCampaigns(t *testing.T) {
	hops := make(map[int]map[int]bool)
	led := make(map[int]bool)
	twins := make(map[int]bool)
	far := make(map[int]bool)
	truth, err := Simulate(small, 6, content(t), func(s *detection.Session, tag Tag) {
		if tag.Twin > 0 {
			twins[tag.Twin] = true
		}
		if tag.Campaign == 0 {
			return
		}
		if hops[tag.Campaign] == nil {
			hops[tag.Campaign] = make(map[int]bool)
		}
		if tag.Hop > 0 {
			hops[tag.Campaign][tag.Hop] = true
			if !s.Inside() {
				t.Errorf("hop %d of %d leaves the network", tag.Hop, tag.Campaign)
			}
		} else if s.Outbound() {
			led[tag.Campaign] = true
			far[tag.Campaign] = true
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(truth.Campaigns) != small.Campaigns || len(truth.Twins) != small.Twins {
		t.Fatalf("got %d campaigns and %d twins, want %d and %d", len(truth.Campaigns), len(truth.Twins), small.Campaigns, small.Twins)
	}
	for _, c := range truth.Campaigns {
		if len(hops[c.ID]) != c.Hops || c.Hops < 3 && c.Style != Slow || c.Hops < 1 || c.Hops > 6 {
			t.Errorf("campaign %d (%v): %d of %d hops", c.ID, c.Style, len(hops[c.ID]), c.Hops)
		}
		if !led[c.ID] || !far[c.ID] {
			t.Errorf("campaign %d is led by nobody", c.ID)
		}
	}
	for _, w := range truth.Twins {
		if !twins[w.ID] {
			t.Errorf("twin %d (%s) has no session", w.ID, w.Kind)
		}
	}
}

// TestRefuses wants what cannot be simulated to be refused.
func TestRefuses(t *testing.T) {
	c := content(t)
	for _, v := range []struct {
		o    Organisation
		days int
		c    *Content
	}{{Organisation{Hosts: 10}, 3, c}, {Organisation{Hosts: 100, Campaigns: 1}, 2, c}, {Organisation{Hosts: 100}, 0, c}, {Organisation{Hosts: 100}, 3, nil}} {
		if _, err := Simulate(v.o, v.days, v.c, func(*detection.Session, Tag) {}); err == nil {
			t.Errorf("%+v for %d days: no error", v.o, v.days)
		}
	}
}

// TestHeap wants drafts by their key, equal ones as they came.
func TestHeap(t *testing.T) {
	var h drafts
	for i, at := range []int64{5, 3, 5, 1, 3, 9, 0, 3} {
		d := &draft{tag: Tag{Hop: i}}
		d.First = at
		h.push(d)
	}
	last, order := int64(-1), -1
	for len(h.list) > 0 {
		d := h.pop()
		if d.First < last || d.First == last && d.tag.Hop < order {
			t.Errorf("%d (%d) after %d (%d)", d.First, d.tag.Hop, last, order)
		}
		last, order = d.First, d.tag.Hop
	}
}

func BenchmarkSimulate(b *testing.B) {
	c := content(b)
	for b.Loop() {
		n := 0
		truth, err := Simulate(Organisation{Hosts: 1000, Seed: 3, Campaigns: 12, Twins: 10}, 4, c, func(*detection.Session, Tag) { n++ })
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n), "sessions/op")
		b.ReportMetric(float64(truth.Held), "held")
	}
}

// TestScenarios wants all scenarios that content is drawn from to be measured.
func TestScenarios(t *testing.T) {
	c := content(t)
	for _, name := range Scenarios {
		if len(c.Exemplars[name]) < 2 {
			t.Errorf("%s: %d sessions were measured, want at least two, one for each half", name, len(c.Exemplars[name]))
		}
	}
	if len(c.Delays) < 100 {
		t.Errorf("%d delays were measured, want a hundred", len(c.Delays))
	}
}

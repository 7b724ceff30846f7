package exfil

import (
	"math"
	"slices"

	"tyto/behavior/transfer"
	"tyto/packet"
)

// habits are what is usual: who goes where, and what was sent on days before.
type habits struct {
	devices  map[packet.Addr]*device
	pairs    map[pairKey]*pair
	visitors map[string]map[packet.Addr]bool // devices, by destination
	first    int64                           // ns
}

type device struct {
	most   uint64 // sent to one destination on a day before
	days   int    // days before, on which it was seen
	day    int64  // the latest
	staged []staging
}

// staging is what a device had from a machine inside, which may be sent on.
type staging struct {
	at    int64 // ns
	from  packet.Addr
	bytes uint64
}

type pairKey struct {
	from  packet.Addr
	group string
}

// pair is what a device sent to a destination beyond what came back, by days.
type pair struct {
	first  int64 // ns
	day    int64
	today  uint64
	before int    // days on which it sent as much as on others, or nearly
	most   uint64 // of the days before
}

// Limits of habits.
const (
	maxDevices  = 20_000
	maxPairs    = 100_000
	maxVisitors = 64
	aDay        = int64(86400e9)
	maxStaging  = 16
	// enough devices are seen before it means something that nobody else goes there.
	enough = 20
)

func newHabits() habits {
	return habits{devices: make(map[packet.Addr]*device), pairs: make(map[pairKey]*pair), visitors: make(map[string]map[packet.Addr]bool)}
}

// add notes a session with somebody outside. It returns nil if there is no room.
func (h *habits) add(f *transfer.Flow) *pair {
	if h.first == 0 || f.First < h.first {
		h.first = f.First
	}
	d := h.device(f.From, f.First)
	v := h.visitors[f.Group]
	if v == nil && len(h.visitors) < maxPairs {
		v = make(map[packet.Addr]bool)
		h.visitors[f.Group] = v
	}
	if v != nil && len(v) < maxVisitors {
		v[f.From] = true
	}
	k := pairKey{f.From, f.Group}
	p := h.pairs[k]
	if d == nil || p == nil && len(h.pairs) >= maxPairs {
		return nil
	}
	if p == nil {
		p = &pair{first: f.First, day: f.First / aDay}
		h.pairs[k] = p
	}
	day := f.First / aDay
	if day > d.day {
		d.day, d.days = day, d.days+1
	}
	if day > p.day {
		p.over(d, day)
	}
	if f.Out > f.In {
		p.today += f.Out - f.In
	}
	return p
}

func (h *habits) device(a packet.Addr, at int64) *device {
	d := h.devices[a]
	if d == nil && len(h.devices) < maxDevices {
		d = &device{day: at / aDay}
		h.devices[a] = d
	}
	return d
}

// stage notes what a device had from a machine inside.
func (h *habits) stage(at packet.Addr, s staging) {
	if s.bytes < much {
		return
	}
	if d := h.device(at, s.at); d != nil {
		if len(d.staged) == maxStaging {
			d.staged = slices.Delete(d.staged, 0, 1)
		}
		d.staged = append(d.staged, s)
	}
}

// match returns the latest staging within a day before that is about as much as was
// sent since: between as much and five times as much, since archives are compressed.
func (d *device) match(sent uint64, now int64) *staging {
	for i := len(d.staged) - 1; i >= 0; i-- {
		s := &d.staged[i]
		if r := float64(sent) / float64(s.bytes); s.at <= now && now-s.at < aDay && r >= 0.2 && r <= 1.15 {
			return s
		}
	}
	return nil
}

// over ends a day.
func (p *pair) over(d *device, day int64) {
	if p.today >= much {
		p.before++
	}
	p.most, d.most = max(p.most, p.today), max(d.most, p.today)
	p.day, p.today = day, 0
}

// visited weighs how many devices go to a destination.
func (h *habits) visited(group string, set setter) {
	visitors, devices := len(h.visitors[group]), len(h.devices)
	switch {
	case visitors == 1 && devices >= enough:
		set("rare", min(0.4*math.Log(float64(devices)), 1.5), "no other of %d devices goes there", devices)
	case visitors >= 3:
		set("rare", -0.25*math.Log(float64(visitors)), "%d of %d devices go there", visitors, devices)
	}
}

// tell weighs an upload against what is usual.
func (h *habits) tell(u *transfer.Upload, p *pair, now int64, set setter) {
	h.visited(u.Group, set)
	d := h.devices[u.From]
	if p == nil || d == nil {
		return
	}
	if s := d.match(p.today, now); s != nil && !u.Conserved() {
		set("staged", 1.7, "%s had come from %v on the day before: about as much as left since", bytes(s.bytes), s.from)
	}
	if d.days == 0 {
		return // there was no day before
	}
	switch {
	case p.before > 0:
		set("as before", -1.3*float64(min(p.before, 3)), "it sent much there on %d days before", p.before)
	case now-p.first < aDay:
		set("new", 1, "it did not go there before")
	}
	if p.today > 8*max(d.most, 1<<20) {
		set("unusual", 1.2, "%s in a day are more than eight times what it sent anybody on the %d days before", bytes(p.today), d.days)
	}
}

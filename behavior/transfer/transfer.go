// Package transfer measures volumes: what each device sends to a group of
// destinations outside, how one-sided that is, and whether it had gathered as
// much from devices inside shortly before (staging).
package transfer

import (
	"math"
	"slices"

	"tyto/packet"
)

// Flow is what a session carried.
type Flow struct {
	First, Last int64 // ns
	From, To    packet.Addr
	Group       string // destination: a domain, or an address
	Out, In     uint64 // payload bytes from and to From
	Inside      bool   // both ends are at home
}

// Upload is what a device sent to a group of destinations.
type Upload struct {
	From        packet.Addr
	Group       string
	Out, In     uint64
	Sessions    int
	First, Last int64
	// Staged is what the device had received from devices inside within Before
	// of the latest upload, that was not sent on already.
	Staged     uint64
	StagedFrom packet.Addr // the one it received most from
	StagedAt   int64
}

// Ratio returns the producer-consumer ratio, -1 to 1: 1 for one that only sends
// (Bullard and Gerth, FloCon 2014).
func (u *Upload) Ratio() float64 {
	if u.Out+u.In == 0 {
		return 0
	}
	return (float64(u.Out) - float64(u.In)) / float64(u.Out+u.In)
}

// Conserved reports whether what was staged is about what was sent: between as
// much and five times as much, since archives are compressed.
func (u *Upload) Conserved() bool {
	if u.Staged == 0 {
		return false
	}
	r := float64(u.Out) / float64(u.Staged)
	return r >= 0.2 && r <= 1.15
}

// Limits.
const (
	// Before is how long staged data is remembered, in ns.
	Before     = int64(3600e9)
	maxGroups  = 50_000
	maxDevices = 20_000
	maxStaged  = 16
	minStaged  = 32 << 10 // bytes of a session that may be staging
)

type staged struct {
	at    int64
	from  packet.Addr
	bytes uint64
}

type key struct {
	from  packet.Addr
	group string
}

// Table adds volumes up. The zero value is ready for use.
type Table struct {
	Overflow uint64
	groups   map[key]*Upload
	staged   map[packet.Addr][]staged // by device
}

// Add notes a session that is over. It returns what the device sent to the
// group so far, nil for sessions inside. It is valid until the next call.
func (t *Table) Add(f *Flow) *Upload {
	if t.groups == nil {
		t.groups, t.staged = make(map[key]*Upload), make(map[packet.Addr][]staged)
	}
	if f.Inside {
		t.stage(f.From, staged{f.Last, f.To, f.In})
		t.stage(f.To, staged{f.Last, f.From, f.Out})
		return nil
	}
	k := key{f.From, f.Group}
	u := t.groups[k]
	if u == nil {
		if len(t.groups) >= maxGroups {
			t.Overflow++
			return nil
		}
		u = &Upload{From: f.From, Group: f.Group, First: f.First}
		t.groups[k] = u
	}
	u.Out += f.Out
	u.In += f.In
	u.Sessions++
	u.Last = max(u.Last, f.Last)
	t.match(u, f)
	return u
}

func (t *Table) stage(at packet.Addr, s staged) {
	if s.bytes < minStaged {
		return
	}
	list, ok := t.staged[at]
	if !ok && len(t.staged) >= maxDevices {
		t.Overflow++
		return
	}
	if len(list) >= maxStaged {
		list = slices.Delete(list, 0, 1)
	}
	t.staged[at] = append(list, s)
}

// match finds the data that may be what was sent: the latest that fits best.
func (t *Table) match(u *Upload, f *Flow) {
	best := math.Inf(1)
	for _, s := range t.staged[f.From] {
		if f.First < s.at || f.First-s.at > Before {
			continue
		}
		r := float64(f.Out) / float64(s.bytes)
		if r < 0.2 || r > 1.15 {
			continue
		}
		if miss := math.Abs(math.Log(r)); miss < best {
			best = miss
			u.Staged, u.StagedFrom, u.StagedAt = s.bytes, s.from, s.at
		}
	}
}

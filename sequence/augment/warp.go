package augment

import "tyto/session"

// Knot is a moment before and after.
type Knot struct{ In, Out int64 } // ns

// Warp moves the times of the truth with the messages: times on the client's
// clock to times on the client's clock. It never goes backwards. Between knots
// it is linear, outside them it keeps the distance to the nearest. The zero
// value moves nothing.
type Warp struct{ Knots []Knot }

// At is where a time is moved to.
func (w Warp) At(t int64) int64 {
	k := w.Knots
	if len(k) == 0 {
		return t
	}
	lo, hi := 0, len(k) // the first knot after t is in lo..hi
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		if k[m].In <= t {
			lo = m + 1
		} else {
			hi = m
		}
	}
	switch {
	case lo == 0:
		return t + k[0].Out - k[0].In
	case lo == len(k):
		return t + k[lo-1].Out - k[lo-1].In
	}
	a, b := k[lo-1], k[lo]
	if a.Out-a.In == b.Out-b.In {
		return t + a.Out - a.In
	}
	return a.Out + int64(float64(t-a.In)/float64(b.In-a.In)*float64(b.Out-a.Out))
}

// warp compares the input's packets with the first item that came of each, both
// as of when the client sent or received them.
func (d *draft) warp() Warp {
	d.outs = d.outs[:0]
	for range d.in.Entries {
		d.outs = append(d.outs, -1)
	}
	for i := range d.items {
		it := &d.items[i]
		if f := it.from.First; f >= 0 && !it.Message && d.outs[f] < 0 && it.Dir == d.in.Entries[f].Dir {
			d.outs[f] = clientTime(it.Time, it.Dir, d.path)
		}
	}
	k := d.knots[:0]
	for i, out := range d.outs {
		if out < 0 {
			continue
		}
		e := &d.in.Entries[i]
		knot := Knot{clientTime(e.Time, e.Dir, d.was), out}
		k = append(k, knot)
		for n := len(k) - 1; n > 0 && k[n-1].In > knot.In; n-- { // nearly in order: only what was on its way at the same time is not
			k[n-1], k[n] = knot, k[n-1]
		}
	}
	d.knots = k
	n := 0
	for _, knot := range k {
		if n > 0 {
			knot.Out = max(knot.Out, k[n-1].Out)
			if knot.In == k[n-1].In {
				continue
			}
		}
		k[n] = knot
		n++
	}
	return Warp{k[:n]}
}

// clientTime is when the client sent or received what the sensor saw at t.
func clientTime(t int64, dir session.Direction, p path) int64 {
	if dir == session.Orig {
		return t - p.near/2
	}
	return t + p.near/2
}

package augment

import (
	"time"

	"tyto/session"
)

// Capture is what a sensor keeps of a session. The zero value keeps all of it.
// The length that packets are cut to does not matter: sizes are those on the
// wire.
type Capture struct {
	Skip  time.Duration // the capture begins so long after the session
	Keep  time.Duration // and ends so long after that; 0 is never
	Mute  bool          // the protocol is not recognised, so that no messages show; always so for SSH that began before the capture
	Sides Sides
	Stamp time.Duration // step of the clock; 0 is a microsecond
	Drift float64       // by how much the sensor's clock is faster, parts per million
}

// Sides are the directions that a sensor sees.
type Sides uint8

// Sides. The zero value is both.
const (
	Both Sides = iota
	OnlyOrig
	OnlyResp
)

func (c *Capture) apply(d *draft) {
	if *c == (Capture{}) || len(d.items) == 0 {
		return
	}
	mute := c.Mute || c.Skip > 0 && d.suite().family() == sshFamily
	begin := d.items[0].Time
	from := begin + int64(c.Skip)
	until := from + int64(c.Keep)
	step := max(int64(c.Stamp), stampNanos)
	items := d.next()
	for _, it := range d.items {
		switch {
		case it.Time < from || c.Keep > 0 && it.Time >= until,
			it.Message && mute,
			c.Sides == OnlyOrig && it.Dir == session.Resp || c.Sides == OnlyResp && it.Dir == session.Orig:
			continue
		}
		it.Time += int64(float64(it.Time-begin) * c.Drift / 1e6)
		it.Time -= it.Time % step
		items = append(items, it)
	}
	d.done(items)
}

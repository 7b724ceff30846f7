package desk

import (
	"math/rand/v2"
	"time"
)

// Pacer decides when what is typed goes out, as the clients of OpenSSH from
// version 9.5 do (ObscureKeystrokeTiming): the first key at once, everything
// after it only at ticks that are an interval apart, with chaff at the ticks
// that have nothing to send until a while after the last key. The zero value is
// not ready: Interval and Rand are needed.
type Pacer struct {
	Interval time.Duration // between ticks, about; 20 ms in OpenSSH
	Rand     *rand.Rand
	// Always says that each tick has chaff, even one that has keys to send:
	// the mistake of the versions 9.5 to 9.7.
	Always bool

	active     bool
	next       time.Time // tick
	chaffUntil time.Time
	rate       time.Duration // added to each interval of this burst
}

// Bounds of how long chaff follows the last key.
const (
	chaffLeast  = 1024 * time.Millisecond
	chaffSpread = 2048 * time.Millisecond
)

// timingFuzz is the part of the interval that is left to chance.
const timingFuzz = 10

// Active reports whether all output waits for ticks.
func (p *Pacer) Active() bool { return p.active }

// Next is the next tick, if Active.
func (p *Pacer) Next() time.Time { return p.next }

// Key says that a key was pressed; it goes out now if the result is true, else
// at the next tick.
func (p *Pacer) Key(now time.Time) (out bool) {
	if out = !p.active; out {
		p.active = true
		p.rate = p.upTo(p.Interval / timingFuzz)
		p.schedule(now, 1)
	}
	p.chaffUntil = now.Add(chaffLeast + p.upTo(chaffSpread))
	return out
}

// Tick is to be called at Next, with whether something waits to be sent. It
// tells whether chaff goes out with it; afterwards Active may be false.
func (p *Pacer) Tick(now time.Time, waits bool) (chaff bool) {
	if !now.Before(p.chaffUntil) {
		p.active = false
		return false
	}
	// Ticks that were missed are left out.
	missed := now.Sub(p.next) / p.Interval
	p.schedule(now, 1+missed)
	return p.Always || !waits
}

// Stop ends the hiding, for more output than keys make.
func (p *Pacer) Stop() { p.active = false }

func (p *Pacer) schedule(now time.Time, intervals time.Duration) {
	d := p.Interval * intervals
	fuzz := d / timingFuzz
	p.next = now.Add(d - fuzz + p.upTo(fuzz) + p.rate)
}

func (p *Pacer) upTo(d time.Duration) time.Duration {
	return time.Duration(p.Rand.Int64N(max(1, int64(d))))
}

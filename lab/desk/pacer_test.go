package desk

import (
	"math/rand/v2"
	"testing"
	"time"
)

// keysAt presses keys at times and returns when something went out, and how
// many of these were chaff.
func keysAt(p *Pacer, keys ...time.Duration) (out []time.Duration, chaff int) {
	start := time.Unix(1000, 0)
	waits := false
	for len(keys) > 0 || p.Active() {
		if len(keys) > 0 && (!p.Active() || start.Add(keys[0]).Before(p.Next())) {
			if p.Key(start.Add(keys[0])) {
				out = append(out, keys[0])
			} else {
				waits = true
			}
			keys = keys[1:]
			continue
		}
		at := p.Next()
		sent := p.Tick(at, waits)
		if sent {
			chaff++
		}
		if sent || waits {
			out = append(out, at.Sub(start))
		}
		waits = false
	}
	return out, chaff
}

func TestPacerHidesWhenKeysArePressed(t *testing.T) {
	for seed := range uint64(50) {
		p := &Pacer{Interval: 20 * time.Millisecond, Rand: rand.New(rand.NewPCG(seed, 1))}
		out, chaff := keysAt(p, 5*time.Millisecond, 93*time.Millisecond, 101*time.Millisecond, 700*time.Millisecond)
		if out[0] != 5*time.Millisecond {
			t.Errorf("seed %d: the first key went out at %v, want at once", seed, out[0])
		}
		for i := 1; i < len(out); i++ {
			// 18 to 20 ms, and up to 2 ms of this burst's own.
			if d := out[i] - out[i-1]; d < 18*time.Millisecond || d > 22*time.Millisecond {
				t.Errorf("seed %d: %v between what went out at %v and before", seed, d, out[i])
			}
		}
		if after := out[len(out)-1] - 700*time.Millisecond; after < chaffLeast-22*time.Millisecond || after > chaffLeast+chaffSpread {
			t.Errorf("seed %d: chaff ended %v after the last key", seed, after)
		}
		// At one tick there may be two of the keys.
		if keys := len(out) - chaff; keys < 3 || keys > 4 {
			t.Errorf("seed %d: keys in %d of %d, want in 3 or 4", seed, keys, len(out))
		}
	}
}

func TestPacerOfOldVersionsSendsChaffWithKeys(t *testing.T) {
	p := &Pacer{Interval: 20 * time.Millisecond, Rand: rand.New(rand.NewPCG(1, 1)), Always: true}
	out, chaff := keysAt(p, 0, 100*time.Millisecond, 200*time.Millisecond)
	if want := len(out) - 1; chaff != want {
		t.Errorf("%d of %d had chaff, want %d", chaff, len(out), want)
	}
}

func TestPacerLeavesOutMissedTicks(t *testing.T) {
	p := &Pacer{Interval: 20 * time.Millisecond, Rand: rand.New(rand.NewPCG(1, 1))}
	now := time.Unix(1000, 0)
	p.Key(now)
	late := p.Next().Add(50 * time.Millisecond)
	p.Tick(late, false)
	if d := p.Next().Sub(late); d < 54*time.Millisecond || d > 62*time.Millisecond {
		t.Errorf("the next tick is %v later, want three intervals", d)
	}
}

func TestPacerStartsAgainAfterChaff(t *testing.T) {
	p := &Pacer{Interval: 20 * time.Millisecond, Rand: rand.New(rand.NewPCG(1, 1))}
	out, _ := keysAt(p, 0, 10*time.Second)
	for _, at := range out {
		if at == 10*time.Second {
			return
		}
	}
	t.Error("a key long after the chaff had ended did not go out at once")
}

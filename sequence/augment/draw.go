package augment

import (
	"math"
	"math/rand/v2"
	"time"
)

// Draw makes a plan for training: what differs between the places where traffic
// is recorded, each part as often and as much as one may meet it. Layers and
// what people and programs do change what a session is, so that they are drawn
// rarely; Others, which needs another session, is left to the caller.
func Draw(r *rand.Rand) Plan {
	var p Plan
	if r.IntN(10) < 8 {
		p.Network = drawNetwork(r)
	}
	if r.IntN(2) == 0 {
		p.Segments.MTU = [...]int{576, 1280, 1280, 1380, 1400, 1420, 1454, 1492, 1500, 1500, 1500, 9000}[r.IntN(12)]
	}
	if r.IntN(4) == 0 {
		p.Offload.Bytes = [2]uint32{1448 << r.IntN(6), 1448 << r.IntN(6)}
	}
	if r.IntN(4) == 0 {
		p.Cipher.To = Suite(1 + r.IntN(int(suites)-1))
	}
	if r.IntN(12) == 0 {
		p.Padding = Padding{Multiple: 16 << r.IntN(4), Random: uint32(r.IntN(2) * 64)}
	}
	if r.IntN(6) == 0 {
		p.Style = drawStyle(r)
	}
	if r.IntN(6) == 0 {
		p.Writes = Writes{Split: 0.3 * r.Float64(), Merge: r.Float64()}
	}
	if r.IntN(2) == 0 {
		p.Keys = Obfuscation(r.IntN(3))
	}
	if r.IntN(5) == 0 {
		p.Capture = drawCapture(r)
	}
	return p
}

// DrawLayers makes one or two layers, the innermost first.
func DrawLayers(r *rand.Rand) (layers [2]Layer) {
	for i := range 1 + r.IntN(6)/5 {
		layers[i].Kind = LayerKind(1 + r.IntN(int(layerKinds)-1))
	}
	return layers
}

func drawNetwork(r *rand.Rand) Network {
	rtt := between(r, 0.2e6, 400e6)
	n := Network{RTT: time.Duration(rtt), Place: float64(r.IntN(3)) / 2, Jitter: time.Duration(rtt * between(r, 0.002, 0.15))}
	if r.IntN(4) == 0 {
		n.Place = r.Float64()
	}
	if r.IntN(2) == 0 {
		n.Loss = 0.03 * r.Float64() * r.Float64()
	}
	if r.IntN(2) == 0 {
		n.Rate = [2]float64{between(r, 1e6, 1e9), between(r, 4e6, 1e9)}
	}
	if r.IntN(5) == 0 {
		n.Nagle = true
		n.DelayAck = time.Duration(r.IntN(2)) * 40 * time.Millisecond
	}
	return n
}

func drawStyle(r *rand.Rand) (s Style) {
	for dir := range s.Scale {
		if r.IntN(3) > 0 {
			s.Scale[dir] = between(r, 0.7, 1.45)
		}
		if r.IntN(3) == 0 {
			s.Shift[dir] = uint32(r.IntN(4)) * styleGrain
		}
	}
	if r.IntN(2) == 0 {
		s.Pace = between(r, 0.5, 2)
	}
	return s
}

func drawCapture(r *rand.Rand) (c Capture) {
	switch r.IntN(5) {
	case 0:
		c.Skip, c.Mute = time.Duration(between(r, 0.1e9, 60e9)), r.IntN(2) == 0
	case 1:
		c.Keep = time.Duration(between(r, 1e9, 120e9))
	case 2:
		c.Sides = OnlyOrig + Sides(r.IntN(2))
	case 3:
		c.Stamp = time.Millisecond
	case 4:
		c.Drift = 200 * (r.Float64() - 0.5)
	}
	return c
}

// between draws evenly by order of magnitude.
func between(r *rand.Rand, a, b float64) float64 { return a * math.Pow(b/a, r.Float64()) }

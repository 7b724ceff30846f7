package sequence

import (
	"math"

	"tyto/session"
)

// A Token is what a model sees of one message: numbers of about -1 to 1, made of
// sizes, directions and times relative to each other and to the round trip, and
// of nothing else. Channels names them; their order is part of every model.
type Token [Width]float32

// Version changes when the same session gives other tokens.
const Version = 2

// Channels are the names of a Token's numbers, in their order.
var Channels = channels()

// Width is how many numbers a Token has.
const Width = len(sizeKnots) - 1 + 24 + kinds + 3

// sizeKnots are where the piecewise linear code of content sizes bends.
var sizeKnots = [...]float64{0, 8, 16, 32, 48, 64, 96, 144, 224, 384, 640, 1024, 1460, 4096, 16384, 65536}

const (
	kinds = 5 // classes of records that are told apart

	smallMessage = 160  // bytes of a keystroke or its echo, at most
	quietAtLeast = 60e6 // ns
	quietTrips   = 2    // round trips
	combStep     = 20e6 // ns: the grid of OpenSSH's keystroke obfuscation
	ackAtMost    = 120  // bytes of a datagram that acknowledges inside a tunnel
	ackAfter     = 600  // bytes of what it acknowledges, at least
	farTrips     = 20.  // round trips that count as many
)

// listener is what is known of a sequence before a message.
type listener struct {
	rtt, quiet float64
	carrier    Carrier
	n          int
	last       int64    // time of the latest message, ns
	lastDir    [2]int64 // by direction, -1 for none
	size       [2]uint32
	gap        float64 // before the latest message
	burst      int
	burstBytes [2]float64
	total      [2]float64
}

// AppendTokens appends a sequence's tokens: one for each message.
func AppendTokens(to []Token, s *Sequence) []Token {
	l := listener{rtt: float64(s.RTT), carrier: s.Carrier, lastDir: [2]int64{-1, -1}}
	l.quiet = max(quietAtLeast, quietTrips*l.rtt)
	for i := range s.Messages {
		to = append(to, l.token(&s.Messages[i]))
	}
	return to
}

// channel is where the next number of a token goes.
type channel struct {
	t *Token
	n int
}

func (c *channel) put(v float64) {
	c.t[c.n] = float32(v)
	c.n++
}

func (c *channel) flag(ok bool) {
	if ok {
		c.t[c.n] = 1
	}
	c.n++
}

func (l *listener) token(m *Message) (t Token) {
	c := channel{t: &t}
	other := m.Dir.Other()
	gap, same, echo := l.since(m, l.last, l.n > 0), l.since(m, l.lastDir[m.Dir], l.lastDir[m.Dir] >= 0), l.since(m, l.lastDir[other], l.lastDir[other] >= 0)
	lead := l.n == 0 || gap > l.quiet
	if lead {
		l.burst, l.burstBytes = 0, [2]float64{}
	}
	l.burst++
	l.burstBytes[m.Dir] += float64(m.Bytes)
	l.total[m.Dir] += float64(m.Bytes)

	c.put(1 - 2*float64(m.Dir))
	size := float64(m.Content)
	for i := 1; i < len(sizeKnots); i++ {
		c.put(min(max((size-sizeKnots[i-1])/(sizeKnots[i]-sizeKnots[i-1]), 0), 1))
	}
	c.put(logOf(float64(m.Bytes), 16))
	c.put(logOf(float64(m.Parts), 6))
	c.put(logTime(float64(m.Took)))
	c.put(logTime(gap))
	c.put(logTime(same))
	c.put(l.trips(gap))
	c.flag(lead && m.Dir == session.Orig)
	c.flag(lead && m.Dir == session.Resp)
	small := m.Bytes <= smallMessage && l.lastDir[other] >= 0 && l.size[other] <= smallMessage
	if small {
		c.put(1 - l.trips(echo))
		c.put(math.Exp(-math.Abs(float64(m.Bytes)-float64(l.size[other])) / 16))
	} else {
		c.n += 2
	}
	c.put(logOf(float64(l.burst), 10))
	c.put(logOf(l.burstBytes[m.Dir], 24))
	c.put(logOf(l.total[session.Orig], 30))
	c.put(logOf(l.total[session.Resp], 30))
	c.put((l.total[session.Orig] - l.total[session.Resp]) / (l.total[session.Orig] + l.total[session.Resp] + 1))
	c.put(comb(same))
	c.flag(l.carrier == Datagrams && m.Bytes <= ackAtMost && l.size[other] >= ackAfter && !lead)
	c.flag(m.Content%8 == 0)
	c.flag(m.Content%16 == 0)
	c.flag(l.lastDir[m.Dir] >= 0 && l.size[m.Dir] == m.Bytes)
	c.put(rhythm(gap, l.gap))
	c.put(logTime(l.rtt))
	c.put(logOf(float64(l.n+1), 14))
	kind := int(m.Kind) % 20 // TLS: 20 to 24; SSH: 1 to 4
	for k := range kinds {
		c.flag(l.carrier == Records && kind == k)
	}
	for k := Records; k <= Datagrams; k++ {
		c.flag(l.carrier == k)
	}

	l.last, l.lastDir[m.Dir], l.size[m.Dir], l.gap = m.Time, m.Time, m.Bytes, gap
	l.n++
	return t
}

// since is the time from another message to this one, 0 if there was none.
func (l *listener) since(m *Message, at int64, ok bool) float64 {
	if !ok {
		return 0
	}
	return float64(max(m.Time-at, 0))
}

// trips is a time in round trips, on a scale that ends at farTrips.
func (l *listener) trips(d float64) float64 {
	if l.rtt <= 0 {
		return 0.5
	}
	return math.Log1p(min(d/l.rtt, farTrips)) / math.Log1p(farTrips)
}

// logOf is a number's logarithm on a scale of bits.
func logOf(v, bits float64) float64 { return min(math.Log2(1+v)/bits, 1.5) }

// logTime is a time's logarithm: 0 at 10 µs and less, 1 at 1,000 seconds.
func logTime(ns float64) float64 { return min(max(math.Log10(max(ns, 0)/1e4)/8, 0), 1.25) }

// comb is 1 where a time is a multiple of 20 ms, and falls to 0 within 5 ms; it
// is 0 where a time is too short or long to tell.
func comb(ns float64) float64 {
	if ns < combStep/2 || ns > 50*combStep {
		return 0
	}
	off := math.Abs(ns - combStep*math.Round(ns/combStep))
	return max(1-off/5e6, 0)
}

// rhythm is 1 where two times are the same, and falls to 0 where one is four
// times the other.
func rhythm(a, b float64) float64 {
	if a <= 0 || b <= 0 {
		return 0
	}
	return max(1-math.Abs(math.Log2(a/b))/2, 0)
}

func channels() []string {
	names := []string{"direction"}
	for range len(sizeKnots) - 1 {
		names = append(names, "size")
	}
	names = append(names, "bytes", "parts", "took", "gap", "gap-same", "gap-trips", "lead-orig", "lead-resp", "echo", "echo-size", "burst", "burst-bytes",
		"up", "down", "balance", "comb", "ack", "mod-8", "mod-16", "same-size", "rhythm", "rtt", "position")
	for range kinds {
		names = append(names, "kind")
	}
	return append(names, "records", "chunks", "datagrams")
}

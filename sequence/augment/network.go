package augment

import (
	"time"

	"tyto/session"
)

// Network is the line between the end points, and where on it the sensor is.
// The zero value keeps what was recorded.
//
// Each side of the input is taken for a program that acts some time after the
// latest thing that happened to it: what it sent before, or what reached it.
// That time, in which somebody thinks or a program works, stays; what happened
// and when it becomes visible is computed anew. So a gap between a message and
// the one it answers changes by what the round trip changes, seen from the
// sensor, and a gap between two keys does not. This is the replay of Weigle et
// al., Tmix (2006), with three additions: what is typed or sent at a steady
// rhythm of its own keeps its pace, TCP's window makes bulk wait for round
// trips, and sensors may be in the middle.
type Network struct {
	RTT    time.Duration // least time to the other end point and back; 0 keeps all timing of the input
	Place  float64       // of the sensor: 0 is at the originator, 1 at the responder
	Jitter time.Duration // standard deviation of what comes on top of each direction's delay
	Loss   float64       // share of packets that do not arrive, at most 0.2
	Rate   [2]float64    // bits per second, by direction; 0 is unlimited
	Window uint32        // most bytes of a direction in flight; 0 is 1 MiB
	// Nagle makes small packets of streams wait while others are not acknowledged
	// (RFC 896); DelayAck is how long the other side waits for something to send
	// the acknowledgement with (RFC 1122, section 4.2.3.2).
	Nagle    bool
	DelayAck time.Duration
}

// line simulates a Network. It is kept between uses for its buffers.
type line struct {
	n    *Network
	was  path // of the input
	path path
	rtt  int64
	side [2]side
	out  [2][]item // what the sensor sees, by direction
	made int32     // items so far
	sure bool      // who sends datagrams sends those again that were lost
}

// side is an end point, and the direction that it sends in.
type side struct {
	arrivals []arrival // at it
	heard    int       // arrivals that happened to it so far
	began    bool
	sent     moment // its latest packet
	arrived  moment // what reached it last
	typed    moment // the latest that a person made it send
	rhythm   rhythm

	large  uint32
	latest session.Entry
	seen   int64 // when the sensor saw its latest packet that was not lost
	front  int64 // when the sensor had all up to its latest packet
	reach  int64 // when the other side had all up to it
	busy   int64 // the transmitter is, until then
	gone   bool  // its latest packet is never seen
	again  int64 // when its latest datagram was seen once more, 0 for never
	seq    int32
	next   int // first span of typing that is not over
	jitter jitter
	window window
}

// moment is a time of an end point's life, before and after.
type moment struct{ in, out int64 }

// arrival is when a packet reaches an end point.
type arrival = moment

func (n *Network) apply(d *draft) {
	if n.RTT <= 0 || len(d.items) == 0 {
		return
	}
	l := &d.line
	l.begin(n, d)
	for i := range d.items {
		it := &d.items[i]
		if it.Message {
			l.message(d, it)
			continue
		}
		l.packet(d, i)
	}
	d.path = l.path
	d.merge(&l.out)
}

func (l *line) begin(n *Network, d *draft) {
	place := min(max(n.Place, 0), 1)
	l.n, l.was, l.rtt, l.made = n, d.path, int64(n.RTT), 0
	l.sure = n.Loss > 0 && d.r.IntN(2) == 0
	l.path.near = int64(float64(n.RTT) * place)
	l.path.far = l.rtt - l.path.near
	for dir := range l.side {
		s := &l.side[dir]
		*s = side{arrivals: s.arrivals[:0], window: window{flying: s.window.flying[:0]}, rhythm: rhythm{replies: 0.5}}
		s.window.begin(n.Window, l.rtt)
		l.out[dir] = l.out[dir][:0]
	}
}

// packet sends a packet, or what many that were gathered are.
func (l *line) packet(d *draft, i int) {
	it := &d.items[i]
	dir := it.Dir
	s := &l.side[dir]
	in := it.Time - l.was.oneWay(dir)
	out := l.decide(d, it, in)
	s.sent = moment{in, out}
	s.gone, s.again = false, 0
	each := it.Bytes / max(it.Packets, 1)
	left := it.Entry
	for {
		part := left
		if d.tcp() && it.Bytes > 0 {
			out = l.nagle(s, out, each)
			out, part = s.window.wait(out, left, each)
		}
		out = l.send(d, i, part, out)
		if part.Bytes == left.Bytes {
			break
		}
		left.Bytes -= part.Bytes
		left.Packets -= part.Packets
	}
	s.sent.out = out
	s.latest = it.Entry
	s.large = max(s.large, each)
	other := &l.side[dir.Other()]
	other.arrivals = append(other.arrivals, arrival{it.Time + l.was.oneWay(dir.Other()), s.reach})
}

// decide returns when a side sends in the new network what it sent at in.
func (l *line) decide(d *draft, it *item, in int64) int64 {
	s := &l.side[it.Dir]
	l.listen(s, it.Dir, in)
	base, wait := s.sent, int64(0)
	if s.began {
		wait = in - s.sent.in
	}
	reply := s.heard > 0 && (!s.began || s.arrived.in >= s.sent.in)
	steady := s.began && s.rhythm.steady(wait, in-s.arrived.in, reply)
	typed := it.Bytes <= typedBytes && it.Bytes > 0 && d.typing(it.Time, it.Dir, &s.next)
	switch {
	case !s.began && !reply:
		base = moment{in, in}
	case typed && s.typed.in != 0 && in-s.typed.in < typedPause:
		base = s.typed
	case steady:
	case reply:
		base = s.arrived
	case l.flight(s, it, wait):
		base.in = in
	}
	out := base.out + max(in-base.in, 0)
	if s.began {
		out = max(out, s.sent.out)
	}
	if typed {
		s.typed = moment{in, out}
	}
	s.began = true
	return out
}

const (
	typedBytes = 160 // of a packet with a key, at most
	typedPause = 2e9 // ns: after a longer one the person acts on what there is to see
)

// listen takes what has reached a side when it acts.
func (l *line) listen(s *side, dir session.Direction, in int64) {
	early := l.was.oneWay(dir)/2 + 300_000 // jitter makes answers faster than the estimate
	for s.heard < len(s.arrivals) && s.arrivals[s.heard].in <= in+early {
		a := s.arrivals[s.heard]
		s.arrived = moment{min(a.in, in), a.out}
		s.heard++
	}
}

// nagle returns when a packet may be sent that is not full.
func (l *line) nagle(s *side, out int64, bytes uint32) int64 {
	n := len(s.window.flying)
	if !l.n.Nagle || n == 0 || bytes >= fullSegment {
		return out
	}
	acked := s.window.flying[n-1].at
	for _, a := range s.arrivals[s.heard:] {
		if a.out >= acked {
			return max(out, min(acked+int64(l.n.DelayAck), a.out))
		}
	}
	if s.arrived.out < acked {
		acked += int64(l.n.DelayAck)
	}
	return max(out, acked)
}

// flight reports whether a side waited for acknowledgements: between full
// packets, for about a round trip. That wait is the old network's.
func (l *line) flight(s *side, it *item, wait int64) bool {
	const full = 1200
	rtt := l.was.near + l.was.far
	each := s.latest.Bytes / max(s.latest.Packets, 1)
	return rtt >= 3e6 && wait > rtt/2 && wait < rtt*5/4+2e6 && each >= full && each >= s.large && it.Bytes > 0
}

// send puts a packet on the line; it returns when the transmitter took it.
func (l *line) send(d *draft, i int, e session.Entry, out int64) int64 {
	s := &l.side[e.Dir]
	if rate := l.n.Rate[e.Dir]; rate > 0 {
		out = max(out, s.busy)
		s.busy = out + int64(float64(e.Bytes+e.Packets*headerBytes)*8e9/rate)
	}
	sent := out
	if l.visible(e.Dir) {
		sent = max(out, s.busy)
	}
	share := l.share(e.Dir)
	delay := float64(s.jitter.next(d.r, sent, float64(l.n.Jitter)))
	seen := max(sent+l.path.oneWay(e.Dir)+int64(delay*share), s.seen)
	reach := max(seen, s.busy) + l.path.oneWay(e.Dir.Other()) + int64(delay*(1-share))
	t := transit{seen: seen, reach: reach}
	if l.loses(d, e) {
		t.lost = l.lose(d, i, share)
		if e.Packets > 1 { // one of them
			each := e.Bytes / e.Packets
			rest := e
			rest.Bytes, rest.Packets = e.Bytes-each, e.Packets-1
			l.deliver(d, s, item{Entry: rest, from: d.items[i].from}, transit{seen: seen, reach: reach})
			e.Bytes, e.Packets = each, 1
		}
	}
	l.deliver(d, s, item{Entry: e, from: d.items[i].from}, t)
	return out
}

const headerBytes = 52 // of IPv4 and TCP with time stamps

// transit is what the line does with a packet.
type transit struct {
	seen, reach int64 // when the sensor sees it and the other side has it, if it is not lost
	lost        loss
}

// deliver shows a packet to the sensor and to the other side.
func (l *line) deliver(d *draft, s *side, made item, t transit) {
	again := made.Kind&session.Repeat != 0
	if !again && made.Bytes > 0 {
		s.seq++
		made.seq = s.seq
	}
	first := t.seen
	if t.lost.before {
		first += t.lost.late
		s.gone = t.lost.never
	} else {
		s.seen = t.seen
	}
	if !s.gone {
		l.show(made, first)
	}
	if t.lost.late > 0 && !t.lost.before {
		s.again = t.seen + t.lost.late
		l.show(made, s.again)
	}
	t.reach += t.lost.late
	if !d.tcp() { // datagrams do not wait for each other
		s.front, s.reach = first, t.reach
		return
	}
	s.front, s.reach = max(first, s.front), max(t.reach, s.reach)
	if !again {
		s.window.sent(made.Bytes, s.reach+l.rtt/2)
	}
}

// message shows a message when the sensor has the stream up to the packet that
// it came in.
func (l *line) message(d *draft, it *item) {
	s := &l.side[it.Dir]
	if !s.began {
		s.front = it.Time
	}
	if s.gone {
		return
	}
	l.show(*it, s.front)
	if s.again > 0 && it.Bytes == s.latest.Bytes && !d.tcp() {
		l.show(*it, s.again)
	}
}

func (l *line) show(it item, at int64) {
	it.Time = at
	it.order = l.made
	l.made++
	l.out[it.Dir] = append(l.out[it.Dir], it)
}

// share is the part of a direction's way that is before the sensor.
func (l *line) share(dir session.Direction) float64 {
	return float64(l.path.oneWay(dir)) / max(float64(l.rtt)/2, 1)
}

// visible reports whether the sensor is behind a direction's transmitter.
func (l *line) visible(dir session.Direction) bool { return l.share(dir) > 0.02 }

package augment

// Segments cuts what is sent into packets of another network's size. The zero
// value keeps them. Streams are put together as far as they were sent at once,
// and cut anew, so that larger packets can follow from smaller ones. Datagrams,
// which are no stream, are only ever cut in two, as in a tunnel whose inner
// packets became smaller.
type Segments struct {
	MTU int // bytes of an IP packet, 576 to 9000; 0 keeps what is
}

const (
	streamHeaders   = 52   // of IPv4 and TCP with time stamps
	datagramHeaders = 28   // of IPv4 and UDP
	againHeaders    = 60   // what a tunnel's second packet has besides content
	fullSegment     = 500  // bytes of payload that a full packet has at least, on any network
	surelyFull      = 1200 // of one that is, whatever its flags say
	writeGap        = 1e6  // ns between writes that a program may make one
	fullGap         = 20e6 // ns between a full packet and the rest of its write
	leastMTU        = 576
)

func (s *Segments) apply(d *draft) {
	mtu := uint32(max(s.MTU, leastMTU))
	switch {
	case s.MTU <= 0:
	case d.tcp():
		d.recut(mtu - streamHeaders)
	case d.suite() != OpenVPN: // which leaves it to IP
		d.shorten(mtu - datagramHeaders)
	}
}

// train is what one side sends at once, while it is cut.
type train struct {
	active bool
	from   Origin // of what is left
	latest item   // packet
	left   uint32 // bytes that are in no segment yet
	full   bool   // the latest packet was as large as they get
	large  uint32 // bytes of those
	held   []item // messages that begin in what is left
}

// recut cuts streams into segments of mss bytes.
func (d *draft) recut(mss uint32) {
	items := d.next()
	for i, large := range d.largest() {
		d.trains[i] = train{large: large, held: d.trains[i].held[:0]}
	}
	for i := range d.items {
		it := &d.items[i]
		t := &d.trains[it.Dir]
		if it.Message {
			t.held = append(t.held, *it)
			if t.left == 0 {
				items = t.release(items)
			}
			continue
		}
		items = d.trains[it.Dir.Other()].flush(items)
		if !it.payload() || !t.goesOn(it.Time) {
			items = t.flush(items)
		}
		if it.payload() {
			items = t.take(items, it, mss)
		} else {
			items = append(items, *it)
		}
	}
	for i := range d.trains {
		items = d.trains[i].flush(items)
	}
	d.done(items)
	d.sort()
}

// goesOn reports whether a packet at a time is of the same train.
func (t *train) goesOn(at int64) bool {
	return t.active && t.full && at-t.latest.Time <= fullGap
}

// full reports whether a packet is as large as they get in its direction, so
// that what is written may go on in the next.
func (i *item) full(largest uint32) bool {
	each := i.Bytes / max(i.Packets, 1)
	return i.payload() && each >= largest && each >= fullSegment && (each >= surelyFull || i.Kind&pushed == 0)
}

// largest are the largest packets of either direction.
func (d *draft) largest() (most [2]uint32) {
	for i := range d.items {
		if it := &d.items[i]; it.payload() {
			most[it.Dir] = max(most[it.Dir], it.Bytes/max(it.Packets, 1))
		}
	}
	return most
}

// take adds a packet, and cuts off what is full. A segment is sent when its last
// byte is.
func (t *train) take(items []item, it *item, mss uint32) []item {
	if t.left == 0 {
		t.from = it.from
	}
	t.from = t.from.and(it.from)
	t.full = it.full(t.large)
	t.active, t.latest = true, *it
	t.left += it.Bytes
	n := t.left / mss
	if n == 0 {
		return items
	}
	whole := *it
	whole.Bytes, whole.Packets = n*mss, n
	whole.from = t.from
	t.left -= whole.Bytes
	t.from = it.from
	if t.left > 0 {
		whole.Kind &^= pushed
	}
	return t.release(append(items, whole))
}

// pushed is the flag of a packet that ends a write: PSH.
const pushed = 1 << 3

// flush ends a train with what is left of it.
func (t *train) flush(items []item) []item {
	if t.left > 0 {
		end := t.latest
		end.Bytes, end.Packets, end.from = t.left, 1, t.from
		items = append(items, end)
	}
	t.active, t.left = false, 0
	return t.release(items)
}

// release lets the messages go that waited for the packet they begin in.
func (t *train) release(items []item) []item {
	items = append(items, t.held...)
	t.held = t.held[:0]
	return items
}

// shorten cuts datagrams that are too large in two, and the messages that they are.
func (d *draft) shorten(most uint32) {
	items := d.next()
	for _, it := range d.items {
		n := max(it.Packets, 1)
		if it.Bytes <= most*n {
			items = append(items, it)
			continue
		}
		rest := it
		rest.Bytes = it.Bytes - most*n + againHeaders*n
		it.Bytes = most * n
		items = append(items, it, rest)
	}
	d.done(items)
}

// sort puts items in order of time, those of one time as they are.
func (d *draft) sort() {
	for i := range d.items {
		d.items[i].order = int32(i)
	}
	settle(d.items)
}

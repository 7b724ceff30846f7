package augment

// Writes changes into how many pieces programs cut what they send. The zero
// value keeps them.
type Writes struct {
	Split float64 // share of messages, or packets where they do not show, that are sent in two
	Merge float64 // share of those that follow another within a millisecond and are sent with it
}

const (
	leastSplit = 32   // bytes of what is sent in two, at least
	splitDelay = 50e3 // ns between the two, at most
)

func (w *Writes) apply(d *draft) {
	if w.Merge > 0 && d.tcp() {
		w.merge(d)
	}
	if w.Split <= 0 || !d.tcp() {
		return
	}
	if d.shows {
		w.splitMessages(d)
	} else {
		w.splitPackets(d)
	}
}

// merge sends packets with the next one of their direction, if it follows
// closely: as a program does that collects what it writes. Messages wait with
// them.
func (w *Writes) merge(d *draft) {
	items := d.next()
	waits := -1 // item that is sent with the next packet
	for i := range d.items {
		it := d.items[i]
		if waits >= 0 && !it.Message {
			if it.payload() && it.Dir == items[waits].Dir && it.Time-items[waits].Time <= writeGap && items[waits].Bytes < fullSegment && d.chance(w.Merge) {
				for k := waits; k < len(items); k++ {
					items[k].Time = it.Time
				}
				items[waits] = joined(items[waits], it)
				continue
			}
			waits = -1
		}
		if !it.Message && it.payload() && it.Packets <= 1 {
			waits = len(items)
		}
		items = append(items, it)
	}
	d.done(items)
}

// splitMessages sends messages as two, each with what the cipher adds.
func (w *Writes) splitMessages(d *draft) {
	suite := d.suite()
	if suite.family() != tlsFamily && suite.kind() != kindPacket {
		return
	}
	items := d.next()
	packet := [2]int{-1, -1}
	for _, it := range d.items {
		if !it.Message {
			packet[it.Dir] = len(items)
			items = append(items, it)
			continue
		}
		content := suite.Content(it.Bytes, 0)
		if it.Kind != suite.kind() || content < leastSplit || packet[it.Dir] < 0 || !d.chance(w.Split) {
			items = append(items, it)
			continue
		}
		first := 1 + d.r.Uint32N(content-1)
		rest := it
		was := it.Bytes
		it.Bytes = suite.Size(first)
		rest.Bytes = max(suite.Size(content-first), less(was, it.Bytes))
		items[packet[it.Dir]].Bytes += it.Bytes + rest.Bytes - was
		items = append(items, it, rest)
	}
	d.done(items)
}

// splitPackets sends packets that are not of bulk as two.
func (w *Writes) splitPackets(d *draft) {
	items := d.next()
	for _, it := range d.items {
		if it.Message || !it.payload() || it.Packets > 1 || it.Bytes < leastSplit || it.Bytes >= fullSegment || !d.chance(w.Split) {
			items = append(items, it)
			continue
		}
		rest := it
		it.Bytes = 1 + d.r.Uint32N(it.Bytes-1)
		it.Kind &^= pushed
		rest.Bytes -= it.Bytes
		rest.Time += d.r.Int64N(splitDelay)
		items = append(items, it, rest)
	}
	d.done(items)
	d.sort()
}

package augment

// Offload puts packets of bulk together as a capture on a host sees them, whose
// network card cuts what is sent (TSO) or gathers what arrives (GRO). The zero
// value keeps them.
type Offload struct {
	// Bytes is how much one packet of the capture holds at most, by direction; 0
	// keeps that direction. Hosts hold up to 64 KiB of what they send, and less of
	// what they receive.
	Bytes [2]uint32
}

const offloadGap = 200_000 // ns between packets that are one for the host

func (o *Offload) apply(d *draft) {
	if o.Bytes == [2]uint32{} || !d.tcp() {
		return
	}
	items := d.next()
	into := [2]int{-1, -1} // item that the next packet may go into
	var last [2]int64
	large := d.largest()
	for _, it := range d.items {
		if it.Message {
			items = append(items, it)
			continue
		}
		into[it.Dir.Other()] = -1
		k := into[it.Dir]
		if k >= 0 && it.payload() && it.Time-last[it.Dir] <= offloadGap && items[k].Bytes+it.Bytes <= o.Bytes[it.Dir] {
			items[k] = joined(items[k], it)
		} else {
			k = len(items)
			items = append(items, it)
		}
		last[it.Dir] = it.Time
		if into[it.Dir] = -1; it.full(large[it.Dir]) {
			into[it.Dir] = k
		}
	}
	d.done(items)
}

// joined is one packet of two that follow each other.
func joined(a, b item) item {
	a.Bytes += b.Bytes
	a.Packets = 1
	a.Kind |= b.Kind
	a.from = a.from.and(b.from)
	return a
}

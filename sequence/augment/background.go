package augment

import "tyto/session"

// Others is another session in the same tunnel: what it sends is between
// what the session sends, until that ends. The caller chooses one whose messages
// are as the tunnel's; it has no truth of its own here. The zero value is none.
type Others struct {
	Entries []session.Entry // by time
	After   int64           // ns from the session's first entry to the other's
}

func (b *Others) apply(d *draft) {
	if len(b.Entries) == 0 || len(d.items) == 0 {
		return
	}
	items := d.next()
	shift := d.items[0].Time + b.After - b.Entries[0].Time
	kind := d.latestKind()
	k := 0
	for i := range d.items {
		for k < len(b.Entries) && b.Entries[k].Time+shift < d.items[i].Time && !d.items[i].Message {
			items = d.mix(items, b.Entries[k], shift, kind, d.items[i].from.First)
			k++
		}
		items = append(items, d.items[i])
	}
	d.done(items)
}

// mix adds a packet of the other session, as a message where messages show.
func (d *draft) mix(items []item, e session.Entry, shift int64, kind uint8, with int32) []item {
	it := item{Entry: e, from: Origin{Background, with}}
	it.Time += shift
	if !it.payload() {
		return items
	}
	if d.tcp() {
		it.Kind = pushed
	} else {
		it.Kind = 0
	}
	items = append(items, it)
	if d.shows {
		it.Message, it.Kind = true, kind
		items = append(items, it)
	}
	return items
}

// latestKind is the kind of the last message: of data, not of a handshake.
func (d *draft) latestKind() uint8 {
	for i := len(d.items) - 1; i >= 0; i-- {
		if it := &d.items[i]; it.Message && it.Bytes > 24 {
			return it.Kind
		}
	}
	return kindData
}

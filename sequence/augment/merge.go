package augment

import "tyto/session"

// merge makes the items of two directions the items: by time, what was made
// first first. It marks packets that come after later ones, as session.Tracker
// does, and rounds times to what a series holds.
func (d *draft) merge(dirs *[2][]item) {
	for _, list := range dirs {
		for i := range list {
			list[i].Time -= list[i].Time % stampNanos
		}
		settle(list)
	}
	a, b := dirs[0], dirs[1]
	items := d.next()
	var last [2]int32
	for len(a) > 0 || len(b) > 0 {
		var it item
		if len(b) == 0 || len(a) > 0 && before(&a[0], &b[0]) {
			it, a = a[0], a[1:]
		} else {
			it, b = b[0], b[1:]
		}
		if it.seq > 0 && d.tcp() {
			if it.seq <= last[it.Dir] {
				it.Kind |= session.Repeat
			}
			last[it.Dir] = max(last[it.Dir], it.seq)
		}
		it.seq, it.order = 0, 0
		items = append(items, it)
	}
	d.done(items)
}

// stampNanos is the step of a series' times.
const stampNanos = 1000

func before(a, b *item) bool {
	return a.Time < b.Time || a.Time == b.Time && a.order < b.order
}

// settle sorts items that are nearly in order.
func settle(items []item) {
	for i := 1; i < len(items); i++ {
		if !before(&items[i], &items[i-1]) {
			continue
		}
		it := items[i]
		k := i
		for k > 0 && before(&it, &items[k-1]) {
			items[k] = items[k-1]
			k--
		}
		items[k] = it
	}
}

package sensor

import "hash/maphash"

// recent is a map that holds so many keys at most: when it is full, a key that
// was not put again since its turn came last is forgotten, the oldest first.
// What is forgotten depends only on the order of the calls.
//
// It is made for lookups that miss the processor's caches: one for a slot, one
// for the entry. The zero value is empty; limit must be set.
type recent[K comparable, V any] struct {
	limit   int
	seed    maphash.Seed
	slots   []recentSlot // open addressing with linear probing
	entries []recentEntry[K, V]
	hand    int // the next entry to be forgotten, once there are limit
}

type recentSlot struct {
	tag uint32 // of the key's hash
	at  uint32 // entry plus one, 0 for none
}

type recentEntry[K comparable, V any] struct {
	key   K
	value V
	tag   uint32
	again bool // put again since its turn came
}

func (r *recent[K, V]) len() int { return len(r.entries) }

func (r *recent[K, V]) tag(k K) uint32 { return uint32(maphash.Comparable(r.seed, k)) }

// get returns the value of a key, or nil. It may be changed until the next put.
func (r *recent[K, V]) get(k K) *V {
	if len(r.entries) == 0 {
		return nil
	}
	if e := r.find(k, r.tag(k)); e != nil {
		return &e.value
	}
	return nil
}

func (r *recent[K, V]) find(k K, tag uint32) *recentEntry[K, V] {
	mask := uint32(len(r.slots) - 1)
	for i := tag & mask; r.slots[i].at != 0; i = (i + 1) & mask {
		if r.slots[i].tag != tag {
			continue
		}
		if e := &r.entries[r.slots[i].at-1]; e.key == k {
			return e
		}
	}
	return nil
}

// put returns the value of a key, the zero value if it is new. It may be changed
// until the next put.
func (r *recent[K, V]) put(k K) *V {
	if len(r.slots) == 0 {
		r.seed = maphash.MakeSeed()
		r.slots = make([]recentSlot, 64)
	}
	tag := r.tag(k)
	if e := r.find(k, tag); e != nil {
		e.again = true
		return &e.value
	}
	at := len(r.entries)
	if at < r.limit {
		r.entries = append(r.entries, recentEntry[K, V]{})
		if 4*len(r.entries) > 3*len(r.slots) {
			r.grow()
		}
	} else {
		at = r.forget()
	}
	r.entries[at] = recentEntry[K, V]{key: k, tag: tag}
	r.enter(tag, uint32(at)+1)
	return &r.entries[at].value
}

func (r *recent[K, V]) enter(tag, at uint32) {
	mask := uint32(len(r.slots) - 1)
	i := tag & mask
	for r.slots[i].at != 0 {
		i = (i + 1) & mask
	}
	r.slots[i] = recentSlot{tag, at}
}

func (r *recent[K, V]) grow() {
	r.slots = make([]recentSlot, 2*len(r.slots))
	for i := range r.entries[:len(r.entries)-1] {
		r.enter(r.entries[i].tag, uint32(i)+1)
	}
}

// forget frees an entry and returns its place.
func (r *recent[K, V]) forget() int {
	for r.entries[r.hand].again {
		r.entries[r.hand].again = false
		r.hand = (r.hand + 1) % len(r.entries)
	}
	at := r.hand
	r.hand = (r.hand + 1) % len(r.entries)
	mask := uint32(len(r.slots) - 1)
	i := r.entries[at].tag & mask
	for r.slots[i].at != uint32(at)+1 {
		i = (i + 1) & mask
	}
	// What follows moves up, so that probing needs no tombstones.
	for j := (i + 1) & mask; r.slots[j].at != 0; j = (j + 1) & mask {
		if home := r.slots[j].tag & mask; (j-home)&mask >= (j-i)&mask {
			r.slots[i], i = r.slots[j], j
		}
	}
	r.slots[i] = recentSlot{}
	return at
}

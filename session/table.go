package session

// table finds sessions by the hash of their end points: open addressing with
// linear probing, eight bytes a slot, no pointers.
type table struct {
	slots []slot
	n     int
}

type slot struct {
	tag uint32 // low half of the hash
	id  uint32 // session, 0 for an empty slot
}

const minSlots = 1024

func (t *table) grow() {
	old := t.slots
	t.slots = make([]slot, max(minSlots, 2*len(old)))
	mask := uint32(len(t.slots) - 1)
	for _, s := range old {
		if s.id == 0 {
			continue
		}
		i := s.tag & mask
		for t.slots[i].id != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = s
	}
}

func (t *table) add(tag, id uint32) {
	if t.n*4 >= len(t.slots)*3 {
		t.grow()
	}
	mask := uint32(len(t.slots) - 1)
	i := tag & mask
	for t.slots[i].id != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = slot{tag, id}
	t.n++
}

// remove takes an entry out and closes the gap, so that probing needs no
// tombstones.
func (t *table) remove(tag, id uint32) {
	mask := uint32(len(t.slots) - 1)
	i := tag & mask
	for t.slots[i].id != id {
		if t.slots[i].id == 0 {
			return
		}
		i = (i + 1) & mask
	}
	t.n--
	for j := i; ; {
		j = (j + 1) & mask
		s := t.slots[j]
		if s.id == 0 {
			break
		}
		home := s.tag & mask
		if (j-home)&mask >= (j-i)&mask {
			t.slots[i] = s
			i = j
		}
	}
	t.slots[i] = slot{}
}

package session

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"tyto/packet"
)

// table finds sessions by the hash of their end points: open addressing with
// linear probing, eight bytes a slot, no pointers.
type table struct {
	slots []slot
	n     int
	key   *hashKey // of the tags; nil: they are the low half of the packets' hash
}

type slot struct {
	tag uint32 // of the session's end points
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

// maxProbes is how far from its place an entry may come to lie. Chance alone
// leads so far once in 10^16 entries.
const maxProbes = 1024

// add enters a session. It returns false if many end points meet in one place:
// somebody has chosen them so, and the table is in need of a key.
func (t *table) add(tag, id uint32) bool {
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
	return (i-tag)&mask <= maxProbes
}

// hashKey makes a table's tags its own, so that nobody can choose end points
// that meet. Nothing that is told depends on it.
type hashKey [4]uint64

func newHashKey() *hashKey {
	var k hashKey
	for i := range k {
		k[i] = rand.Uint64()
	}
	return &k
}

// tag returns a hash of the end points that is the same for both directions.
func (k *hashKey) tag(t *Tuple) uint32 {
	h := k.end(&t.Orig, t.OrigPort) + k.end(&t.Resp, t.RespPort)
	return uint32(fold(h^k[2], k[3]+uint64(t.Proto)))
}

func (k *hashKey) end(a *packet.Addr, port uint16) uint64 {
	hi, lo := binary.LittleEndian.Uint64(a[:8]), binary.LittleEndian.Uint64(a[8:])
	return fold(fold(hi^k[0], lo^k[1]), k[2]^uint64(port))
}

// fold multiplies to 128 bits and folds.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
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

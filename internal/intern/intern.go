// Package intern keeps strings that come again and again, so that they are
// allocated once: names in DNS answers.
package intern

import (
	"hash/maphash"
	"strings"
)

const slots = 1024

// Strings remembers the latest strings. It is bounded: a string takes the place
// of another one. The zero value is ready for use.
type Strings struct {
	seed  maphash.Seed
	slots []string
}

func (t *Strings) slot(h func(maphash.Seed) uint64) *string {
	if t.slots == nil {
		t.seed, t.slots = maphash.MakeSeed(), make([]string, slots)
	}
	return &t.slots[h(t.seed)%slots]
}

// Bytes returns b as a string.
func (t *Strings) Bytes(b []byte) string {
	s := t.slot(func(seed maphash.Seed) uint64 { return maphash.Bytes(seed, b) })
	if *s != string(b) {
		*s = string(b)
	}
	return *s
}

// Clone returns a string equal to v that does not share its memory.
func (t *Strings) Clone(v string) string {
	s := t.slot(func(seed maphash.Seed) uint64 { return maphash.String(seed, v) })
	if *s != v {
		*s = strings.Clone(v)
	}
	return *s
}

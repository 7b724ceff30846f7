package mmdb

// decoder reads values of the data section.
type decoder struct {
	data []byte
	read int // values so far
}

// value is a string, a number, or the place of a map.
type value struct {
	kind   kind
	text   string
	number uint64
	at     uint32 // of its control byte
}

// kind is a value's type.
type kind uint8

const (
	extended kind = iota
	pointer
	utf8String
	float64Kind
	bytesKind
	uint16Kind
	uint32Kind
	mapKind
	int32Kind
	uint64Kind
	uint128Kind
	arrayKind
	container
	endMarker
	boolKind
	float32Kind
)

// Bounds of one lookup.
const (
	maxValues = 4096
	maxDepth  = 16
)

// fields calls yield with the keys and values of the map at an offset, as far
// as it can be read.
func (d *decoder) fields(at uint32, yield func(key string, v value)) {
	k, n, body, ok := d.control(at)
	if ok && k == pointer {
		k, n, body, ok = d.control(n)
	}
	if !ok || k != mapKind {
		return
	}
	next := body
	for range n {
		key, after, ok := d.value(next, 0)
		if !ok || key.kind != utf8String {
			return
		}
		v, end, ok := d.value(after, 0)
		if !ok {
			return
		}
		yield(key.text, v)
		next = end
	}
}

// control reads a value's control bytes: its kind, its size (of a pointer, what
// it points to) and where its content starts.
func (d *decoder) control(at uint32) (k kind, size, body uint32, ok bool) {
	c, ok := d.bytes(at, 1)
	if !ok {
		return 0, 0, 0, false
	}
	k, body = kind(c[0]>>5), at+1
	if k == pointer {
		return d.pointer(c[0], body)
	}
	if k == extended {
		e, ok := d.bytes(body, 1)
		if !ok || e[0] > 8 {
			return 0, 0, 0, false
		}
		k, body = kind(e[0])+7, body+1
	}
	size = uint32(c[0] & 31)
	if size < 29 {
		return k, size, body, true
	}
	more := size - 28 // bytes
	b, ok := d.bytes(body, more)
	if !ok {
		return 0, 0, 0, false
	}
	base := [...]uint32{0, 29, 285, 65821}[more]
	return k, base + uint32(bigEndian(b)), body + more, true
}

// pointer reads a pointer, whose control byte is c.
func (d *decoder) pointer(c byte, body uint32) (k kind, to, end uint32, ok bool) {
	n := uint32(c>>3&3) + 1 // bytes
	b, ok := d.bytes(body, n)
	if !ok {
		return 0, 0, 0, false
	}
	to = uint32(bigEndian(b))
	if n < 4 {
		to |= uint32(c&7) << (8 * n)
	}
	return pointer, to + [...]uint32{0, 2048, 526336, 0}[n-1], body + n, true
}

func bigEndian(b []byte) (v uint64) {
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

// bytes returns n bytes at an offset.
func (d *decoder) bytes(at, n uint32) ([]byte, bool) {
	if uint64(at)+uint64(n) > uint64(len(d.data)) {
		return nil, false
	}
	return d.data[at : at+n], true
}

// value reads the value at an offset, and returns where it ends.
func (d *decoder) value(at uint32, depth int) (v value, end uint32, ok bool) {
	d.read++
	k, size, body, ok := d.control(at)
	if !ok || d.read > maxValues || depth > maxDepth {
		return v, 0, false
	}
	v = value{kind: k, at: at}
	switch k {
	case pointer:
		v, _, ok = d.value(size, depth+1)
		return v, body, ok
	case mapKind, arrayKind:
		n := uint64(size)
		if k == mapKind {
			n *= 2
		}
		for range n {
			if _, body, ok = d.value(body, depth+1); !ok {
				return v, 0, false
			}
		}
		return v, body, true
	case boolKind:
		v.number = uint64(size)
		return v, body, true
	}
	b, ok := d.bytes(body, size)
	switch k {
	case utf8String:
		v.text = string(b)
	case uint16Kind, uint32Kind, uint64Kind, int32Kind:
		if size > 8 {
			return v, 0, false
		}
		v.number = bigEndian(b)
	case float64Kind, float32Kind, bytesKind, uint128Kind:
	default:
		return v, 0, false
	}
	return v, body + size, ok
}

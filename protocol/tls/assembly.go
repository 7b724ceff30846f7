package tls

// maxSpans bounds the holes an Assembly may have.
const maxSpans = 32

// Assembly puts bytes that arrive in pieces, in any order and perhaps twice,
// into their place: fragments of DTLS handshake messages and CRYPTO frames of
// QUIC. What came first stays. The zero value is empty.
type Assembly struct {
	buf   []byte
	spans [maxSpans]span // disjoint, not adjacent, in order
	n     int
}

// span is a run of bytes that have arrived.
type span struct{ from, to int32 }

// Add puts data at an offset. It returns false, and adds nothing, if the data
// reaches beyond limit, which is below 2^31, or would leave too many holes.
func (a *Assembly) Add(off int, data []byte, limit int) bool {
	end := off + len(data)
	if off < 0 || end > limit {
		return false
	}
	if len(data) == 0 {
		return true
	}
	// Spans i to j-1 touch the new one and become part of it.
	i := 0
	for i < a.n && int(a.spans[i].to) < off {
		i++
	}
	j := i
	for j < a.n && int(a.spans[j].from) <= end {
		j++
	}
	if i == j && a.n == maxSpans {
		return false
	}
	if end > len(a.buf) {
		if end <= cap(a.buf) {
			a.buf = a.buf[:end]
		} else {
			a.buf = append(a.buf, make([]byte, end-len(a.buf))...)
		}
	}
	at := off
	for _, s := range a.spans[i:j] {
		if at < int(s.from) {
			copy(a.buf[at:s.from], data[at-off:])
		}
		at = max(at, int(s.to))
	}
	if at < end {
		copy(a.buf[at:end], data[at-off:])
	}
	s := span{int32(off), int32(end)}
	if i < j {
		s = span{min(s.from, a.spans[i].from), max(s.to, a.spans[j-1].to)}
		copy(a.spans[i+1:], a.spans[j:a.n])
		a.n -= j - i - 1
	} else {
		copy(a.spans[i+1:a.n+1], a.spans[i:a.n])
		a.n++
	}
	a.spans[i] = s
	return true
}

// Prefix returns the bytes from the start to the first hole. The slice is valid
// until the next call of Add.
func (a *Assembly) Prefix() []byte {
	if a.n == 0 || a.spans[0].from > 0 {
		return nil
	}
	return a.buf[:a.spans[0].to]
}

// Reset empties the assembly and keeps its memory.
func (a *Assembly) Reset() { a.buf, a.n = a.buf[:0], 0 }

// Free empties the assembly and gives its memory back.
func (a *Assembly) Free() { a.buf, a.n = nil, 0 }

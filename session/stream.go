package session

// Stream holds the bytes of one direction that arrived before bytes in front of
// them. Streams in order need none. The zero value is empty.
type Stream struct {
	segments []segment // sorted by position, not overlapping
	bytes    int
}

type segment struct {
	at   uint64
	n    uint32 // length in the stream; data may be shorter, or nil if nobody wants it
	data []byte
}

// Limits of what waits for a hole to be filled, per direction.
const (
	maxStreamBytes    = 1 << 20
	maxStreamSegments = 1024
)

// add keeps a segment. Where it overlaps what is there already the first bytes
// win; differs reports that the bytes did not agree. add takes data over.
func (s *Stream) add(at uint64, n uint32, data []byte) (differs bool) {
	end := at + uint64(n)
	i := len(s.segments)
	for i > 0 && s.segments[i-1].at > at {
		i--
	}
	if i > 0 {
		p := &s.segments[i-1]
		if pe := p.at + uint64(p.n); pe > at {
			differs = conflict(p, at, data)
			if pe >= end {
				return differs
			}
			skip := pe - at
			data = tail(data, skip)
			at, n = pe, n-uint32(skip)
		}
	}
	// Cut what follows it, piece by piece.
	for i < len(s.segments) && n > 0 && s.segments[i].at < end {
		p := s.segments[i]
		if p.at > at {
			k := uint32(p.at - at)
			s.insert(i, segment{at, k, head(data, uint64(k))})
			i++
			data = tail(data, uint64(k))
			at, n = p.at, n-k
		}
		differs = conflict(&p, at, data) || differs
		k := min(uint64(n), p.at+uint64(p.n)-at)
		data = tail(data, k)
		at, n = at+k, n-uint32(k)
		i++
	}
	if n > 0 {
		s.insert(i, segment{at, n, data})
	}
	return differs
}

func (s *Stream) insert(i int, g segment) {
	s.segments = append(s.segments, segment{})
	copy(s.segments[i+1:], s.segments[i:])
	s.segments[i] = g
	s.bytes += len(g.data)
}

// pop takes the first segment out.
func (s *Stream) pop() segment {
	g := s.segments[0]
	copy(s.segments, s.segments[1:])
	s.segments[len(s.segments)-1] = segment{}
	s.segments = s.segments[:len(s.segments)-1]
	s.bytes -= len(g.data)
	return g
}

func (s *Stream) full() bool {
	return s.bytes > maxStreamBytes || len(s.segments) > maxStreamSegments
}

func head(b []byte, n uint64) []byte { return b[:min(n, uint64(len(b)))] }
func tail(b []byte, n uint64) []byte { return b[min(n, uint64(len(b))):] }

// conflict reports whether data, which starts at position at inside p, says
// something else there.
func conflict(p *segment, at uint64, data []byte) bool {
	a := tail(p.data, at-p.at)
	n := min(len(a), len(data))
	return string(a[:n]) != string(data[:n])
}

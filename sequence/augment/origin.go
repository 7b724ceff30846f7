package augment

import (
	"tyto/sequence"
	"tyto/session"
)

// Made reports whether an entry came from none of the input.
func (o Origin) Made() bool { return o.First < 0 }

// and is the origin of what comes of two: if only one is of the input, that.
func (o Origin) and(p Origin) Origin {
	switch {
	case p.Made():
		return o
	case o.Made():
		return p
	}
	return Origin{min(o.First, p.First), max(o.Last, p.Last)}
}

// AppendEntries appends, for each message of a sequence that was recovered of
// entries, the index of the entry that it begins with. With Result.From that
// leads to the input: the state of a new message is that of
//
//	from := result.From[entry]
//	state := stateOf[from.First] // or what from.First says, if from.Made()
//
// whatever happened to its time.
func AppendEntries(to []int32, s *sequence.Sequence, entries []session.Entry) []int32 {
	shown := s.Carrier == sequence.Records
	next := 0
	for i := range s.Messages {
		left := s.Messages[i].Parts
		for first := true; left > 0 && next < len(entries); next++ {
			e := &entries[next]
			if e.Message != shown || !shown && (e.Bytes == 0 || e.Kind&session.Repeat != 0) {
				continue
			}
			if first {
				to, first = append(to, int32(next)), false
			}
			left -= min(left, max(e.Packets, 1))
		}
	}
	return to
}

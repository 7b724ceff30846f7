package sequence

// Limits of what is joined.
const (
	joinGap   = 5e6      // ns between parts of one write, at most; less where a round trip is short
	trainGap  = 300e6    // ns between full parts, which follow each other as the network lets them
	fullPart  = 1200     // bytes that a part has at least if it may be full
	mostBytes = 64 << 10 // of a message: what is longer becomes several, so that its time shows
)

// join puts parts together that are one write: those that follow each other
// closely in one direction, and those that follow a part that is full. Parts are
// packets of a stream, or records; overhead is what each has besides content.
func join(parts []Message, rtt int64, overhead uint32) []Message {
	gap := int64(joinGap)
	if rtt > 0 {
		gap = min(gap, rtt/4)
	}
	all := parts[:0:0]
	full := false // the latest part was as large as parts get, so the write goes on
	var largest [2]uint32
	var latest Message
	for _, p := range parts {
		each := p.Bytes / p.Parts
		p.Content = p.Bytes - min(p.Bytes, overhead*p.Parts)
		n := len(all) - 1
		within := n >= 0 && p.Dir == latest.Dir && p.Kind == latest.Kind && all[n].Bytes+p.Bytes <= mostBytes
		since := p.Time - latest.Time
		if within && (since <= gap || full && since <= trainGap) {
			m := &all[n]
			m.Took = max(m.Took, p.Time+p.Took-m.Time)
			m.Bytes += p.Bytes
			m.Content += p.Content
			m.Parts += p.Parts
		} else {
			all = append(all, p)
		}
		full = each >= fullPart && each >= largest[p.Dir]
		largest[p.Dir] = max(largest[p.Dir], each)
		latest = p
	}
	return all
}

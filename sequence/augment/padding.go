package augment

// Padding hides sizes: what is sent becomes larger, never smaller. The zero
// value adds nothing. TLS 1.3, SSH, IPsec and many tools of their own can do so.
type Padding struct {
	Multiple uint32 // content is padded to a multiple of so many bytes; 0 and 1 do not pad
	Random   uint32 // at most so many more bytes, evenly drawn
}

// Bounds of what a padded message may become.
const (
	mostRecord   = 16384 + 256
	mostDatagram = 1400
	cipherBytes  = 22 // of a message that are not content, about
)

func (p *Padding) apply(d *draft) {
	if p.Multiple <= 1 && p.Random == 0 {
		return
	}
	most := uint32(mostRecord)
	if !d.tcp() {
		most = mostDatagram
	}
	pad := func(it *item) {
		n := max(it.Packets, 1)
		each := it.Bytes / n
		if each >= fullSegment && !d.shows || each >= most {
			return // bulk is full already
		}
		to := each
		if p.Multiple > 1 {
			to = cipherBytes + align(less(each, cipherBytes), p.Multiple)
		}
		if p.Random > 0 {
			to += d.r.Uint32N(p.Random + 1)
		}
		it.Bytes += (max(min(to, most), each) - each) * n
	}
	if d.shows {
		d.resize(pad)
		return
	}
	for i := range d.items {
		if d.items[i].payload() {
			pad(&d.items[i])
		}
	}
}

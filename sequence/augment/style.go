package augment

// Style makes it another program that does the same: its messages are a little
// larger or smaller, its pauses shorter or longer. What fills segments stays, for
// bulk is bulk whoever sends it; what is typed keeps its pace and, but for what is
// around it, its size. The zero value changes nothing.
//
// Models are asked about programs that nobody recorded. Without this they learn
// the sizes of those that were.
type Style struct {
	Scale [2]float64 // of what a message has beyond a keystroke's bytes, by direction; 0 is 1
	Shift [2]uint32  // bytes that every message has more, by direction
	Pace  float64    // of pauses; 0 is 1
}

const (
	styleKey   = 64    // bytes of a message that Scale leaves alone
	styleGrain = 16    // bytes of which changes are multiples: blocks of ciphers stay visible
	stylePause = 200e6 // ns that a pause has at least
)

func (s *Style) apply(d *draft) {
	if s.Scale != [2]float64{} || s.Shift != [2]uint32{} {
		s.sizes(d)
	}
	if s.Pace > 0 && s.Pace != 1 {
		s.pauses(d)
	}
}

// sizes resizes messages, or packets where no messages show.
func (s *Style) sizes(d *draft) {
	most := uint32(mostRecord)
	if !d.tcp() {
		most = mostDatagram
	}
	resize := func(it *item) {
		n := max(it.Packets, 1)
		each := it.Bytes / n
		if each >= fullSegment && !d.shows || each >= most || d.shows && it.Kind == kindKex {
			return
		}
		to := each + s.Shift[it.Dir]/styleGrain*styleGrain
		if scale := s.Scale[it.Dir]; scale > 0 && each > styleKey {
			by := int64(float64(each-styleKey) * (scale - 1) / styleGrain)
			to = uint32(max(int64(to)+by*styleGrain, styleKey))
		}
		it.Bytes = min(to, most) * n
	}
	if d.shows {
		d.resize(resize)
		return
	}
	for i := range d.items {
		if d.items[i].payload() {
			resize(&d.items[i])
		}
	}
}

// pauses makes what follows a pause come sooner or later.
func (s *Style) pauses(d *draft) {
	shift, next, last := int64(0), 0, int64(0)
	for i := range d.items {
		it := &d.items[i]
		at := it.Time
		if gap := at - last; i > 0 && gap > stylePause && !d.typing(at, it.Dir, &next) {
			shift += max(int64(float64(gap)*s.Pace), stylePause) - gap
		}
		last = at
		it.Time = at + shift
	}
}

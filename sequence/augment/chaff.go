package augment

import "tyto/session"

// Obfuscation switches the hiding of keys on or off that OpenSSH does since
// version 9.5 (ObscureKeystrokeTiming): while a person types, and for a second
// or three after, the client sends every 20 ms, a key if one waits and else a
// message of a key's size, which the server answers. It changes sessions of SSH
// with spans of typing by the originator. The zero value keeps what is.
type Obfuscation uint8

// Ways of hiding keys.
const (
	KeepKeys Obfuscation = iota
	HideKeys             // unless they are hidden already
	ShowKeys             // if they are hidden, and Session.Keys tells which messages are keys
)

// As in OpenSSH's clientloop.c, ns.
const (
	slotTime    = 20e6
	slotLeast   = slotTime * 9 / 10
	slotMore    = slotTime / 10 // of each slot, and of all slots of a burst
	chaffLeast  = 1024e6
	chaffMore   = 2048e6
	answerTime  = 300e3 // that the server takes, at most
	keyMost     = 160   // bytes of a message with a key
	combRun     = 30    // messages on the grid that tell that keys are hidden
	combFrom    = 14e6
	combTo      = 56e6 // of the slots of 40 ms that some set, too
	keyTail     = 60e6 // after a key is pressed until it is sent, at most
	keyEarly    = 1e6  // by how much the estimated way to the sensor may be too long
	neverActive = -1
)

func (o Obfuscation) apply(d *draft) {
	if o == KeepKeys || len(d.in.Typing) == 0 || d.suite().family() != sshFamily {
		return
	}
	key := d.keySize()
	if key == 0 {
		return
	}
	switch hidden := d.hidden(key); {
	case o == HideKeys && !hidden:
		d.hide(key)
	case o == ShowKeys && hidden && len(d.in.Keys) > 0:
		d.show(key)
	}
}

// keySize is the most frequent size of what the originator sends while it types,
// 0 if it does not.
func (d *draft) keySize() (key uint32) {
	var counts [keyMost + 1]int
	span := 0
	for i := range d.items {
		it := &d.items[i]
		if it.payload() && it.Dir == session.Orig && it.Bytes <= keyMost && d.typing(it.Time, it.Dir, &span) {
			counts[it.Bytes]++
		}
	}
	for n, c := range counts {
		if c > counts[key] {
			key = uint32(n)
		}
	}
	return key
}

// hidden reports whether messages of a key's size come on the grid.
func (d *draft) hidden(key uint32) bool {
	run, last := 0, int64(0)
	for i := range d.items {
		it := &d.items[i]
		if !it.payload() || it.Dir != session.Orig || it.Bytes != key {
			continue
		}
		if gap := it.Time - last; gap >= combFrom && gap <= combTo {
			run++
		} else if gap > combTo {
			run = 0
		}
		if run >= combRun {
			return true
		}
		last = it.Time
	}
	return false
}

// hiding is a burst of keys and chaff.
type hiding struct {
	items  []item
	key    item  // what chaff looks like
	kind   uint8 // of its message
	slot   int64 // next time to send, neverActive between bursts
	end    int64
	pace   int64 // of the burst's slots
	later  int64 // by how much the latest key was held back
	moved  bool  // the latest packet of the originator was a key
	always bool  // chaff goes out with keys, too: the mistake of releases before 9.8
}

func (d *draft) hide(key uint32) {
	h := hiding{items: d.next(), slot: neverActive, kind: d.suite().kind(), always: d.r.IntN(3) == 0}
	span := 0
	for i := range d.items {
		it := d.items[i]
		d.chaffUntil(&h, it.Time)
		switch {
		case it.Dir == session.Resp:
			it.Time += h.later
		case it.Message && h.moved:
			it.Time += h.later
		case it.Message:
		default:
			h.moved = it.payload() && it.Bytes <= keyMost && d.typing(it.Time, it.Dir, &span)
			if h.moved {
				h.key = it
				h.key.Bytes = key
				d.holdBack(&h, &it)
			}
		}
		h.items = append(h.items, it)
	}
	if n := len(d.items); n > 0 {
		d.chaffUntil(&h, min(h.end, d.items[n-1].Time))
	}
	d.done(h.items)
	d.ordered()
}

// holdBack lets a key wait for the next slot, but for the first of a burst, and
// the burst go on after it.
func (d *draft) holdBack(h *hiding, it *item) {
	if h.slot == neverActive {
		h.pace = slotLeast + d.r.Int64N(slotMore)
		h.slot = it.Time
	}
	h.later = h.slot - it.Time
	it.Time = h.slot
	h.end = h.slot + chaffLeast + d.r.Int64N(chaffMore)
}

// chaffUntil fills the slots before a time. A key that was held back fills its
// own.
func (d *draft) chaffUntil(h *hiding, until int64) {
	for h.slot != neverActive && h.slot < until {
		if h.always || h.slot != h.keySlot() {
			at := h.slot
			for _, dir := range []session.Direction{session.Orig, session.Resp} {
				c := h.key
				c.Time, c.Dir, c.from = at, dir, Origin{Chaff, h.key.from.First}
				m := c
				m.Message, m.Kind = true, h.kind
				h.items = append(h.items, c, m)
				at += 2*d.path.oneWay(session.Resp) + d.r.Int64N(answerTime)
			}
		}
		h.slot += h.pace + d.r.Int64N(slotMore)
		if h.slot > h.end {
			h.slot = neverActive
		}
	}
}

// keySlot is when the latest key was sent.
func (h *hiding) keySlot() int64 { return h.key.Time + h.later }

// showing is what is known while chaff is taken away.
type showing struct {
	key     uint32  // size of a key's message
	next    int     // key of the truth that was not sent yet
	earlier int64   // by how much the latest key is
	last    int64   // latest time of the originator
	grid    int64   // of the latest message of a key's size
	drop    [2]bool // the latest packet of a direction is left out
	due     []int64 // when chaff is answered, by time; those before head were
	head    int
}

// show takes chaff away, and sends keys when they were pressed. The message
// after a key's press is the key, others of its size on the grid are chaff, and
// so is what answers those.
func (d *draft) show(key uint32) {
	items := d.next()
	s := showing{key: key, due: d.outs[:0]}
	for _, it := range d.items {
		switch {
		case it.Message && s.drop[it.Dir]:
			continue
		case it.Message && it.Dir == session.Orig:
			it.Time = s.last
		case it.Message:
			it.Time -= s.earlier
		case it.Dir == session.Resp:
			if s.answer(d, &it) {
				continue
			}
		default:
			if s.sent(d, &it) {
				continue
			}
		}
		items = append(items, it)
	}
	d.outs = s.due[:0]
	d.done(items)
	d.ordered()
}

// answer moves what the responder sends; it reports whether it answers chaff.
func (s *showing) answer(d *draft, it *item) bool {
	early := d.path.oneWay(session.Resp) / 2
	drop := it.payload() && it.Bytes == s.key && s.head < len(s.due) && it.Time >= s.due[s.head]-early
	if drop {
		s.head++
	}
	s.drop[session.Resp] = drop
	it.Time -= s.earlier
	return drop
}

// sent moves what the originator sends to when it was typed; it reports whether
// it is chaff.
func (s *showing) sent(d *draft, it *item) bool {
	keys := d.in.Keys
	way := d.path.oneWay(session.Orig)
	at := it.Time - way
	for s.next < len(keys) && keys[s.next] < at-keyTail {
		s.next++
	}
	sized := it.payload() && it.Bytes == s.key
	chaff := sized && it.Time-s.grid < combTo
	if sized {
		s.grid = it.Time
	}
	if it.payload() && it.Bytes <= keyMost && s.next < len(keys) && keys[s.next] <= at+keyEarly {
		pressed := max(min(keys[s.next]+way, it.Time), s.last)
		for s.next < len(keys) && keys[s.next] <= at {
			s.next++
		}
		s.earlier, it.Time, chaff = it.Time-pressed, pressed, false
	}
	s.drop[session.Orig] = chaff
	if chaff {
		s.due = append(s.due, s.grid+2*d.path.oneWay(session.Resp))
		return true
	}
	s.last = it.Time
	return false
}

// ordered sorts items of which some were moved, so that each direction keeps its
// order and messages follow their packets.
func (d *draft) ordered() {
	var last [2]int64
	for i := range d.items {
		it := &d.items[i]
		it.Time = max(it.Time, 0)
		if it.from.First != Chaff {
			it.Time = max(it.Time, last[it.Dir])
			last[it.Dir] = it.Time
		}
	}
	d.sort()
}

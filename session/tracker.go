package session

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"tyto/packet"
)

// Handler is told what happens in the sessions of a Tracker.
type Handler interface {
	// Data delivers the next bytes of a stream in order, or the payload of a
	// datagram. It returns false when it wants no more of the session's bytes.
	// It may exchange the session's roles with Session.Flip.
	Data(s *Session, dir Direction, data []byte, now int64) (more bool)
	// Gap tells that the next n bytes of a stream are not in the capture.
	Gap(s *Session, dir Direction, n int, now int64) (more bool)
	// Anomaly tells of something that should not happen in the transport.
	Anomaly(s *Session, name string, now int64)
	// Ended is called once, when the session is over. It is valid until Ended
	// returns.
	Ended(s *Session, now int64)
}

// Config are a Tracker's settings. The zero value is Zeek's.
type Config struct {
	// Memory is how many bytes the tracker and its handler may hold; 0 is no
	// limit. Detail is shed before sessions are.
	Memory int
	// HandlerBytes returns what the handler holds of that; nil: nothing.
	HandlerBytes func() int
	// ServerPort reports whether servers usually have the port: what decides the
	// roles of a session whose start was not captured. Nil: ports below 1024.
	ServerPort func(proto uint8, port uint16) bool
}

// Time-outs in nanoseconds of packet time, as Zeek's defaults.
const (
	timeoutTCP     = 300e9 // no packet in an open session
	timeoutUDP     = 60e9
	timeoutOther   = 60e9
	timeoutAttempt = 5e9  // SYN without an answer
	timeoutClosed  = 5e9  // after the last packet of a closed session
	timeoutHalf    = 60e9 // one side closed, the other silent
)

// Counters are what a Tracker did so far.
type Counters struct {
	Packets        uint64 // packets that belong to a session
	Sessions       uint64 // sessions started
	ShedSessions   uint64 // sessions ended early to keep the memory budget
	ShedStreams    uint64 // out-of-order segments given up for the budget
	ShedSeries     uint64 // packets missing in series
	Gaps           uint64
	GapBytes       uint64
	Retransmits    uint64
	PeakSessions   int
	ActiveSessions int
}

// links are the places of a session in the Tracker's lists.
type links struct {
	tag        uint32 // of the end points, in the table
	id         uint32
	next, prev uint32 // neighbours in the timer slot, or the free list
	slot       uint16 // timer slot
	oneWay     bool   // ICMP message without a counterpart
	differs    bool   // retransmission with other bytes was told
}

// Tracker follows the sessions of one shard. It is not for use by several
// goroutines at once.
type Tracker struct {
	Counters Counters

	config  Config
	handler Handler
	pool    *Pool
	table   table
	slabs   [][]Session
	used    uint32 // sessions ever taken from the slabs
	free    uint32
	active  int
	streams []*Stream // by tcpSide.stream - 1
	spare   []uint32
	waiting int // bytes in streams
	wheel   [wheelSlots]uint32
	second  int64 // latest second the wheel was turned to
	due     []uint32
}

const (
	slabSessions = 512
	wheelSlots   = 512 // seconds: more than the longest time-out
)

// NewTracker returns a tracker whose series use the blocks of a pool.
func NewTracker(h Handler, pool *Pool, c Config) *Tracker {
	if c.ServerPort == nil {
		c.ServerPort = func(_ uint8, port uint16) bool { return port < 1024 }
	}
	if c.Memory > 0 {
		pool.Limit = c.Memory / 3
	}
	t := &Tracker{config: c, handler: h, pool: pool}
	t.table.grow()
	return t
}

const sessionBytes = 384 // size of Session: six cache lines (asserted by a test)

// Bytes returns about how much memory the tracker holds, without its handler.
func (t *Tracker) Bytes() int {
	return t.active*sessionBytes + 8*len(t.table.slots) + t.waiting + t.pool.Bytes()
}

func (t *Tracker) at(id uint32) *Session {
	return &t.slabs[(id-1)/slabSessions][(id-1)%slabSessions]
}

// Packet takes the next packet of the shard. Parent is the session of the
// tunnel it came out of, zero for none. Packets without an IP header, and
// fragments, are ignored.
func (t *Tracker) Packet(p *packet.Packet, hash uint64, parent UID) {
	if p.Version == 0 || p.Fragment {
		return
	}
	t.Counters.Packets++
	k, oneWay := tupleOf(p)
	tag := t.tag(&k, hash)
	s, dir := t.find(&k, tag, oneWay)
	if s != nil && t.reused(s, dir, p) {
		t.end(s, p.Time)
		s = nil
	}
	if s == nil {
		s, dir = t.start(p, k, tag, oneWay, parent)
	}
	s.Last = max(s.Last, p.Time)
	if p.Cut {
		s.Flags |= Cut
	}
	if s.MACs[dir].IsZero() && !p.EthSrc.IsZero() {
		s.MACs[dir], s.MACs[dir.Other()] = p.EthSrc, p.EthDst
	}
	e := &s.Sides[dir]
	e.Packets++
	e.IPBytes += uint64(p.IPBytes)
	if k.Proto == packet.ProtoTCP && p.Transport {
		t.tcp(s, dir, p)
		return
	}
	t.datagram(s, dir, p)
}

// tupleOf returns the end points of a packet, sender first, and whether the
// packet is an ICMP message that has no answer.
func tupleOf(p *packet.Packet) (k Tuple, oneWay bool) {
	k = Tuple{Orig: p.Src, Resp: p.Dst, Proto: p.Proto}
	switch p.Proto {
	case packet.ProtoICMP, packet.ProtoICMPv6:
		if !p.Transport {
			return k, true
		}
		k.OrigPort, k.RespPort = p.SrcPort, p.DstPort
		if other, ok := counterpart(p.Proto, uint8(p.SrcPort)); ok {
			k.RespPort = uint16(other)
			return k, false
		}
		return k, true
	}
	if p.Transport {
		k.OrigPort, k.RespPort = p.SrcPort, p.DstPort
	}
	return k, false
}

// pairs4 and pairs6 are the ICMP and ICMPv6 types that ask and answer: echo,
// router and neighbour discovery, timestamps, listener queries.
var (
	pairs4 = [...][2]uint8{{8, 0}, {10, 9}, {13, 14}, {15, 16}, {17, 18}}
	pairs6 = [...][2]uint8{{128, 129}, {130, 131}, {133, 134}, {135, 136}, {139, 140}, {144, 145}}
)

// counterpart returns the type that answers, or is answered by, an ICMP type.
func counterpart(proto, typ uint8) (uint8, bool) {
	pairs := pairs4[:]
	if proto == packet.ProtoICMPv6 {
		pairs = pairs6[:]
	}
	for _, p := range pairs {
		switch typ {
		case p[0]:
			return p[1], true
		case p[1]:
			return p[0], true
		}
	}
	return 0, false
}

// tag returns what a packet's session has in the table.
func (t *Tracker) tag(k *Tuple, hash uint64) uint32 {
	if t.table.key != nil {
		return t.table.key.tag(k)
	}
	return uint32(hash)
}

// rekey enters all sessions anew, with a key that nobody knows.
func (t *Tracker) rekey() {
	old := t.table.slots
	t.table = table{slots: make([]slot, len(old)), key: newHashKey()}
	for _, sl := range old {
		if sl.id == 0 {
			continue
		}
		s := t.at(sl.id)
		s.link.tag = t.table.key.tag(&s.Tuple)
		t.table.add(s.link.tag, sl.id)
	}
}

func (t *Tracker) find(k *Tuple, tag uint32, oneWay bool) (*Session, Direction) {
	mask := uint32(len(t.table.slots) - 1)
	for i := tag & mask; ; i = (i + 1) & mask {
		sl := t.table.slots[i]
		if sl.id == 0 {
			return nil, Orig
		}
		if sl.tag != tag {
			continue
		}
		s := t.at(sl.id)
		if s.Proto != k.Proto || s.link.oneWay != oneWay {
			continue
		}
		if s.Tuple == *k {
			return s, Orig
		}
		if !oneWay && s.OrigPort == k.RespPort && s.RespPort == k.OrigPort && s.Orig == k.Resp && s.Resp == k.Orig {
			return s, Resp
		}
	}
}

// reused reports whether a packet starts a new session between the end points
// of one that is over.
func (t *Tracker) reused(s *Session, dir Direction, p *packet.Packet) bool {
	if p.Proto != packet.ProtoTCP || p.Flags&(packet.SYN|packet.ACK|packet.RST|packet.FIN) != packet.SYN {
		return false
	}
	me, peer := &s.Sides[dir].tcp, &s.Sides[dir.Other()].tcp
	if me.phase == inactive || me.noted&notedSYN != 0 && p.Seq == me.start {
		return false // the other half of a handshake, or a SYN sent again
	}
	over := me.phase == closed || me.phase == reset || peer.phase == closed || peer.phase == reset
	return over || (me.phase == established || me.phase == partial) && p.Time-s.Last > timeoutClosed
}

func (t *Tracker) start(p *packet.Packet, k Tuple, tag uint32, oneWay bool, parent UID) (*Session, Direction) {
	var id uint32
	if t.free != 0 {
		id = t.free
		t.free = t.at(id).link.next
	} else {
		if int(t.used) == len(t.slabs)*slabSessions {
			t.slabs = append(t.slabs, make([]Session, slabSessions))
		}
		t.used++
		id = t.used
	}
	s := t.at(id)
	*s = Session{Tuple: k, First: p.Time, Last: p.Time, Parent: parent, VLAN: p.VLAN, InnerVLAN: p.InnerVLAN}
	s.link = links{tag: tag, id: id, oneWay: oneWay}
	if p.NOuters > 0 {
		s.Tunnel = p.Rare.Outers[p.NOuters-1].Kind
	}
	s.UID = newUID(&k, p.Time, p.Index)
	dir := Orig
	flipped := t.flipped(p, &k)
	if flipped {
		s.Flip()
		dir = Resp
	}
	switch {
	case k.Proto != packet.ProtoTCP:
		if flipped {
			s.Flags |= RolesGuess
		}
	case p.Flags&packet.SYN == 0:
		s.Flags |= MidSession | RolesGuess
	}
	if !t.table.add(tag, id) {
		t.rekey()
	}
	t.schedule(s)
	t.active++
	t.Counters.Sessions++
	t.Counters.PeakSessions = max(t.Counters.PeakSessions, t.active)
	return s, dir
}

// flipped reports whether the sender of a session's first packet is its
// responder.
func (t *Tracker) flipped(p *packet.Packet, k *Tuple) bool {
	switch k.Proto {
	case packet.ProtoTCP:
		switch p.Flags & (packet.SYN | packet.ACK) {
		case packet.SYN | packet.ACK:
			return true
		case packet.SYN:
			return false
		}
	case packet.ProtoUDP, packet.ProtoSCTP:
	default:
		return false
	}
	if p.Dst.IsMulticast() {
		return false
	}
	return t.portRank(k.Proto, k.OrigPort) > t.portRank(k.Proto, k.RespPort)
}

func (t *Tracker) portRank(proto uint8, port uint16) int {
	switch {
	case t.config.ServerPort(proto, port):
		return 2
	case port < 1024 && port > 0:
		return 1
	}
	return 0
}

// newUID mixes what makes a session unique: its end points, start and frame.
func newUID(k *Tuple, now int64, index uint64) UID {
	w := func(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
	ports := uint64(k.OrigPort)<<24 | uint64(k.RespPort)<<8 | uint64(k.Proto)
	a := mix(w(k.Orig[:])^0x9e3779b97f4a7c15, w(k.Orig[8:])^uint64(now))
	b := mix(w(k.Resp[:])^0xe7037ed1a0b428db, w(k.Resp[8:])^index)
	c := mix(ports^0x8ebc6af09c88c6e3, uint64(now)^bits.RotateLeft64(index, 32)^0x589965cc75374cc3)
	return UID{mix(a^c, b^0x1d8e4e27c47d124f), mix(b^c, a^0xa0761d6478bd642f)}
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// datagram handles what is not TCP.
func (t *Tracker) datagram(s *Session, dir Direction, p *packet.Packet) {
	e := &s.Sides[dir]
	e.Bytes += uint64(p.PayloadBytes)
	if s.Proto == packet.ProtoUDP && p.PayloadBytes > 0 {
		s.noteOnce(dir, &e.tcp, notedData, 'd')
	}
	if p.PayloadBytes > 0 {
		s.Series.AddPacket(t.pool, p.Time, dir, 0, int(p.PayloadBytes))
	}
	if s.Flags&Quiet != 0 || len(p.Payload) == 0 {
		return
	}
	if s.Proto != packet.ProtoSCTP {
		if !t.handler.Data(s, dir, p.Payload, p.Time) {
			s.Flags |= Quiet
		}
		return
	}
	flips := s.Flags & Flipped
	sctpMessages(p.Payload, func(message []byte) bool {
		if s.Flags&Flipped != flips {
			dir, flips = dir.Other(), s.Flags&Flipped
		}
		if !t.handler.Data(s, dir, message, p.Time) {
			s.Flags |= Quiet
		}
		return s.Flags&Quiet == 0
	})
}

// tcp handles a segment.
func (t *Tracker) tcp(s *Session, dir Direction, p *packet.Packet) {
	me, peer := &s.Sides[dir].tcp, &s.Sides[dir.Other()].tcp
	flags, n := p.Flags, p.PayloadBytes
	syn, fin, rst, ack := flags&packet.SYN != 0, flags&packet.FIN != 0, flags&packet.RST != 0, flags&packet.ACK != 0

	length := n
	if rst {
		length = 0
	}
	if syn {
		length++
	}
	if fin {
		length++
	}
	t.begin(s, me, p, syn)
	if syn && ack == (dir == Resp) {
		s.Flags &^= RolesGuess // the handshake came late, and agrees
	}
	pos, ok := me.position(p.Seq, me.last)
	if me.phase == inactive && !syn {
		pos = 1
	}
	s.tcpHistory(dir, me, flags, pos, n)
	t.window(s, dir, me, peer, p)
	if fin {
		me.fins = min(me.fins+1, 200)
	}
	opens := ack && !syn && dir == Orig && peer.acked == 0 && peer.last == 1 // the last packet of a handshake: what round trips are measured with
	var acked uint64
	if ack {
		if peer.phase == inactive {
			peer.start = p.Ack - 1
			peer.last, peer.next, acked = 0, 1, 1
		} else if a, ok := peer.position(p.Ack, peer.acked); ok && !rst {
			acked = a
			if a > peer.acked && (p.Ack != 0 || a-peer.acked < 1<<20) {
				peer.acked = a
			}
		}
	}
	end := pos + uint64(length)
	jump := (syn || rst) && (end > me.last+1<<20 || me.last > end+1<<20)
	repeat := uint8(0)
	switch {
	case jump && me.last > 0 || me.phase == reset:
	case end > me.last:
		me.last = end
	case n > 0:
		repeat = Repeat
		t.Counters.Retransmits++
		s.noteRepeat(dir, me, repeatRetransmit, 't')
	}
	before := me.phase
	if s.tcpTransition(dir, me, peer, flags, n) {
		s.Flip()
		dir = dir.Other()
		me, peer = &s.Sides[dir].tcp, &s.Sides[dir.Other()].tcp
	}
	if me.phase != before || fin || rst {
		if fin || rst {
			me.done = true
		}
		t.reschedule(s)
	}
	s.Sides[dir].Bytes = me.payloadBytes(peer)

	if n > 0 || flags&(packet.SYN|packet.FIN|packet.RST) != 0 || opens {
		s.Series.AddPacket(t.pool, p.Time, dir, uint8(flags&(packet.FIN|packet.SYN|packet.RST|packet.PSH))|repeat, int(n))
	}
	if n > 0 && !rst && ok {
		at := pos
		if syn {
			at++
		}
		dir = t.segment(s, dir, at, n, p.Payload, p.Time)
		peer = &s.Sides[dir.Other()].tcp
	}
	if ack && acked > 0 && peer.stream != 0 && !rst && !fin {
		t.acknowledged(s, dir.Other(), p.Time)
	}
}

// begin sets the start of a side's stream at its first packet, and again if a
// later SYN shows that it was guessed wrong.
func (t *Tracker) begin(s *Session, me *tcpSide, p *packet.Packet, syn bool) {
	switch me.phase {
	case inactive:
		me.start = p.Seq
		if !syn {
			me.start--
		}
		me.last, me.next = 0, 1
		if !syn {
			me.last = 1
		}
	case synSent, synAckSent, established, partial:
		if syn && p.Seq != me.start {
			if me.last > 1 {
				t.handler.Anomaly(s, "SYN_seq_jump", p.Time)
			}
			me.start, me.last, me.next, me.acked = p.Seq, 0, 1, 0
			t.dropStream(me)
		}
	}
}

// window notes closed receive windows.
func (t *Tracker) window(s *Session, dir Direction, me, peer *tcpSide, p *packet.Packet) {
	if p.Flags&packet.SYN != 0 && p.HasWScale {
		me.wscale = min(p.WScale, 14)
	}
	if p.Window == 0 && p.Flags&packet.RST == 0 && peer.phase != closed && me.phase != reset {
		s.noteRepeat(dir, me, repeatWindow, 'w')
	}
}

// segment delivers what has come in order, and keeps what has not. It returns
// the direction anew: the handler may exchange the roles.
func (t *Tracker) segment(s *Session, dir Direction, at uint64, n uint32, data []byte, now int64) Direction {
	me := &s.Sides[dir].tcp
	end := at + uint64(n)
	if end <= me.next {
		return dir
	}
	if at < me.next {
		k := me.next - at
		data, at, n = tail(data, k), me.next, n-uint32(k)
	}
	if at == me.next && me.stream == 0 {
		me.next = end
		return t.deliver(s, dir, data, n, now)
	}
	if at > me.next && me.stream == 0 && me.acked >= at {
		// The other side has the bytes in between: the capture lost them.
		dir = t.gap(s, dir, at, now)
		s.Sides[dir].tcp.next = end
		return t.deliver(s, dir, data, n, now)
	}
	st := t.stream(me)
	before := st.bytes
	if s.Flags&Quiet != 0 {
		data = nil
	}
	if st.add(at, n, slices.Clone(data)) && !s.link.differs {
		s.link.differs = true
		t.handler.Anomaly(s, "rexmit_inconsistency", now)
	}
	t.waiting += st.bytes - before
	dir = t.drain(s, dir, now)
	me = &s.Sides[dir].tcp
	over := t.config.Memory > 0 && t.overBudget()
	for me.stream != 0 && (t.streams[me.stream-1].full() || over) {
		if over {
			t.Counters.ShedStreams++
		}
		dir = t.skipHole(s, dir, now)
		me = &s.Sides[dir].tcp
	}
	return dir
}

// acknowledged gives up waiting for bytes that the other side has received.
func (t *Tracker) acknowledged(s *Session, dir Direction, now int64) {
	for {
		me := &s.Sides[dir].tcp
		if me.stream == 0 || me.acked < t.streams[me.stream-1].segments[0].at {
			return
		}
		dir = t.skipHole(s, dir, now)
	}
}

// skipHole tells the first hole as a gap and delivers what follows it.
func (t *Tracker) skipHole(s *Session, dir Direction, now int64) Direction {
	me := &s.Sides[dir].tcp
	dir = t.gap(s, dir, t.streams[me.stream-1].segments[0].at, now)
	return t.drain(s, dir, now)
}

// drain delivers what is in order now.
func (t *Tracker) drain(s *Session, dir Direction, now int64) Direction {
	for {
		me := &s.Sides[dir].tcp
		if me.stream == 0 {
			return dir
		}
		st := t.streams[me.stream-1]
		if len(st.segments) == 0 {
			t.dropStream(me)
			return dir
		}
		if st.segments[0].at > me.next {
			return dir
		}
		before := st.bytes
		g := st.pop()
		t.waiting += st.bytes - before
		if len(st.segments) == 0 {
			t.dropStream(me)
		}
		end := g.at + uint64(g.n)
		if end <= me.next {
			continue
		}
		data := tail(g.data, me.next-g.at)
		n := uint32(end - me.next)
		me.next = end
		dir = t.deliver(s, dir, data, n, now)
	}
}

// deliver hands n bytes of a stream on, of which the capture may hold fewer.
func (t *Tracker) deliver(s *Session, dir Direction, data []byte, n uint32, now int64) Direction {
	if s.Flags&Quiet != 0 {
		return dir
	}
	flips := s.Flags & Flipped
	more := true
	if len(data) > 0 {
		more = t.handler.Data(s, dir, data, now)
	}
	if s.Flags&Flipped != flips {
		dir = dir.Other()
	}
	if more && len(data) < int(n) {
		more = t.handler.Gap(s, dir, int(n)-len(data), now)
	}
	if !more {
		s.Flags |= Quiet
	}
	return dir
}

// gap tells that the bytes before position at are missing.
func (t *Tracker) gap(s *Session, dir Direction, at uint64, now int64) Direction {
	me := &s.Sides[dir].tcp
	n := at - me.next
	if n == 0 {
		return dir
	}
	me.next = at
	s.Sides[dir].Missed += n
	t.Counters.Gaps++
	t.Counters.GapBytes += n
	s.noteRepeat(dir, me, repeatGap, 'g')
	if s.Flags&Quiet != 0 {
		return dir
	}
	flips := s.Flags & Flipped
	if !t.handler.Gap(s, dir, int(min(n, 1<<40)), now) {
		s.Flags |= Quiet
	}
	if s.Flags&Flipped != flips {
		return dir.Other()
	}
	return dir
}

func (t *Tracker) stream(me *tcpSide) *Stream {
	if me.stream == 0 {
		if n := len(t.spare); n > 0 {
			me.stream, t.spare = t.spare[n-1], t.spare[:n-1]
		} else {
			t.streams = append(t.streams, new(Stream))
			me.stream = uint32(len(t.streams))
		}
	}
	return t.streams[me.stream-1]
}

func (t *Tracker) dropStream(me *tcpSide) {
	if me.stream == 0 {
		return
	}
	st := t.streams[me.stream-1]
	t.waiting -= st.bytes
	clear(st.segments)
	st.segments, st.bytes = st.segments[:0], 0
	if cap(st.segments) > 64 {
		st.segments = nil
	}
	t.spare = append(t.spare, me.stream)
	me.stream = 0
}

// deadline returns when a session ends if no packet follows.
func (t *Tracker) deadline(s *Session) int64 {
	switch s.Proto {
	case packet.ProtoTCP:
		o, r := &s.Sides[Orig].tcp, &s.Sides[Resp].tcp
		switch {
		case (o.phase == synSent || o.phase == synAckSent) && r.phase == inactive:
			return s.First + timeoutAttempt
		case o.phase == reset || r.phase == reset || o.phase == closed && r.phase == closed:
			return s.Last + timeoutClosed
		case o.done || r.done:
			return s.Last + timeoutHalf
		}
		return s.Last + timeoutTCP
	case packet.ProtoUDP:
		return s.Last + timeoutUDP
	}
	return s.Last + timeoutOther
}

// schedule puts a session into the timer slot of its deadline. Most deadlines
// move with every packet; they are looked at again when the slot comes up, so
// a packet costs nothing here.
func (t *Tracker) schedule(s *Session) {
	due := t.deadline(s)/1e9 + 1
	due = min(max(due, t.second+1), t.second+wheelSlots-1)
	slot := uint16(uint64(due) % wheelSlots)
	head := t.wheel[slot]
	s.link.slot, s.link.prev, s.link.next = slot, 0, head
	if head != 0 {
		t.at(head).link.prev = s.link.id
	}
	t.wheel[slot] = s.link.id
}

func (t *Tracker) unschedule(s *Session) {
	l := &s.link
	if l.prev != 0 {
		t.at(l.prev).link.next = l.next
	} else {
		t.wheel[l.slot] = l.next
	}
	if l.next != 0 {
		t.at(l.next).link.prev = l.prev
	}
}

func (t *Tracker) reschedule(s *Session) {
	t.unschedule(s)
	t.schedule(s)
}

// Advance tells that packet time has reached now: sessions whose time is over
// end, in order of their start. It is to be called at moments that do not
// depend on how packets are spread over shards.
func (t *Tracker) Advance(now int64) {
	sec := now / 1e9
	if t.second == 0 {
		if t.active == 0 {
			t.second = sec
			return
		}
		// Sessions that started before the first call are in slots of second 0.
		t.second = sec - wheelSlots
	}
	if sec <= t.second {
		t.shed(now)
		return
	}
	for t.second = max(t.second, sec-wheelSlots) + 1; ; t.second++ {
		t.due = t.due[:0]
		for id := t.wheel[uint64(t.second)%wheelSlots]; id != 0; id = t.at(id).link.next {
			t.due = append(t.due, id)
		}
		over := t.due[:0]
		for _, id := range t.due {
			s := t.at(id)
			if t.deadline(s) >= now {
				t.reschedule(s)
				continue
			}
			over = append(over, id)
		}
		t.endAll(over, now)
		if t.second == sec {
			break
		}
	}
	t.shed(now)
}

// endAll ends sessions in order of their start.
func (t *Tracker) endAll(ids []uint32, now int64) {
	slices.SortFunc(ids, func(a, b uint32) int {
		x, y := t.at(a), t.at(b)
		switch {
		case x.First != y.First:
			if x.First < y.First {
				return -1
			}
			return 1
		case x.UID[0] != y.UID[0]:
			if x.UID[0] < y.UID[0] {
				return -1
			}
			return 1
		}
		return 0
	})
	for _, id := range ids {
		t.end(t.at(id), now)
	}
}

// FlushSteps is how many calls of Flush end all sessions.
const FlushSteps = 64

// Flush ends a part of the sessions: the capture is over. It is called with the
// steps 0 to FlushSteps-1, so that the records of a million sessions need not be
// held at once.
func (t *Tracker) Flush(step int, now int64) {
	const slots = wheelSlots / FlushSteps
	t.due = t.due[:0]
	for i := step * slots; i < (step+1)*slots; i++ {
		slot := uint64(t.second+1+int64(i)) % wheelSlots
		for id := t.wheel[slot]; id != 0; id = t.at(id).link.next {
			t.due = append(t.due, id)
		}
	}
	t.endAll(t.due, now)
}

// end finishes a session and gives its memory back.
func (t *Tracker) end(s *Session, now int64) {
	for d := range s.Sides {
		dir := Direction(d)
		for s.Sides[dir].tcp.stream != 0 {
			dir = t.skipHole(s, dir, now)
		}
	}
	if s.Proto == packet.ProtoTCP {
		for d := range s.Sides {
			t.unseen(s, Direction(d))
		}
	}
	s.State = finalState(s)
	t.Counters.ShedSeries += uint64(s.Series.Dropped)
	t.handler.Ended(s, now)
	s.Series.Free(t.pool)
	t.unschedule(s)
	t.table.remove(s.link.tag, s.link.id)
	t.active--
	s.link.next = t.free
	t.free = s.link.id
}

// unseen counts bytes at the end of a stream that were acknowledged and are not
// in the capture. A FIN or RST makes the last acknowledgement unreliable.
func (t *Tracker) unseen(s *Session, dir Direction) {
	e := &s.Sides[dir]
	me := &e.tcp
	if me.phase == inactive || me.done || me.acked <= me.next {
		return
	}
	e.Missed += me.acked - me.next
	s.noteRepeat(dir, me, repeatGap, 'g')
}

func (t *Tracker) overBudget() bool {
	n := t.Bytes()
	if t.config.HandlerBytes != nil {
		n += t.config.HandlerBytes()
	}
	return n > t.config.Memory
}

// shed ends the sessions nearest to their deadline until the budget is kept:
// idle ones first, so what is lost is the least.
func (t *Tracker) shed(now int64) {
	if t.config.Memory == 0 || !t.overBudget() {
		return
	}
	for i := int64(1); i < wheelSlots && t.overBudget(); i++ {
		slot := uint64(t.second+i) % wheelSlots
		t.due = t.due[:0]
		for id := t.wheel[slot]; id != 0; id = t.at(id).link.next {
			t.due = append(t.due, id)
		}
		for _, id := range t.due {
			if !t.overBudget() {
				break
			}
			s := t.at(id)
			s.Flags |= Shed
			t.Counters.ShedSessions++
			t.end(s, now)
		}
	}
}

// Active returns the number of sessions being followed.
func (t *Tracker) Active() int { return t.active }

// Has reports whether the tracker follows a session with the packet's end
// points, and returns it.
func (t *Tracker) Has(k Tuple, hash uint64) (*Session, bool) {
	s, _ := t.find(&k, t.tag(&k, hash), false)
	return s, s != nil
}

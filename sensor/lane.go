package sensor

import (
	"net/netip"

	"tyto/behavior"
	"tyto/detection"
	"tyto/entity"
	"tyto/internal/intern"
	"tyto/internal/record"
	"tyto/packet"
	"tyto/protocol"
	"tyto/sequence"
	"tyto/session"
)

// lanes is the number of shards. It does not depend on the number of cores, so
// that neither does what is found: a worker serves several lanes.
const lanes = 16

// networks are the home networks.
type networks []netip.Prefix

func (n networks) has(a packet.Addr) bool {
	if n == nil {
		return a.IsPrivate()
	}
	ip := a.Netip()
	for _, p := range n {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// lane is one shard: its sessions, their protocols, and where their records go.
type lane struct {
	set     *protocol.Set
	home    networks
	pool    session.Pool
	tracker *session.Tracker
	engine  *protocol.Engine
	summary *Summary       // nil if nobody will read it
	reader  *entity.Reader // of facts; nil if there is no graph
	ended   func(*session.Session, *session.Pool)
	streams []stream // what is written, by output
	chunk   *chunk
	key     uint64 // place of the next record in the order of the job
	now     int64
	scratch []byte
	open    []hole       // what the record being written lacks
	latest  []identified // by stream
	sheets  *sheets      // nil if nobody detects
	match   *matching    // nil if there are no lists and rules
	hearing *hearing     // nil if nobody listens
	// recovered are the messages of the session that is being told, nil until asked
	// for.
	recovered *sequence.Sequence
	said      []behavior.Label // of that session: what protocols prove
	carrier   bool             // its sessions are those of tunnels
	counts    counts
	names     intern.Strings
	loose     loose               // nil unless frames are kept
	series    int                 // stream of series records, or noStream
	text      []byte              // of one
	marks     map[session.UID]int // anomalies told, of sessions that are Marked
}

// counts are a lane's parts of the stats record.
type counts struct {
	sessions, records, anomalies, shedRecords uint64
}

// stream is one output: the JSON lines, or one log.
type stream struct {
	schema *record.Schema // of the records it takes; nil for all
	format record.Format
}

// chunk is what a worker wrote during a job, in order: entries, and their text
// in pieces of about pieceBytes.
type chunk struct {
	enc     record.Encoder // holds the piece being written
	entries []entry
	holes   []hole
	// What the writer is told besides records, in the order of entries.
	answers      []answer
	expectations []expectation
	unnamed      []unnamed
	facts        []entity.Fact
	sessions     []detection.Session
	full         [][]byte // pieces before it
	spare        [][]byte
}

// entry is one record: where its text ends in its piece. It starts where the
// one before ends.
type entry struct {
	key    uint64
	stream uint16 // or what it is instead of a record
	holes  uint8  // how many of the next of holes, or facts, belong to it
	piece  uint32
	end    uint32
}

// Entries without text: the next of the list of their name.
const (
	answerEntry = 0xffff - iota
	expectationEntry
	unnamedEntry
	factEntry
	sessionEntry
)

const (
	pieceBytes  = 128 << 10
	spareBytes  = 8 << 10 // room for a record that crosses the end
	sparePieces = 8       // kept by a chunk for its next job
)

func (c *chunk) reset() {
	for _, b := range c.full {
		if len(c.spare) < sparePieces && cap(b) <= 2*pieceBytes {
			c.spare = append(c.spare, b[:0])
		}
	}
	clear(c.full)
	c.full = c.full[:0]
	c.enc.Buf = c.enc.Buf[:0]
	c.entries = c.entries[:0]
	clear(c.answers)
	clear(c.facts)
	clear(c.sessions)
	c.sessions = c.sessions[:0]
	c.facts = c.facts[:0]
	c.answers, c.expectations, c.unnamed, c.holes = c.answers[:0], c.expectations[:0], c.unnamed[:0], c.holes[:0]
}

// tell places something without text in the order of records.
func (c *chunk) tell(key uint64, kind uint16) {
	c.entries = append(c.entries, entry{key: key, stream: kind})
}

// done notes that a record was written that lacks something at so many places.
func (c *chunk) done(key uint64, stream uint16, holes int) {
	n := len(c.enc.Buf)
	c.entries = append(c.entries, entry{key, stream, uint8(holes), uint32(len(c.full)), uint32(n)})
	if n < pieceBytes {
		return
	}
	c.full = append(c.full, c.enc.Buf)
	if k := len(c.spare); k > 0 {
		c.enc.Buf, c.spare = c.spare[k-1], c.spare[:k-1]
	} else {
		c.enc.Buf = make([]byte, 0, pieceBytes+spareBytes)
	}
}

// text returns the bytes of a piece up to end.
func (c *chunk) text(piece, from, end uint32) []byte {
	if int(piece) < len(c.full) {
		return c.full[piece][from:end]
	}
	return c.enc.Buf[from:end]
}

// write encodes a record for every stream that takes its kind.
func (l *lane) write(s *session.Session, schema *record.Schema, at int64, appendTo func(e *record.Encoder)) {
	for i := range l.streams {
		st := &l.streams[i]
		if st.schema != nil && st.schema != schema || st.schema == nil && schema == NoticeSchema {
			continue
		}
		e := &l.chunk.enc
		e.Format = st.format
		e.Begin2(schema, record.Identity)
		e.Time(at)
		l.identify(i, e, s)
		e.Sub(schema)
		appendTo(e)
		e.End()
		l.chunk.holes = append(l.chunk.holes, l.open...)
		l.chunk.done(l.key, uint16(i), len(l.open))
		l.open = l.open[:0]
	}
}

// identify writes the fields of record.Identity that follow the time. Records of one
// session often come in a row: the text of the latest is kept.
func (l *lane) identify(stream int, e *record.Encoder, s *session.Session) {
	last := &l.latest[stream]
	if len(last.text) > 0 && last.uid == s.UID && last.flipped == s.Flags&session.Flipped {
		e.Again(last.text, len(record.Identity.Fields)-1)
		return
	}
	n := len(e.Buf)
	appendEnds(e, s)
	*last = identified{s.UID, s.Flags & session.Flipped, append(last.text[:0], e.Buf[n:]...)}
}

// identified is a session's identity as text.
type identified struct {
	uid     session.UID
	flipped session.Flags
	text    []byte
}

// Record implements protocol.Sink.
func (l *lane) Record(f *protocol.Flow, r protocol.Record) {
	l.counts.records++
	if l.reader != nil {
		l.learn(l.reader.Record(l.chunk.facts, f.Session, f.Now, r))
	}
	if l.sheets != nil {
		l.sheets.record(f.Session, f.Now, r)
	}
	l.match.record(l, f.Session, f.Now, r)
	if len(l.streams) == 0 {
		return
	}
	l.write(f.Session, r.Schema(), f.Now, r.Append)
}

// maxAnomalies is how many anomalies one session may tell.
const maxAnomalies = 32

// Anomaly implements protocol.Sink.
func (l *lane) Anomaly(f *protocol.Flow, a protocol.Anomaly) { l.anomaly(f.Session, a, f.Now) }

func (l *lane) anomaly(s *session.Session, a protocol.Anomaly, now int64) {
	n := l.marks[s.UID]
	if n >= maxAnomalies {
		l.counts.shedRecords++
		return
	}
	l.marks[s.UID] = n + 1
	s.Flags |= session.Marked
	l.counts.anomalies++
	if l.summary != nil {
		l.summary.anomaly(s, a)
	}
	l.write(s, AnomalySchema, now, func(e *record.Encoder) {
		e.Str(a.Name)
		e.Str(a.Detail)
		e.Bool(false)
		e.Str("tyto")
		e.Str(a.Source)
	})
}

// Observe implements protocol.Sink.
func (l *lane) Observe(f *protocol.Flow, o protocol.Observation) { l.observe(f.Session, o, f.Now) }

func (l *lane) observe(s *session.Session, o protocol.Observation, now int64) {
	if l.summary != nil {
		l.summary.observe(s, o, now)
	}
	if l.reader != nil {
		l.learn(l.reader.Observe(l.chunk.facts, s, now, &o))
	}
	if l.sheets != nil {
		l.sheets.observe(s, &o, now)
	}
	note, msg := "", ""
	switch o.Kind {
	case protocol.DomainName:
		if len(l.streams) > 0 || l.sheets != nil {
			l.chunk.answers = append(l.chunk.answers, answer{resolution{s.Orig, o.Addr}, l.names.Clone(o.Value), now})
			l.chunk.tell(l.key, answerEntry)
		}
		return
	case protocol.Expected:
		l.expect(o, now)
		return
	case protocol.Credential:
		note, msg = "Cleartext_Credential", "A credential crossed the network in the clear."
	case protocol.LoginFailed:
		note, msg = "Login_Failed", "A login was refused."
	case protocol.Certificate:
		note, msg = "Certificate", "The server's certificate should not be trusted."
	case protocol.Tunnel:
		note, msg = "Tunnel", "The session carries other traffic."
	default:
		return
	}
	l.write(s, NoticeSchema, now, func(e *record.Encoder) {
		e.Str(note)
		e.Str(msg)
		e.Str(o.Value)
		appendAddr(e, s.Orig)
		appendAddr(e, s.Resp)
		e.Uint(uint64(s.RespPort))
	})
}

// expect passes an announcement on.
func (l *lane) expect(o protocol.Observation, now int64) {
	app, ok := l.set.AppIndex(o.Value)
	if !ok || o.Port == 0 {
		return
	}
	l.chunk.expectations = append(l.chunk.expectations, expectation{endpoint{o.Addr, o.Port, o.Proto}, app, now})
	l.chunk.tell(l.key, expectationEntry)
}

// handler is what a lane's tracker tells.
type handler struct{ *lane }

func (h handler) Data(s *session.Session, dir session.Direction, data []byte, now int64) bool {
	h.loose.note(s)
	wanted := h.match.payload(h.lane, s, dir, data, now)
	more := h.engine.Data(s, dir, data, now)
	h.hearing.note(s, dir, data)
	return more || wanted
}

func (h handler) Gap(s *session.Session, dir session.Direction, n int, now int64) bool {
	h.match.gap(s, dir)
	return h.engine.Gap(s, dir, n, now)
}

func (h handler) Anomaly(s *session.Session, name string, now int64) {
	h.anomaly(s, protocol.Anomaly{Name: name, Source: "tcp"}, now)
}

func (h handler) Ended(s *session.Session, now int64) {
	l := h.lane
	l.recovered, l.said = nil, l.said[:0]
	l.close(s)
	f := l.engine.Flow(s)
	l.counts.sessions++
	if l.summary != nil {
		l.summary.session(l.set, s, f)
		l.summarize(s, f)
		if nameable(s) {
			l.chunk.unnamed = append(l.chunk.unnamed, unnamed{s.Tuple, s.First, s.Last, volume(s), counted(s)})
			l.chunk.tell(l.key, unnamedEntry)
		}
	}
	if l.carrier && s.App != protocol.Unknown {
		app := l.set.AppName(s.App)
		l.observe(s, protocol.Observation{Kind: protocol.Tunnel, Value: app, Source: app}, s.Last)
	}
	if l.reader != nil && !l.carrier {
		l.learnSession(s, f)
	}
	if l.sheets != nil && !l.carrier {
		l.detect(s, f)
	}
	if len(l.streams) > 0 {
		l.writeSession(s, f)
		l.writeSegments(s)
	}
	l.writeSeries(s)
	l.loose.forget(s)
	if l.ended != nil {
		l.ended(s, &l.pool)
	}
	l.engine.Release(s)
	if s.Flags&session.Marked != 0 {
		delete(l.marks, s.UID)
	}
}

// messages returns the messages of the session that is being told.
func (l *lane) messages(s *session.Session) *sequence.Sequence {
	if l.recovered == nil {
		q := sequence.Recover(s.Proto, s.Series.All(&l.pool))
		l.recovered = &q
	}
	return l.recovered
}

func (l *lane) writeSession(s *session.Session, f *protocol.Flow) {
	l.write(s, SessionSchema, s.First, func(e *record.Encoder) { l.appendSession(e, s, f) })
}

// packet takes the next packet of the lane.
func (l *lane) packet(p *packet.Packet, hash uint64, parent session.UID) {
	l.now = p.Time
	l.tracker.Packet(p, hash, parent)
}

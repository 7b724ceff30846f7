package protocol

import (
	"tyto/packet"
	"tyto/session"
)

// Flow is an analyzer's view of its session, and the way to tell what it read.
// It is valid during the call it is passed to.
type Flow struct {
	// Session as it stands. Analyzers read it and do not change it.
	Session *session.Session
	// Now is the time of the packet at hand, in nanoseconds.
	Now int64

	engine   *Engine
	def      *Definition
	analyzer Analyzer
	idler    Idler // the analyzer, if it is one
	phase    phase
	pending  candidates     // probes that have not said No
	hints    [maxHints]hint // what said Likely, in this order
	count    int
	first    session.Direction
	buf      [2][]byte
	pieces   []byte // what came before recognition, in order
	skip     [2]int
	seen     [2][SeenBytes]byte
	seenLen  [2]int
	hand     string // protocol to hand over to
	handSet  bool
	passing  bool // the datagram at hand comes from another analyzer

	host   *Flow // of a guest
	guests [maxGuests]*Flow
	wanted uint8 // index of the protocol a guest is for

	domain, domainSource string
	id                   uint32
}

type phase uint8

const (
	probing phase = iota
	reading
	finished
)

// Datagram reports whether Parse is given whole datagrams rather than parts of
// a stream.
func (f *Flow) Datagram() bool { return f.Session.Proto != packet.ProtoTCP }

// Addr returns the address of the side that sends in the given direction.
func (f *Flow) Addr(dir session.Direction) packet.Addr {
	if dir == session.Orig {
		return f.Session.Orig
	}
	return f.Session.Resp
}

// Emit tells a record, whose time is that of the packet at hand. The record and
// what it points to may be reused as soon as Emit returns.
func (f *Flow) Emit(r Record) { f.engine.sink.Record(f, r) }

// EmitAt is Emit for a record of another time: that of the query, if it is about
// query and response.
func (f *Flow) EmitAt(r Record, at int64) {
	now := f.Now
	f.Now = at
	f.Emit(r)
	f.Now = now
}

// Shared returns what all analyzers of this engine have in common under a name,
// made by the given function when it is first asked for: a cache, which must be
// small and bounded, and must not change what is told.
func (f *Flow) Shared(name string, make func() any) any {
	v, ok := f.engine.shared[name]
	if !ok {
		v = make()
		f.engine.share(name, v)
	}
	return v
}

// Anomaly tells that something is wrong in the traffic: name in snake_case,
// with a detail of a few words or none.
func (f *Flow) Anomaly(name, detail string) {
	source := ""
	if f.def != nil {
		source = f.def.Name
	}
	f.engine.sink.Anomaly(f, Anomaly{Name: name, Detail: detail, Source: source})
}

// Observe tells a fact about a device, name or account.
func (f *Flow) Observe(o Observation) {
	if o.Source == "" && f.def != nil {
		o.Source = f.def.Name
	}
	f.engine.sink.Observe(f, o)
}

// SetDomain tells the name by which the responder was reached and where it is
// from: "sni", "http", "cert", "dns". The first from the best source stays.
func (f *Flow) SetDomain(name, source string) {
	if f.host != nil {
		f.host.SetDomain(name, source)
		return
	}
	if name == "" || f.domain != "" && domainRank(source) <= domainRank(f.domainSource) {
		return
	}
	f.domain, f.domainSource = name, source
}

func domainRank(source string) int {
	switch source {
	case "sni":
		return 4
	case "http":
		return 3
	case "cert":
		return 2
	case "dns":
		return 1
	}
	return 0
}

// Domain returns what SetDomain was told.
func (f *Flow) Domain() (name, source string) { return f.domain, f.domainSource }

// SetApp gives the session's app a more specific name than its protocol's; it
// must be one of the definition's Apps or the name of a protocol. Others are
// ignored.
func (f *Flow) SetApp(name string) {
	if i, ok := f.engine.set.index[name]; ok {
		f.Session.App = i
	}
}

// AddService adds a protocol to the session's service list, for one that is
// read inside another (gssapi, ntlm). It must be the name of a definition.
func (f *Flow) AddService(name string) {
	if i, ok := f.engine.set.index[name]; ok && int(i) <= len(f.engine.set.defs) {
		f.Session.AddService(uint8(i))
	}
}

// SetEncrypted tells that from here on the session's content cannot be read.
func (f *Flow) SetEncrypted() { f.Session.Flags |= session.Encrypted }

// Message tells that a message of n bytes on the wire (a TLS record, an SSH
// packet) starts or is complete: what the later stages hear instead of packets.
// Kind is the protocol's own (the TLS content type). Messages that came before
// the protocol was recognised count as of the moment it was: a series is in the
// order of time.
func (f *Flow) Message(dir session.Direction, kind uint8, n int) {
	f.Session.Series.AddMessage(f.engine.series, f.engine.now, dir, kind, n)
}

// Handover ends this analyzer after the Parse at hand, and gives what it has
// not consumed, and all that follows, to the named protocol; to whatever is
// recognised there if name is empty. The session's app stays that of the first
// protocol unless keepApp is false.
func (f *Flow) Handover(name string, keepApp bool) {
	f.hand, f.handSet = name, true
	if !keepApp {
		f.Session.App = Unknown
	}
}

// Finish tells that the analyzer has read all it wants, in both directions.
func (f *Flow) Finish() { f.skip[0], f.skip[1] = SkipAll, SkipAll }

// First returns the first bytes (at most SeenBytes) of the first payload sent in
// a direction and its full length, for sessions that stayed unknown: what the
// models may look at.
func (f *Flow) First(dir session.Direction) (b []byte, n int) {
	return f.seen[dir][:min(f.seenLen[dir], SeenBytes)], f.seenLen[dir]
}

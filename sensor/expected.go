package sensor

import (
	"tyto/internal/record"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// expected remembers where sessions were announced to follow: the data
// connection of FTP, the media of a call. It belongs to the writer, like
// resolved: the announcement and what follows it are sessions of different
// lanes.
type expected struct {
	byEndpoint recent[endpoint, announced]
}

// endpoint is where a session is expected: one of its two sides.
type endpoint struct {
	addr  packet.Addr
	port  uint16
	proto uint8
}

// announced is what is expected at an end point, and when that was said: from
// the first to the last of announcements that follow each other closely.
type announced struct {
	app         uint16
	from, until int64 // ns
}

// expectation is an announcement on its way to the writer.
type expectation struct {
	endpoint
	app  uint16
	time int64 // ns
}

const (
	maxExpected = 40000 // 3 MB
	// patience is how long after its announcement a session may start, as
	// Zeek's for expected connections.
	patience = 300e9
	// announcedP is the probability that an announced session is what was said:
	// its content was not recognised, and ports are used again.
	announcedP = 0.95
)

func newExpected() expected { return expected{recent[endpoint, announced]{limit: maxExpected}} }

func (x *expected) add(e *expectation) {
	a := x.byEndpoint.put(e.endpoint)
	if a.app != e.app || e.time-a.until > patience {
		*a = announced{app: e.app, from: e.time}
	}
	a.until = e.time
}

// app returns what was announced for a session, protocol.Unknown for nothing:
// at its responder, or at its originator where both sides may speak first.
func (x *expected) app(k session.Tuple, first, last int64) uint16 {
	if x.byEndpoint.len() == 0 {
		return protocol.Unknown
	}
	for _, e := range [...]endpoint{{k.Resp, k.RespPort, k.Proto}, {k.Orig, k.OrigPort, k.Proto}} {
		if a := x.byEndpoint.get(e); a != nil && a.from <= last && first-a.until <= patience {
			return a.app
		}
	}
	return protocol.Unknown
}

// unnamed is a session whose content was not recognised, on its way to the
// writer, which may know what it was announced to be.
type unnamed struct {
	session.Tuple
	first, last int64 // ns
	volume      Volume
	byDevice    [2]bool // whether the summary counts it by device, client and server
}

// nameable reports whether a session may be told by an announcement.
func nameable(s *session.Session) bool {
	return s.App == protocol.Unknown && s.Services[0] == 0 && (s.Proto == packet.ProtoTCP || s.Proto == packet.ProtoUDP) &&
		s.Sides[session.Orig].Bytes+s.Sides[session.Resp].Bytes > 0
}

// service returns the name in Zeek's service field of an app.
func service(set *protocol.Set, app uint16) string {
	if int(app) <= len(set.Definitions()) {
		return set.ServiceName(uint8(app))
	}
	return set.AppName(app)
}

// holeKind says which fields of a session record the writer may fill.
type holeKind uint8

const (
	serviceHole holeKind = iota // service
	appHole                     // app and app_p
	domainHole                  // domain and domain_source
)

// hole is a place in a session's text where the writer puts what only it knows.
type hole struct {
	session.Tuple
	first, last int64 // of the session, ns
	at          uint32
	kind        holeKind
}

// fill appends the text that takes the place of a hole's, or nothing if nothing
// is known; replaces is how many bytes of the record it stands for.
func (o *output) fill(b []byte, h *hole, format record.Format) (text []byte, replaces uint32) {
	e := record.Encoder{Buf: b, Format: format}
	if h.kind == domainHole {
		name := o.names.name(resolution{h.Orig, h.Resp}, h.first)
		if name == "" {
			return b, 0
		}
		e.Continue(domainFields)
		e.Str(name)
		e.Str("dns")
		switch format {
		case record.TSV:
			replaces = uint32(len("\t-\t-"))
		case record.Row:
			replaces = 2 // tags
		}
		return e.Buf, replaces
	}
	app := o.announced.app(h.Tuple, h.first, h.last)
	if app == protocol.Unknown {
		return b, 0
	}
	if h.kind == serviceHole {
		e.Continue(serviceFields)
		e.Str(service(o.set, app))
		switch format {
		case record.TSV:
			replaces = uint32(len("\t-"))
		case record.Row:
			replaces = 1 // tag
		}
		return e.Buf, replaces
	}
	e.Continue(appFields)
	e.Str(o.set.AppName(app))
	e.Float(announcedP)
	switch format {
	case record.TSV:
		return e.Buf, uint32(len("\tunknown\t-"))
	case record.Row:
		return e.Buf, uint32(1 + 4 + len("unknown") + 1) // tag, length, text, tag
	}
	return e.Buf, uint32(len(`,"app":"unknown"`))
}

var serviceFields = record.New("service", "", "The field of a session that announcements fill first.",
	record.Field{Name: "service", Type: record.String, Doc: "As in session records."},
)

var appFields = record.New("app", "", "The fields of a session that announcements fill.",
	record.Field{Name: "app", Type: record.String, Doc: "As in session records."},
	record.Field{Name: "app_p", Type: record.Double, Doc: "As in session records."},
)

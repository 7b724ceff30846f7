package http

import (
	"bytes"

	"tyto/internal/record"
	"tyto/protocol"
	"tyto/session"
)

// SSDP describes the discovery protocol of UPnP.
var SSDP = protocol.Definition{
	Name: "ssdp",
	Doc: "Simple Service Discovery Protocol (UPnP Device Architecture 2.0): recognised by its requests and responses in " +
		"datagrams, which have HTTP's form.",
	Transports: protocol.UDP,
	Ports:      []uint16{1900},
	Probe:      probeSSDP,
	New:        func() protocol.Analyzer { return new(discovery) },
	Schemas:    []*record.Schema{SSDPSchema},
}

// RTSP describes the Real-Time Streaming Protocol, which is recognised and not
// read.
var RTSP = protocol.Definition{
	Name:       "rtsp",
	Doc:        "Real-Time Streaming Protocol (RFC 2326, RFC 7826): recognised by a request or status line on any port.",
	Transports: protocol.TCP,
	Ports:      []uint16{554, 8554},
	OddPort:    true,
	Probe:      probeRTSP,
	New:        func() protocol.Analyzer { return unread{} },
}

// unread is the analyzer of a protocol that is not read.
type unread struct{}

// Parse asks for no more.
func (unread) Parse(f *protocol.Flow, _ session.Direction, _ []byte) int {
	f.Finish()
	return protocol.SkipAll
}

// Close has nothing to tell.
func (unread) Close(*protocol.Flow) {}

// SSDPSchema describes the record of an SSDP message.
var SSDPSchema = record.New("ssdp", "", "A message of UPnP's discovery: a search, an answer to one, or an announcement.",
	record.Field{Name: "method", Type: record.String, Doc: "M-SEARCH, NOTIFY, or RESPONSE for the answer to a search."},
	record.Field{Name: "target", Type: record.String, Doc: "Kind of device or service that is searched for, or announced."},
	record.Field{Name: "nts", Type: record.String, Doc: "What a notification says: ssdp:alive, ssdp:update or ssdp:byebye."},
	record.Field{Name: "usn", Type: record.String, Doc: "Unique name of the device and service."},
	record.Field{Name: "location", Type: record.String, Doc: "Where the device's description is."},
	record.Field{Name: "server", Type: record.String, Doc: "Program of the device."},
	record.Field{Name: "user_agent", Type: record.String, Doc: "Program that searches."},
)

var ssdpStarts = [...]string{"NOTIFY * HTTP/1.", "M-SEARCH * HTTP/1."}

func probeSSDP(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	for _, start := range ssdpStarts {
		if len(b) > len(start) && string(b[:len(start)]) == start {
			e.Reversed = e.Dir == session.Resp
			return protocol.Sure
		}
	}
	if len(b) > 16 && probeStatus(b) == protocol.Sure && (bytes.Contains(b, []byte("\nUSN:")) || bytes.Contains(b, []byte("\nST:")) ||
		e.Port(1900)) {
		e.Reversed = e.Dir == session.Orig
		return protocol.Sure
	}
	return protocol.No
}

func probeRTSP(e *protocol.Evidence) protocol.Verdict {
	const version = "RTSP/"
	b := e.Data[e.Dir]
	if n := min(len(b), len(version)+3); string(b[:min(n, len(version))]) == version[:min(n, len(version))] {
		if len(b) < len(version)+3 {
			return protocol.More
		}
		if (b[5] == '1' || b[5] == '2') && b[6] == '.' && digit(b[7]) {
			e.Reversed = e.Dir == session.Orig
			return protocol.Sure
		}
		return protocol.No
	}
	sp := bytes.IndexByte(b, ' ')
	if sp < 0 {
		if len(b) < 16 && printable(b) && b[0] >= 'A' && b[0] <= 'Z' {
			return protocol.More
		}
		return protocol.No
	}
	if sp < 4 || sp > 16 {
		return protocol.No
	}
	for _, c := range b[:sp] {
		if (c < 'A' || c > 'Z') && c != '_' {
			return protocol.No
		}
	}
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		if len(b) < protocol.MaxProbe && printable(b) {
			return protocol.More
		}
		return protocol.No
	}
	line := bytes.TrimRight(b[:end], "\r")
	if n := len(line) - 8; n > sp && string(line[n:n+5]) == version && (line[n+5] == '1' || line[n+5] == '2') && line[n-1] == ' ' {
		e.Reversed = e.Dir == session.Resp
		return protocol.Sure
	}
	return protocol.No
}

// SSDPRecord is an SSDP message. It points into packet data.
type SSDPRecord struct {
	Method                                             string
	Target, NTS, USN, Location, ServerAgent, UserAgent []byte
}

// Schema returns the schema of SSDP records.
func (r *SSDPRecord) Schema() *record.Schema { return SSDPSchema }

// Append writes the record's fields.
func (r *SSDPRecord) Append(e *record.Encoder) {
	e.Str(r.Method)
	e.Bytes(r.Target)
	e.Bytes(r.NTS)
	e.Bytes(r.USN)
	e.Bytes(r.Location)
	e.Bytes(r.ServerAgent)
	e.Bytes(r.UserAgent)
}

// discovery reads the messages of an SSDP session.
type discovery struct {
	rec  SSDPRecord
	told Facts
}

// Close has nothing to tell.
func (d *discovery) Close(*protocol.Flow) {}

// Parse reads one message.
func (d *discovery) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	line, rest, _ := bytes.Cut(data, []byte{'\n'})
	r := &d.rec
	*r = SSDPRecord{}
	switch {
	case bytes.HasPrefix(line, []byte("NOTIFY ")):
		r.Method = "NOTIFY"
	case bytes.HasPrefix(line, []byte("M-SEARCH ")):
		r.Method = "M-SEARCH"
	case probeStatus(line) == protocol.Sure:
		r.Method = "RESPONSE"
	default:
		f.Anomaly("ssdp_malformed_message", "")
		return len(data)
	}
	for n := 0; n < maxHeaders && len(rest) > 0; n++ {
		line, rest, _ = bytes.Cut(rest, []byte{'\n'})
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			continue
		}
		value = bytes.Trim(value, " \t\r")
		value = value[:min(len(value), maxFact)]
		switch {
		case fold(name, "st"), fold(name, "nt"):
			r.Target = value
		case fold(name, "nts"):
			r.NTS = value
		case fold(name, "usn"):
			r.USN = value
		case fold(name, "location"):
			r.Location = value
		case fold(name, "server"):
			r.ServerAgent = value
		case fold(name, "user-agent"):
			r.UserAgent = value
		}
	}
	if len(r.ServerAgent) > 0 {
		d.told.Software(f, dir, r.ServerAgent)
	} else {
		d.told.Software(f, dir, r.UserAgent)
	}
	f.Emit(r)
	return len(data)
}

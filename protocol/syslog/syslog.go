// Package syslog reads syslog messages over UDP and TCP (RFC 3164, RFC 5424,
// RFC 6587).
package syslog

import (
	"bytes"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/protocol"
	"tyto/session"
)

// Definition of syslog.
var Definition = protocol.Definition{
	Name:       "syslog",
	Doc:        "Syslog (RFC 3164, RFC 5424): recognised by the priority in angle brackets and the time or version behind it.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{514, 601},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the syslog record.
var Schema = record.New("syslog", "syslog", "one syslog message",
	record.Field{Name: "proto", Type: record.Enum, Doc: "Transport: udp or tcp."},
	record.Field{Name: "facility", Type: record.String, Doc: "Facility of the priority."},
	record.Field{Name: "severity", Type: record.String, Doc: "Severity of the priority."},
	record.Field{Name: "message", Type: record.String, Doc: "The message behind the priority, at most 1,024 bytes."},
	record.Field{Name: "timestamp", Type: record.String, Doc: "Time in the message, as it is written."},
	record.Field{Name: "hostname", Type: record.String, Doc: "Name in the message of the device that wrote it."},
	record.Field{Name: "app_name", Type: record.String, Doc: "Program that wrote it."},
	record.Field{Name: "procid", Type: record.String, Doc: "Process that wrote it."},
	record.Field{Name: "msgid", Type: record.String, Doc: "Kind of the message (RFC 5424 only)."},
)

// maxMessage is how much of a message is told, in bytes.
const maxMessage = 1024

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	stream := e.Transport == protocol.TCP
	if stream {
		b = e.Data[session.Orig]
		if len(b) == 0 {
			return protocol.More
		}
		if len(e.Data[session.Resp]) > 0 {
			return protocol.No // a collector does not answer
		}
		// RFC 6587 section 3.4.1: a length may come first.
		i := 0
		for i < len(b) && i < 6 && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		if i > 0 {
			if i == len(b) && i < 6 {
				return protocol.More
			}
			if i == len(b) || b[i] != ' ' {
				return protocol.No
			}
			b = b[i+1:]
		}
	}
	if len(b) == 0 {
		return protocol.More
	}
	pri, n := priority(b)
	switch {
	case n < 0 && stream && len(b) < 5 && b[0] == '<' && digits(b[1:]):
		return protocol.More
	case n < 0 || pri > 191:
		return protocol.No
	}
	b = b[n:]
	if len(b) < 16 && stream {
		return protocol.More
	}
	if !textline.Printable(bytes.TrimRight(b[:min(len(b), 64)], "\x00")) {
		return protocol.No
	}
	if h := parse(b); h.sure {
		return protocol.Sure
	}
	if e.Port(514) || e.Port(601) || !stream && e.Count > 1 {
		return protocol.Likely
	}
	if stream {
		return protocol.No
	}
	return protocol.More
}

func digits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// priority reads "<N>" and returns N and how many bytes it takes, -1 if it is
// not there.
func priority(b []byte) (pri, n int) {
	if len(b) < 3 || b[0] != '<' {
		return 0, -1
	}
	i := 1
	for ; i < len(b) && i < 4 && b[i] >= '0' && b[i] <= '9'; i++ {
		pri = pri*10 + int(b[i]-'0')
	}
	if i == 1 || i == len(b) || b[i] != '>' {
		return 0, -1
	}
	return pri, i + 1
}

// head is what stands in front of the text of a message.
type head struct {
	sure                         bool // it has the form of one of the standards
	time, host, app, proc, msgID []byte
}

var months = []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}

func parse(b []byte) (h head) {
	if len(b) > 2 && b[0] == '1' && b[1] == ' ' { // RFC 5424 section 6
		rest := b[2:]
		var part [5][]byte
		for i := range part {
			part[i], rest = textline.Word(rest)
			if len(part[i]) == 1 && part[i][0] == '-' {
				part[i] = nil
			}
		}
		h = head{time: part[0], host: part[1], app: part[2], proc: part[3], msgID: part[4]}
		h.sure = (h.time == nil || len(h.time) >= 19 && h.time[4] == '-' && h.time[10] == 'T') && len(rest) > 0
		return h
	}
	// RFC 3164 section 4.1.2: "Mmm dd hh:mm:ss host tag[pid]: text". Some write a
	// year behind the day, and Cisco writes a number and a colon in front.
	if len(b) < 16 || !textline.OneOf(b[:3], months) || b[3] != ' ' || b[6] != ' ' || b[9] != ':' || b[12] != ':' || b[15] != ' ' && b[15] != ':' {
		return h
	}
	h.sure = true
	h.time = b[:15]
	var rest []byte
	h.host, rest = textline.Word(b[16:])
	tag, _ := textline.Word(rest)
	if bytes.HasSuffix(h.host, []byte(":")) { // no host
		tag, h.host = h.host, nil
	}
	name, more, found := bytes.Cut(tag, []byte{'['})
	if found {
		h.proc, _, _ = bytes.Cut(more, []byte{']'})
		h.app = name
	} else if bytes.HasSuffix(tag, []byte(":")) {
		h.app = tag[:len(tag)-1]
	}
	return h
}

type analyzer struct {
	lines textline.Reader
	rec   syslogRecord
}

type syslogRecord struct {
	tcp     bool
	pri     int // -1 if there is none
	message []byte
	head    head
}

var facilities = [24]string{"KERN", "USER", "MAIL", "DAEMON", "AUTH", "SYSLOG", "LPR", "NEWS", "UUCP", "CRON", "AUTHPRIV", "FTP",
	"NTP", "AUDIT", "ALERT", "CLOCK", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5", "LOCAL6", "LOCAL7"}

var severities = [8]string{"EMERG", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG"}

func (r *syslogRecord) Schema() *record.Schema { return Schema }

func (r *syslogRecord) Append(e *record.Encoder) {
	if r.tcp {
		e.Str("tcp")
	} else {
		e.Str("udp")
	}
	if r.pri >= 0 && r.pri <= 191 {
		e.Str(facilities[r.pri>>3])
		e.Str(severities[r.pri&7])
	} else {
		e.Str("UNSPECIFIED")
		e.Str("UNSPECIFIED")
	}
	e.Bytes(r.message)
	e.Bytes(r.head.time)
	e.Bytes(r.head.host)
	e.Bytes(r.head.app)
	e.Bytes(r.head.proc)
	e.Bytes(r.head.msgID)
}

// Parse reads one message.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if f.Datagram() {
		a.take(f, data)
		return len(data)
	}
	if dir == session.Resp {
		return protocol.SkipAll
	}
	// A length in front of the message, or a message that ends with the line.
	i := 0
	for i < len(data) && i < 6 && data[i] >= '0' && data[i] <= '9' {
		i++
	}
	switch {
	case i > 0 && i == len(data) && i < 6:
		return 0
	case i > 0 && i < len(data) && data[i] == ' ':
		n, _ := textline.Uint(data[:i])
		rest := data[i+1:]
		if len(rest) < min(int(n), maxMessage) {
			return 0
		}
		a.take(f, rest[:min(int(n), maxMessage)])
		return i + 1 + int(n)
	}
	line, n, ok := a.lines.Next(data)
	if ok && len(line) > 0 {
		a.take(f, line)
	}
	return n
}

// Gap goes on at the next line.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	a.lines.Resync()
	return true
}

// Close has nothing to tell.
func (a *analyzer) Close(f *protocol.Flow) {}

func (a *analyzer) take(f *protocol.Flow, b []byte) {
	b = bytes.TrimRight(b, "\r\n\x00")
	r := &a.rec
	*r = syslogRecord{tcp: !f.Datagram(), pri: -1}
	pri, n := priority(b)
	if n < 0 {
		f.Anomaly("syslog_no_priority", "")
		n = 0
	} else {
		r.pri = pri
		if pri > 191 {
			f.Anomaly("syslog_invalid_priority", "")
		}
	}
	b = b[n:]
	r.message = b[:min(len(b), maxMessage)]
	r.head = parse(r.message)
	f.Emit(r)
}

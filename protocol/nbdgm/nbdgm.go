// Package nbdgm reads the NetBIOS datagram service (RFC 1002 section 4.4) and
// the announcements of the browser protocol inside it ([MS-BRWS]).
package nbdgm

import (
	"bytes"
	"encoding/binary"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "nbdgm",
	Doc:        "NetBIOS datagram service (RFC 1002); recognised by message type, length and two encoded names.",
	Transports: protocol.UDP,
	Ports:      []uint16{138},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the nbdgm record: one a datagram.
var Schema = record.New("nbdgm", "", "A NetBIOS datagram.",
	record.Field{Name: "source_name", Type: record.String, Doc: "NetBIOS name of the sender."},
	record.Field{Name: "source_suffix", Type: record.Count, Doc: "Service of the sender's name: 0 workstation, 32 file server, 29 master browser."},
	record.Field{Name: "destination_name", Type: record.String, Doc: "NetBIOS name of the receiver or group."},
	record.Field{Name: "destination_suffix", Type: record.Count, Doc: "Service of the receiver's name."},
	record.Field{Name: "mailslot", Type: record.String, Doc: "Mailslot that is written to."},
	record.Field{Name: "command", Type: record.String, Doc: "Command of the browser protocol."},
	record.Field{Name: "server_name", Type: record.String, Doc: "Name that is announced."},
	record.Field{Name: "os_version", Type: record.String, Doc: "Version the announced server gives of its operating system."},
	record.Field{Name: "comment", Type: record.String, Doc: "Comment of the announced server."},
)

const (
	headerBytes  = 14
	encodedBytes = 34 // a name of 16 bytes as 32 letters, with its length before and a zero after it
	minBytes     = headerBytes + 2*encodedBytes
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < minBytes || b[0] < 0x10 || b[0] > 0x12 || int(binary.BigEndian.Uint16(b[10:])) > len(b)-headerBytes || b[headerBytes] != 32 {
		return protocol.No
	}
	for _, v := range b[headerBytes+1 : headerBytes+33] {
		if v < 'A' || v > 'P' {
			return protocol.No
		}
	}
	return protocol.Sure
}

type analyzer struct {
	rec   Record
	names [3][16]byte
}

// Idle reports that nothing is kept between two datagrams.
func (a *analyzer) Idle() bool { return true }

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// decode writes the name that is encoded as two letters a byte (RFC 1001
// section 14.1) into dst and returns it without padding, and its suffix.
func decode(dst *[16]byte, c *wire.Cursor) (name []byte, suffix uint8) {
	n := c.Vec8()
	b := n.Rest()
	for n := 0; n < 32; { // parts of a scope, until the empty one
		part := c.U8()
		if part == 0 {
			break
		}
		c.Skip(int(part))
		n++
	}
	if len(b) != 32 || !c.OK() {
		c.Fail()
		return nil, 0
	}
	for i := range dst {
		dst[i] = (b[2*i]-'A')<<4 | (b[2*i+1]-'A')&15
	}
	return bytes.TrimRight(dst[:15], " \x00"), dst[15]
}

// Parse reads one datagram.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	kind := c.U8()
	c.Skip(headerBytes - 1)
	r := &a.rec
	*r = Record{}
	r.source, r.sourceSuffix = decode(&a.names[0], &c)
	r.destination, r.destinationSuffix = decode(&a.names[1], &c)
	if kind < 0x10 || kind > 0x12 || !c.OK() {
		if kind < 0x13 || kind > 0x16 { // errors and queries of a distribution server have no names to tell
			f.Anomaly("nbdgm_bad_datagram", "")
		}
		return len(data)
	}
	if len(r.source) > 0 && (r.sourceSuffix == 0 || r.sourceSuffix == 0x20) {
		f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: f.Addr(dir), Value: string(r.source)})
	}
	r.transaction(c)
	if r.os[0] != 0 {
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: "Windows " + string(r.version())})
	}
	f.Emit(r)
	return len(data)
}

const (
	smbHeaderBytes = 32
	transaction    = 0x25
	setupWords     = 17
	maxText        = 48
)

// transaction reads an SMB transaction that writes to a mailslot ([MS-CIFS]
// section 2.2.4.33): its name and the browser command in its data.
func (r *Record) transaction(c wire.Cursor) {
	smb := c.Rest()
	if string(c.Bytes(4)) != "\xffSMB" || c.U8() != transaction {
		return
	}
	c.Skip(smbHeaderBytes - 5)
	if c.U8() != setupWords {
		return
	}
	c.Skip(22)
	count, off := int(c.LE16()), int(c.LE16())
	c.Skip(2 + 6 + 2)
	if !c.OK() {
		return
	}
	slot := c.Rest()
	if i := bytes.IndexByte(slot, 0); i >= 0 && i <= maxText {
		r.mailslot = slot[:i]
	}
	if !bytes.EqualFold(r.mailslot, []byte(`\MAILSLOT\BROWSE`)) && !bytes.EqualFold(r.mailslot, []byte(`\MAILSLOT\LANMAN`)) {
		return
	}
	d := wire.New(smb)
	d.Skip(off)
	r.browser(d.Sub(min(count, d.Len())))
}

// browser reads a browser command ([MS-BRWS] section 2.2).
func (r *Record) browser(c wire.Cursor) {
	kind := c.U8()
	switch kind {
	case 1:
		r.command = "host_announcement"
	case 2:
		r.command = "announcement_request"
		return
	case 8:
		r.command = "election"
		return
	case 9:
		r.command = "get_backup_list_request"
		return
	case 10:
		r.command = "get_backup_list_response"
		return
	case 11:
		r.command = "become_backup"
		return
	case 12:
		r.command = "domain_announcement"
	case 13:
		r.command = "master_announcement"
		return
	case 15:
		r.command = "local_master_announcement"
	default:
		return
	}
	c.Skip(5)
	name := c.Bytes(16)
	major, minor := c.U8(), c.U8()
	c.Skip(4 + 4)
	if !c.OK() {
		return
	}
	r.server = untilZero(name)
	if kind != 12 && major < 100 && minor < 100 {
		r.os = [2]uint8{major, minor}
	}
	if kind != 12 {
		r.comment = untilZero(c.Rest())
	}
}

func untilZero(b []byte) []byte {
	b = b[:min(len(b), maxText)]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

// Record is a NetBIOS datagram.
type Record struct {
	source, destination             []byte
	sourceSuffix, destinationSuffix uint8
	mailslot                        []byte
	command                         string
	server, comment                 []byte
	os                              [2]uint8
	text                            [8]byte
}

func (r *Record) version() []byte {
	b := r.text[:0]
	for i, v := range r.os {
		if i > 0 {
			b = append(b, '.')
		}
		if v >= 10 {
			b = append(b, '0'+v/10)
		}
		b = append(b, '0'+v%10)
	}
	return b
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bytes(r.source)
	e.Uint(uint64(r.sourceSuffix))
	e.Bytes(r.destination)
	e.Uint(uint64(r.destinationSuffix))
	e.Bytes(r.mailslot)
	e.Str(r.command)
	e.Bytes(r.server)
	if r.os == [2]uint8{} {
		e.Unset()
	} else {
		e.Bytes(r.version())
	}
	e.Bytes(r.comment)
}

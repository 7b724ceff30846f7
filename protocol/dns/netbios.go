package dns

import (
	"encoding/binary"
	"strconv"

	"tyto/internal/wire"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// flagBroadcast is the B bit of a NetBIOS header (RFC 1002 section 4.2.1.1).
const flagBroadcast = 1 << 4

// netbiosBytes is the length of a first-level encoded name with its length byte.
const netbiosBytes = 33

// netbiosName reports whether b starts with a first-level encoded name
// (RFC 1001 section 14.1): a label of 32 letters from A to P.
func netbiosName(b []byte) bool {
	if len(b) < netbiosBytes+1 || b[0] != 32 {
		return false
	}
	for _, c := range b[1:netbiosBytes] {
		if c < 'A' || c > 'P' {
			return false
		}
	}
	return true
}

// probeNetBIOS recognises the NetBIOS name service on any port.
func probeNetBIOS(e *protocol.Evidence, b []byte) protocol.Verdict {
	if !netbiosName(b[headerBytes:]) {
		return protocol.No
	}
	flags := binary.BigEndian.Uint16(b[2:])
	if op := flags >> 11 & 15; op != 0 && op < 5 || op > 9 && op != 15 {
		return protocol.No
	}
	var m message
	m.parse(b)
	t := m.qType
	if !m.hasQ {
		var r rr
		if m.read == 0 || m.record(m.answers, &r) < 0 {
			return protocol.No
		}
		t = r.typ
	}
	if t != typeNB && t != typeSRV {
		return protocol.No
	}
	e.Reversed = m.response() == (e.Dir == session.Orig)
	if m.flaw == "" && m.end == len(b) {
		return protocol.Sure
	}
	return protocol.Likely
}

// appendNetBIOS decodes a first-level encoded name: up to fifteen characters,
// padded with spaces, and a suffix that says what it is the name of.
func appendNetBIOS(dst, b []byte) (name []byte, suffix uint8, ok bool) {
	if !netbiosName(b) {
		return dst, 0, false
	}
	start := len(dst)
	for i := range 15 {
		dst = append(dst, (b[1+2*i]-'A')<<4|(b[2+2*i]-'A'))
	}
	suffix = (b[31]-'A')<<4 | (b[32] - 'A')
	end := len(dst)
	for end > start && (dst[end-1] == ' ' || dst[end-1] == 0) {
		end--
	}
	return dst[:end], suffix, true
}

// appendSuffix appends a suffix in hexadecimal, with its usual meaning.
func appendSuffix(dst []byte, s uint8) []byte {
	dst = appendHex(dst, []byte{s})
	if name := suffixName(s); name != "" {
		dst = append(append(dst, ' '), name...)
	}
	return dst
}

func suffixName(s uint8) string {
	switch s {
	case 0x00:
		return "workstation"
	case 0x01:
		return "master-browser-list"
	case 0x03:
		return "messenger"
	case 0x06:
		return "remote-access-server"
	case 0x1b:
		return "domain-master-browser"
	case 0x1c:
		return "domain-controllers"
	case 0x1d:
		return "master-browser"
	case 0x1e:
		return "browser-elections"
	case 0x1f:
		return "netdde"
	case 0x20:
		return "file-server"
	case 0x21:
		return "remote-access-client"
	}
	return ""
}

const nbGroup = 0x8000 // G bit of NB_FLAGS (RFC 1002 section 4.2.1.3)

// hostSuffix reports whether unique names with the suffix are those of hosts.
func hostSuffix(s uint8) bool { return s == 0x00 || s == 0x20 }

// observeNetBIOS tells the hosts of registrations and answers.
func (a *analyzer) observeNetBIOS(f *protocol.Flow, dir session.Direction) {
	m := &a.m
	// A release takes a name back, and a negative response has none to give.
	if op := m.opcode(); op == 6 || op == 7 || m.response() && m.flags&15 != 0 {
		return
	}
	left := maxObserved
	m.each(func(section int, r *rr) bool {
		left--
		switch {
		case r.typ == typeNB && (section == 1) == m.response():
			a.observeNB(f, r)
		case r.typ == typeSRV && section == 1 && m.response():
			a.observeStatus(f, f.Addr(dir), m.b[r.data:r.data+r.n])
		}
		return left > 0
	})
}

// observeNB tells the addresses of a unique host name. The name may be a
// pointer to the question's.
func (a *analyzer) observeNB(f *protocol.Flow, r *rr) {
	m := &a.m
	off := r.name
	if m.b[off] >= 192 {
		off = int(binary.BigEndian.Uint16(m.b[off:]) & 0x3fff)
	}
	name, suffix, ok := appendNetBIOS(a.rec.text[:0], m.b[off:])
	a.rec.text = name[:0]
	if !ok || len(name) == 0 || !hostSuffix(suffix) {
		return
	}
	c := wire.New(m.b[r.data : r.data+r.n])
	for n := 0; c.Len() >= 6 && n < 8; n++ {
		flags := c.U16()
		addr := packet.Addr4(c.Bytes(4))
		if flags&nbGroup == 0 && addr != packet.Addr4([]byte{0, 0, 0, 0}) {
			f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: addr, Value: nameText(f, name)})
		}
	}
}

// observeStatus tells the unique names and the hardware address of a node
// status response (RFC 1002 section 4.2.18).
func (a *analyzer) observeStatus(f *protocol.Flow, addr packet.Addr, data []byte) {
	c := wire.New(data)
	var told string
	for range c.U8() {
		raw, flags := c.Bytes(16), c.U16()
		if !c.OK() {
			return
		}
		if name := trimNetBIOS(raw[:15]); flags&nbGroup == 0 && hostSuffix(raw[15]) && len(name) > 0 && string(name) != told {
			told = nameText(f, name)
			f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: addr, Value: told})
		}
	}
	if b := c.Bytes(6); b != nil {
		if mac := packet.MAC(b); !mac.IsZero() {
			f.Observe(protocol.Observation{Kind: protocol.HardwareMAC, Addr: addr, Value: mac.String()})
		}
	}
}

func trimNetBIOS(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == 0) {
		b = b[:len(b)-1]
	}
	return b
}

// appendNB appends the addresses of an NB record.
func appendNB(dst, data []byte) []byte {
	c := wire.New(data)
	if c.Len() < 6 {
		return appendMalformed(dst, typeNB)
	}
	for first := true; c.Len() >= 6; first = false {
		c.Skip(2)
		if !first {
			dst = append(dst, ' ')
		}
		dst = packet.Addr4(c.Bytes(4)).AppendTo(dst)
	}
	return dst
}

// appendNodeStatus appends the names of a node status response.
func appendNodeStatus(dst, data []byte) []byte {
	c := wire.New(data)
	n := int(c.U8())
	for i := range n {
		raw := c.Bytes(16)
		c.Skip(2)
		if !c.OK() {
			return append(dst, "<malformed NBSTAT>"...)
		}
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, trimNetBIOS(raw[:15])...)
		dst = append(appendHex(append(dst, '<'), raw[15:]), '>')
	}
	if n == 0 {
		return strconv.AppendInt(append(dst, "NBSTAT "...), 0, 10)
	}
	return dst
}

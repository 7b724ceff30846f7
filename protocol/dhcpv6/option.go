package dhcpv6

import (
	"encoding/hex"
	"strconv"

	"tyto/internal/wire"
	"tyto/packet"
	"tyto/protocol"
)

// message is what is known of one message while it is read.
type message struct {
	f              *protocol.Flow
	r              *Record
	kind           uint8
	server         bool // a server sent it
	relayed        bool
	peer, receiver packet.Addr
	link           packet.Addr
	interfaceID    string
	remoteID       string
	addrs, pds     int
	bad            bool
}

// relay reads the options of a relay message and returns the message in it.
func (m *message) relay(b []byte) (inner []byte) {
	c := wire.New(b)
	for c.Len() > 0 {
		code := c.U16()
		v := c.Vec16()
		if !c.OK() {
			m.f.Anomaly("dhcpv6_malformed_option", "relay")
			return inner
		}
		switch code {
		case optRelayMsg:
			inner = v.Rest()
		case optInterfaceID:
			m.interfaceID = identifier(v.Rest())
		case optRemoteID:
			id := v.U32()
			m.remoteID = strconv.FormatUint(uint64(id), 10) + ":" + identifier(v.Rest())
		}
	}
	return inner
}

// options reads options; depth 1 is inside an identity association, 2 inside
// one of its addresses.
func (m *message) options(b []byte, depth int) {
	c := wire.New(b)
	for c.Len() > 0 {
		code := c.U16()
		v := c.Vec16()
		if !c.OK() {
			m.bad = true
			return
		}
		m.option(code, v, depth)
	}
}

func (m *message) option(code uint16, v wire.Cursor, depth int) {
	r := m.r
	switch code {
	case optClientID:
		r.clientID = duid(v.Rest())
		r.mac = duidMAC(v.Rest())
	case optServerID:
		r.serverID = duid(v.Rest())
	case optIANA, optIAPD:
		if v.Skip(12); v.OK() && depth == 0 {
			m.options(v.Rest(), 1)
		}
	case optIATA:
		if v.Skip(4); v.OK() && depth == 0 {
			m.options(v.Rest(), 1)
		}
	case optIAAddr:
		a := v.Bytes(16)
		v.Skip(4)
		valid := v.U32()
		if !v.OK() || depth != 1 {
			m.bad = true
			return
		}
		if m.addrs == 0 {
			r.addresses = r.addresses[:0]
		}
		if m.addrs++; m.addrs <= maxList {
			r.addresses = append(r.addresses, packet.Addr16(a))
		}
		m.lifetime(valid)
		m.options(v.Rest(), 2)
	case optIAPrefix:
		v.Skip(4)
		valid := v.U32()
		n := v.U8()
		a := v.Bytes(16)
		if !v.OK() || depth != 1 {
			m.bad = true
			return
		}
		if m.pds == 0 {
			r.prefixes = r.prefixes[:0]
		}
		if m.pds++; m.pds <= maxList {
			r.prefixes = append(r.prefixes, packet.Addr16(a).String()+"/"+strconv.Itoa(int(n)))
		}
		m.lifetime(valid)
		m.options(v.Rest(), 2)
	case optStatus:
		if s := v.U16(); v.OK() && s != 0 {
			r.status, r.statusText = statusName(s), text(v.Rest())
		}
	case optORO:
		if !m.server && r.fingerprint == "" {
			r.fingerprint = codes(v)
		}
	case optUserClass:
		r.user = classes(&v)
	case optVendorClass:
		id := v.U32()
		if !m.server && v.OK() {
			r.vendor = strconv.FormatUint(uint64(id), 10) + ":" + classes(&v)
		}
	case optFQDN:
		if v.Skip(1); v.OK() && (!m.server || r.fqdn == "") {
			r.fqdn, _ = name(v.Rest(), 0)
		}
	case optDNS:
		if m.server {
			r.dns = r.dns[:0]
			for v.Len() >= 16 && len(r.dns) < maxList {
				r.dns = append(r.dns, packet.Addr16(v.Bytes(16)).String())
			}
		}
	case optDomains:
		if m.server {
			r.search = r.search[:0]
			for off := 0; off < v.Len() && len(r.search) < maxList; {
				s, end := name(v.Rest(), off)
				if s != "" {
					r.search = append(r.search, s)
				}
				off = end
			}
		}
	case optBootFile:
		r.bootFile = text(v.Rest())
	}
}

func (m *message) lifetime(seconds uint32) {
	if m.server && m.addrs+m.pds == 1 {
		m.r.lease = int64(seconds) * 1e9
	}
}

// duid returns a unique identifier in hexadecimal (RFC 8415 section 11).
func duid(b []byte) string { return hex.EncodeToString(b[:min(len(b), 130)]) }

// duidMAC returns the Ethernet address in an identifier of type 1 or 3.
func duidMAC(b []byte) (mac packet.MAC) {
	c := wire.New(b)
	kind, hw := c.U16(), c.U16()
	if kind == 1 {
		c.Skip(4) // time
	}
	if (kind == 1 || kind == 3) && hw == 1 && c.Len() == 6 {
		return packet.MAC(c.Bytes(6))
	}
	return mac
}

func codes(v wire.Cursor) string {
	var buf [6 * maxRequest]byte
	list := buf[:0]
	for i := 0; v.Len() >= 2 && i < maxRequest; i++ {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendUint(list, uint64(v.U16()), 10)
	}
	return string(list)
}

// classes returns class data with commas between.
func classes(v *wire.Cursor) string {
	var out []byte
	for v.Len() > 0 && len(out) < maxText {
		part := v.Vec16()
		if !v.OK() {
			break
		}
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = append(out, part.Rest()...)
	}
	return identifier(out)
}

// name reads labels up to the root or the end (RFC 8415 section 10). It returns
// where the name ends, always beyond off.
func name(b []byte, off int) (s string, end int) {
	var out []byte
	for off < len(b) {
		n := int(b[off])
		off++
		if n == 0 {
			break
		}
		if n > 63 || n > len(b)-off || len(out) > maxText {
			return string(out), len(b)
		}
		if len(out) > 0 {
			out = append(out, '.')
		}
		out = append(out, b[off:off+n]...)
		off += n
	}
	return string(out), off
}

// identifier returns bytes as text if they are, else in hexadecimal.
func identifier(b []byte) string {
	b = b[:min(len(b), maxText)]
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			return hex.EncodeToString(b)
		}
	}
	return string(b)
}

func text(b []byte) string { return string(b[:min(len(b), maxText)]) }

// statusName names a status code (RFC 8415 section 21.13).
func statusName(s uint16) string {
	switch s {
	case 1:
		return "UnspecFail"
	case 2:
		return "NoAddrsAvail"
	case 3:
		return "NoBinding"
	case 4:
		return "NotOnLink"
	case 5:
		return "UseMulticast"
	case 6:
		return "NoPrefixAvail"
	}
	return "status-" + strconv.Itoa(int(s))
}

package dhcp

import (
	"bytes"
	"encoding/hex"
	"strconv"

	"tyto/internal/wire"
	"tyto/packet"
	"tyto/protocol"
)

// message is what the options of one message say beyond its record.
type message struct {
	r        *Record
	f        *protocol.Flow
	request  bool
	code     uint8  // message type, 0 without one
	kind     string // its name
	overload uint8
	serverID packet.Addr
	bad      bool
}

// options reads a field of options. Their codes are noted if order is true.
func (m *message) options(b []byte, order bool) {
	var codes [4 * maxOptions]byte
	list := codes[:0]
	c := wire.New(b)
	for range maxOptions {
		if c.Len() == 0 {
			break
		}
		code := c.U8()
		if code == 0 {
			continue
		}
		if code == 255 {
			break
		}
		v := c.Vec8()
		if !c.OK() {
			m.bad = true
			break
		}
		if order {
			list = appendCode(list, code)
		}
		m.option(code, v.Rest())
	}
	if order {
		m.r.order = string(list)
	}
}

func appendCode(b []byte, code uint8) []byte {
	if len(b) > 0 {
		b = append(b, ',')
	}
	return strconv.AppendUint(b, uint64(code), 10)
}

// option reads one option (RFC 2132).
func (m *message) option(code uint8, v []byte) {
	r := m.r
	switch code {
	case 3:
		if !m.request {
			r.routers = addrs(v)
		}
	case 6:
		if !m.request {
			r.dns = addrs(v)
		}
	case 12:
		if m.request || r.host == "" {
			r.host = cString(v)
		}
	case 15:
		if !m.request {
			r.domain = cString(v)
		}
	case 50:
		if m.request && len(v) == 4 {
			set4(&r.requested, v)
		}
	case 51:
		if c := wire.New(v); !m.request && len(v) == 4 {
			r.lease = int64(c.U32()) * 1e9
		}
	case 52:
		if len(v) == 1 {
			m.overload = v[0]
		}
	case 53:
		if len(v) != 1 {
			m.bad = true
			return
		}
		m.code, m.kind = v[0], kindName(v[0])
	case 54:
		if len(v) == 4 {
			m.serverID = packet.Addr4(v)
		}
	case 55:
		if m.request && r.fingerprint == "" {
			var buf [4 * 255]byte
			list := buf[:0]
			for _, c := range v {
				list = appendCode(list, c)
			}
			r.fingerprint = string(list)
		}
	case 56:
		if m.request {
			r.clientMessage = cString(v)
		} else {
			r.serverMessage = cString(v)
		}
	case 60:
		if m.request {
			r.vendor = cString(v)
		}
	case 61:
		if m.request {
			r.clientID = hex.EncodeToString(v)
		}
	case 66:
		r.bootServer = cString(v)
	case 67:
		r.bootFile = cString(v)
	case 77:
		if m.request {
			r.user = userClass(v)
		}
	case 81:
		if len(v) > 3 && m.request {
			r.fqdn = fqdn(v)
		}
	case 82:
		m.relay(v)
	case 119:
		if !m.request {
			r.search = searchList(v)
		}
	case 252:
		if !m.request {
			r.wpad = cString(v)
		}
	}
}

// relay reads the suboptions of a relay agent (RFC 3046, RFC 3993).
func (m *message) relay(v []byte) {
	c := wire.New(v)
	for c.Len() >= 2 {
		code := c.U8()
		sub := c.Vec8()
		if !sub.OK() {
			m.bad = true
			return
		}
		switch code {
		case 1:
			m.r.circuit = identifier(sub.Rest())
		case 2:
			m.r.remote = identifier(sub.Rest())
		case 6:
			m.r.subscriber = identifier(sub.Rest())
		}
	}
}

// identifier returns bytes as text if they are, else in hexadecimal.
func identifier(b []byte) string {
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			return hex.EncodeToString(b)
		}
	}
	return string(b)
}

// userClass returns the user classes with commas between them, whether they
// have the lengths of RFC 3004 or, as many clients send it, not.
func userClass(v []byte) string {
	var out []byte
	c := wire.New(v)
	for c.Len() > 0 {
		class := c.Vec8()
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = append(out, class.Rest()...)
	}
	if !c.OK() {
		out = v
	}
	return identifier(bytes.TrimRight(out, "\x00"))
}

// fqdn reads a client FQDN: text, or labels if the flag says so (RFC 4702).
func fqdn(v []byte) string {
	name := v[3:]
	if v[0]&4 == 0 {
		return cString(name)
	}
	s, _ := labels(name, 0)
	return s
}

// addrs returns a list of IPv4 addresses as text.
func addrs(v []byte) []string {
	var list []string
	for len(v) >= 4 && len(list) < maxAddrs {
		list = append(list, packet.Addr4(v).String())
		v = v[4:]
	}
	return list
}

// searchList reads a list of names in the form of RFC 1035 (RFC 3397).
func searchList(v []byte) []string {
	var list []string
	for off := 0; off < len(v) && len(list) < maxAddrs; {
		name, end := labels(v, off)
		if end <= off {
			break
		}
		if name != "" {
			list = append(list, name)
		}
		off = end
	}
	return list
}

// maxLabels bounds the labels and pointers of one name.
const maxLabels = 32

// labels reads a name in the form of RFC 1035 section 4.1.4. It returns where
// the name ends, or -1 if it is malformed.
func labels(b []byte, off int) (name string, end int) {
	var buf []byte
	end = -1
	for range maxLabels {
		if off >= len(b) {
			return string(buf), len(b) // without the root, as some write it
		}
		n := int(b[off])
		switch {
		case n == 0:
			if end < 0 {
				end = off + 1
			}
			return string(buf), end
		case n >= 0xc0:
			if off+1 >= len(b) {
				return "", -1
			}
			if end < 0 {
				end = off + 2
			}
			off = (n&0x3f)<<8 | int(b[off+1])
		case n > 63 || off+1+n > len(b):
			return "", -1
		default:
			if len(buf) > 0 {
				buf = append(buf, '.')
			}
			buf = append(buf, b[off+1:off+1+n]...)
			off += 1 + n
		}
	}
	return "", -1
}

// cString returns the text before the first null.
func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b[:min(len(b), maxText)])
}

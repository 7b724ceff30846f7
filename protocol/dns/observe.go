package dns

import (
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// observeResponse tells the addresses of names.
func (a *analyzer) observeResponse(f *protocol.Flow, dir session.Direction) {
	m := &a.m
	switch a.kind {
	case mdns, llmnr:
		a.observeHosts(f, dir)
		return
	case nbns:
		a.observeNetBIOS(f, dir)
		return
	}
	if m.opcode() != opQuery || m.counts[1] == 0 {
		return
	}
	var r rr
	name, off := "", m.answers
	why := m.flaw
	for range min(m.counts[1], m.read) {
		off = m.record(off, &r)
		if off < 0 {
			break
		}
		if bad := checkData(m.b, &r); bad != "" && why == "" {
			why = bad
			f.Anomaly(string(bad), "")
		}
		if r.class != classIN || !(r.typ == typeA && r.n == 4 || r.typ == typeAAAA && r.n == 16) {
			continue
		}
		if name == "" {
			if len(a.rec.Query) == 0 {
				break
			}
			name = nameText(f, a.rec.Query)
		}
		f.Observe(protocol.Observation{Kind: protocol.DomainName, Addr: addrOf(m.b, &r), Value: name, TTL: r.ttl})
	}
	m.flaw = why
}

// addrOf returns the address of an A or AAAA record of the right length.
func addrOf(b []byte, r *rr) packet.Addr {
	if r.n == 4 {
		return packet.Addr4(b[r.data:])
	}
	return packet.Addr16(b[r.data:])
}

// checkData checks the data of records whose form is simple.
func checkData(b []byte, r *rr) flaw {
	skip := 0
	switch r.typ {
	case typeA:
		if r.n != 4 && r.class == classIN {
			return flawRDLength
		}
		return ""
	case typeAAAA:
		if r.n != 16 {
			return flawRDLength
		}
		return ""
	case typeCNAME, typeNS, typePTR, typeDNAME, typeMB, typeMG, typeMR:
	case typeMX, typeKX, typeRT, typeAFSDB:
		skip = 2
	case typeSRV:
		skip = 6
	default:
		return ""
	}
	if r.n <= skip {
		return flawRDLength
	}
	end, why := skipName(b, r.data+skip)
	if why == "" && end != r.data+r.n {
		why = flawRDLength
	}
	return why
}

// observeRequest tells the hosts that a dynamic update or a NetBIOS
// registration names.
func (a *analyzer) observeRequest(f *protocol.Flow, dir session.Direction) {
	m := &a.m
	switch {
	case a.kind == nbns:
		a.observeNetBIOS(f, dir)
	case a.kind == mdns && m.read > 0:
		// Records in a probe's authority section are claims (RFC 6762 section 8.2).
		a.observeHosts(f, dir)
	case a.kind == unicast && m.opcode() == opUpdate:
		// The updates are in the authority section (RFC 2136 section 2.5).
		left := maxObserved
		m.each(func(section int, r *rr) bool {
			if section == 2 && r.class == classIN && r.ttl > 0 && (r.typ == typeA && r.n == 4 || r.typ == typeAAAA && r.n == 16) {
				a.observeHost(f, r.name, addrOf(m.b, r))
				left--
			}
			return left > 0
		})
	}
}

// observeHosts tells the hosts in the address records of a link's messages.
func (a *analyzer) observeHosts(f *protocol.Flow, dir session.Direction) {
	m := &a.m
	left, named, target := maxObserved, false, -1
	a.lastHost = ""
	m.each(func(section int, r *rr) bool {
		if r.class&0x7fff != classIN {
			return true
		}
		switch {
		case r.typ == typeA && r.n == 4, r.typ == typeAAAA && r.n == 16:
			if addr := addrOf(m.b, r); !addr.IsZero() {
				a.observeHost(f, r.name, addr)
				left--
				named = true
			}
		case r.typ == typePTR:
			end, why := skipName(m.b, r.data)
			if why != "" || end != r.data+r.n {
				break
			}
			a.rec.text = appendName(a.rec.text[:0], m.b, r.name)
			if addr, ok := reverseAddr(a.rec.text); ok {
				a.observeHost(f, r.data, addr)
				left--
				named = true
			}
		case r.typ == typeSRV && r.n > 6 && target < 0 && m.response():
			if _, why := skipName(m.b, r.data+6); why == "" {
				target = r.data + 6
			}
		}
		return left > 0
	})
	if !named && target >= 0 {
		a.observeHost(f, target, f.Addr(dir))
	}
}

// observeHost tells that the name at an offset of the message is that of the
// device at addr.
func (a *analyzer) observeHost(f *protocol.Flow, name int, addr packet.Addr) {
	a.rec.text = appendName(a.rec.text[:0], a.m.b, name)
	if len(a.rec.text) < 2 || a.lastAddr == addr && a.lastHost == string(a.rec.text) {
		return
	}
	a.lastAddr, a.lastHost = addr, nameText(f, a.rec.text)
	f.Observe(protocol.Observation{Kind: protocol.HostName, Addr: addr, Value: a.lastHost})
}

// reverseAddr returns the address of a name in in-addr.arpa or ip6.arpa
// (RFC 1035 section 3.5, RFC 3596 section 2.5).
func reverseAddr(name []byte) (packet.Addr, bool) {
	const v4, v6 = ".in-addr.arpa", ".ip6.arpa"
	var addr packet.Addr
	if n := len(name) - len(v4); n > 0 && string(name[n:]) == v4 {
		addr[10], addr[11] = 0xff, 0xff
		part, v, digits := 15, 0, 0
		for i := 0; i <= n; i++ {
			if i < n && name[i] != '.' {
				if name[i] < '0' || name[i] > '9' || digits == 3 {
					return addr, false
				}
				v, digits = v*10+int(name[i]-'0'), digits+1
				continue
			}
			if digits == 0 || v > 255 || part < 12 {
				return addr, false
			}
			addr[part] = byte(v)
			part, v, digits = part-1, 0, 0
		}
		return addr, part == 11
	}
	if n := len(name) - len(v6); n == 63 && string(name[n:]) == v6 {
		for i := range 32 {
			c := name[2*i]
			switch {
			case c >= '0' && c <= '9':
				c -= '0'
			case c >= 'a' && c <= 'f':
				c -= 'a' - 10
			default:
				return addr, false
			}
			if i < 31 && name[2*i+1] != '.' {
				return addr, false
			}
			addr[15-i/2] |= c << (4 * (i % 2))
		}
		return addr, true
	}
	return addr, false
}

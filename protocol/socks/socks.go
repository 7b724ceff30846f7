// Package socks reads the requests to SOCKS proxies: versions 4, 4a and 5
// (RFC 1928, RFC 1929).
//
// After a request that succeeded the bytes are somebody else's: they are handed
// over to whatever protocol is recognised in them.
package socks

import (
	"bytes"
	"net/netip"

	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of socks.
var Definition = protocol.Definition{
	Name:       "socks",
	Doc:        "SOCKS proxy protocol 4, 4a and 5 (RFC 1928): recognised by a client's request together with the server's answer.",
	Transports: protocol.TCP,
	Ports:      []uint16{1080},
	OddPort:    true,
	Cleartext:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the socks record.
var Schema = record.New("socks", "socks", "one request to a SOCKS proxy",
	record.Field{Name: "version", Type: record.Count, Doc: "SOCKS version: 4 or 5."},
	record.Field{Name: "user", Type: record.String, Doc: "User name given to the proxy."},
	record.Field{Name: "password", Type: record.String, Doc: "The text <hidden> if a password was sent; the password itself is never told."},
	record.Field{Name: "status", Type: record.String, Doc: "The proxy's answer."},
	record.Field{Name: "request.host", Type: record.Addr, Doc: "Address the client asked for."},
	record.Field{Name: "request.name", Type: record.String, Doc: "Name the client asked for."},
	record.Field{Name: "request_p", Type: record.Port, Doc: "Port the client asked for."},
	record.Field{Name: "bound.host", Type: record.Addr, Doc: "Address the proxy uses, or to connect to."},
	record.Field{Name: "bound.name", Type: record.String, Doc: "Name the proxy uses."},
	record.Field{Name: "bound_p", Type: record.Port, Doc: "Port the proxy uses, or to connect to."},
	record.Field{Name: "command", Type: record.Enum, Doc: "What was asked for: connect, bind or udp_associate."},
	record.Field{Name: "auth", Type: record.Enum, Doc: "Authentication the proxy chose: none, gssapi, password, rejected or other."},
)

// maxUser4 is how long a version 4 user name or host name may be, in bytes.
const maxUser4 = 255

func probe(e *protocol.Evidence) protocol.Verdict {
	v, reversed := textline.Dialog(&e.Data, textline.Ports(e.OrigPort, e.RespPort, 1080), client, server)
	if v == textline.Sure {
		// The two sides must speak of the same version.
		c, s := e.Data[0], e.Data[1]
		if reversed {
			c, s = s, c
		}
		if c[0] == 5 != (s[0] == 5) {
			return protocol.No
		}
		if c[0] == 5 && s[1] != 0xff && bytes.IndexByte(c[2:min(len(c), 2+int(c[1]))], s[1]) < 0 {
			return protocol.No
		}
	}
	if v == textline.Likely && len(e.Data[0]) > 0 == reversed {
		return protocol.More // the server never speaks first
	}
	e.Reversed = reversed
	return protocol.Verdict(v)
}

func client(b []byte) textline.Verdict {
	switch b[0] {
	case 5:
		if len(b) < 2 {
			return textline.More
		}
		n := int(b[1])
		if n == 0 || n > 16 {
			return textline.No
		}
		for i, m := range b[2:min(len(b), 2+n)] {
			if m > 9 && m < 0x80 || m == 0xff || bytes.IndexByte(b[2:2+i], m) >= 0 {
				return textline.No
			}
		}
		switch {
		case len(b) < 2+n:
			return textline.More
		case len(b) > 2+n && b[2+n] != 1 && b[2+n] != 5: // a request follows at once
			return textline.No
		}
		return textline.Likely
	case 4:
		if len(b) > 1 && b[1] != 1 && b[1] != 2 {
			return textline.No
		}
		if len(b) < 9 {
			return textline.More
		}
		i := bytes.IndexByte(b[8:], 0)
		user := b[8:]
		if i >= 0 {
			user = user[:i]
		}
		if b[2] == 0 && b[3] == 0 || len(user) > maxUser4 || !textline.Printable(user) {
			return textline.No
		}
		if i < 0 {
			return textline.More
		}
		return textline.Likely
	}
	return textline.No
}

func server(b []byte) textline.Verdict {
	switch b[0] {
	case 5:
		if len(b) < 2 {
			return textline.More
		}
		if m := b[1]; m > 9 && m < 0x80 {
			return textline.No
		}
		if len(b) > 2 && b[2] != 5 && b[2] != 1 {
			return textline.No
		}
		return textline.Likely
	case 0:
		if len(b) < 2 {
			return textline.More
		}
		if b[1] < 0x5a || b[1] > 0x5d {
			return textline.No
		}
		if len(b) < 8 {
			return textline.More
		}
		return textline.Likely
	}
	return textline.No
}

// stage is what the client, or the server, says next.
type stage uint8

const (
	hello stage = iota
	login
	request
	done
)

type analyzer struct {
	stage [2]stage
	rec   socksRecord
	told  bool
}

type target struct {
	host netip.Addr
	name []byte
	port uint16
	set  bool
}

type socksRecord struct {
	version        uint8
	user           []byte
	password       bool
	status         string
	command        byte
	auth           string
	request, bound target
}

func (r *socksRecord) Schema() *record.Schema { return Schema }

func (r *socksRecord) Append(e *record.Encoder) {
	e.Uint(uint64(r.version))
	e.Bytes(r.user)
	if r.password {
		e.Str("<hidden>")
	} else {
		e.Unset()
	}
	e.Str(r.status)
	for _, t := range [2]*target{&r.request, &r.bound} {
		e.Addr(t.host)
		e.Bytes(t.name)
		if t.set {
			e.Uint(uint64(t.port))
		} else {
			e.Unset()
		}
	}
	switch r.command {
	case 1:
		e.Str("connect")
	case 2:
		e.Str("bind")
	case 3:
		e.Str("udp_associate")
	default:
		e.Unset()
	}
	e.Str(r.auth)
}

// Parse reads one message.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if a.rec.version == 0 {
		if dir == session.Resp {
			return 0 // the client speaks first
		}
		if a.rec.version = data[0]; a.rec.version == 4 {
			a.stage = [2]stage{request, request}
		}
	}
	c := wire.New(data)
	var ok bool
	switch {
	case a.rec.version == 4 && dir == session.Orig && a.stage[dir] == request:
		ok = a.request4(f, &c)
	case a.rec.version == 4 && a.stage[session.Orig] == done && a.stage[dir] == request:
		ok = a.reply4(f, &c)
	case a.rec.version == 5 && dir == session.Orig:
		ok = a.client5(f, &c)
	case a.rec.version == 5 && a.stage[session.Orig] > a.stage[dir]:
		ok = a.server5(f, &c)
	}
	if !ok {
		return 0
	}
	return c.Offset()
}

// Close tells a request that was not answered.
func (a *analyzer) Close(f *protocol.Flow) { a.emit(f) }

func (a *analyzer) emit(f *protocol.Flow) {
	if !a.told && (a.rec.request.set || a.rec.user != nil || a.rec.auth != "") {
		a.told = true
		f.Emit(&a.rec)
	}
}

func (a *analyzer) bad(f *protocol.Flow, name string) {
	f.Anomaly(name, "")
	a.emit(f)
	f.Finish()
}

// request4 reads the request of version 4, and the host name behind it that
// version 4a has when the address is 0.0.0.x.
func (a *analyzer) request4(f *protocol.Flow, c *wire.Cursor) bool {
	c.U8()
	cmd := c.U8()
	port := c.U16()
	addr := c.Bytes(4)
	user, ok := zero(c)
	if !c.OK() || !ok {
		if c.OK() && c.Len() > maxUser4 {
			a.bad(f, "socks4_invalid_user")
		}
		return false
	}
	t := &a.rec.request
	if addr[0] == 0 && addr[1] == 0 && addr[2] == 0 && addr[3] != 0 {
		name, ok := zero(c)
		if !ok {
			if c.Len() > maxUser4 {
				a.bad(f, "socks4_invalid_name")
			}
			return false
		}
		t.name = append(t.name[:0], name...)
	} else {
		t.host = netip.AddrFrom4([4]byte(addr))
	}
	t.port, t.set = port, true
	a.rec.command = cmd
	a.rec.user = append(a.rec.user[:0], user...)
	if len(user) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: string(user)})
	}
	a.stage[session.Orig] = done
	return true
}

// zero reads bytes up to a NUL, at most maxUser4.
func zero(c *wire.Cursor) ([]byte, bool) {
	rest := c.Rest()
	i := bytes.IndexByte(rest[:min(len(rest), maxUser4+1)], 0)
	if i < 0 {
		return nil, false
	}
	c.Skip(i + 1)
	return rest[:i], true
}

func (a *analyzer) reply4(f *protocol.Flow, c *wire.Cursor) bool {
	c.U8()
	code := c.U8()
	port := c.U16()
	addr := c.Bytes(4)
	if !c.OK() {
		return false
	}
	a.rec.bound = target{host: netip.AddrFrom4([4]byte(addr)), port: port, set: true}
	switch code {
	case 0x5a:
		a.rec.status = "succeeded"
	case 0x5b:
		a.rec.status = "rejected or failed"
	case 0x5c:
		a.rec.status = "identd not reachable"
	case 0x5d:
		a.rec.status = "identd does not confirm the user"
	default:
		a.rec.status = "unknown"
	}
	a.answered(f, code == 0x5a)
	return true
}

// answered ends the analysis: the client and its peer have the session.
func (a *analyzer) answered(f *protocol.Flow, ok bool) {
	a.stage = [2]stage{done, done}
	a.emit(f)
	if !ok {
		f.Finish()
		return
	}
	f.Observe(protocol.Observation{Kind: protocol.Tunnel, Addr: f.Session.Resp, Value: "socks"})
	f.Handover("", true)
}

func (a *analyzer) client5(f *protocol.Flow, c *wire.Cursor) bool {
	// A client that does not wait for the choice of a method goes on with a
	// request, or with a password.
	st := a.stage[session.Orig]
	if st == login && a.stage[session.Resp] == hello {
		if c.Len() > 0 && c.Rest()[0] == 5 {
			st = request
		}
	}
	switch st {
	case hello:
		c.U8()
		c.Vec8()
		if !c.OK() {
			return false
		}
		a.stage[session.Orig] = login
	case login: // RFC 1929
		if c.U8() != 1 {
			a.bad(f, "socks5_invalid_login")
			return false
		}
		user := c.Vec8()
		c.Vec8()
		if !c.OK() {
			return false
		}
		a.rec.user = append(a.rec.user[:0], user.Rest()...)
		a.rec.password = true
		f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: f.Session.Orig, Value: string(a.rec.user)})
		a.stage[session.Orig] = request
	case request:
		if c.U8() != 5 {
			a.bad(f, "socks5_invalid_request")
			return false
		}
		cmd := c.U8()
		c.U8()
		if !a.address(f, c, &a.rec.request) {
			return false
		}
		a.rec.command = cmd
		a.stage[session.Orig] = done
	case done:
		return false // waits for the answer
	}
	return true
}

func (a *analyzer) server5(f *protocol.Flow, c *wire.Cursor) bool {
	switch a.stage[session.Resp] {
	case hello:
		version, method := c.U8(), c.U8()
		if !c.OK() {
			return false
		}
		if version != 5 {
			a.bad(f, "socks5_invalid_method")
			return false
		}
		a.chosen(f, method)
	case login:
		c.U8()
		status := c.U8()
		if !c.OK() {
			return false
		}
		kind := protocol.LoginOK
		if status != 0 {
			kind = protocol.LoginFailed
			a.rec.status = "login refused"
		} else if len(a.rec.user) > 0 {
			f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: f.Session.Orig, Value: string(a.rec.user)})
		}
		f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: string(a.rec.user)})
		a.stage[session.Resp] = request
		if status != 0 {
			a.emit(f)
			f.Finish()
		}
	case request:
		version, code := c.U8(), c.U8()
		c.U8()
		if c.OK() && version != 5 {
			a.bad(f, "socks5_invalid_reply")
			return false
		}
		if !a.address(f, c, &a.rec.bound) {
			return false
		}
		a.rec.status = "unknown"
		if int(code) < len(status5) {
			a.rec.status = status5[code]
		}
		if code == 0 && a.rec.command == 3 { // the datagrams are other sessions
			f.Observe(protocol.Observation{Kind: protocol.Tunnel, Addr: f.Session.Resp, Value: "socks"})
			a.emit(f)
			f.Finish()
			return true
		}
		a.answered(f, code == 0)
	}
	return true
}

// chosen takes the server's choice of how to authenticate.
func (a *analyzer) chosen(f *protocol.Flow, method byte) {
	a.stage[session.Resp] = request
	switch method {
	case 0:
		a.rec.auth = "none"
		if a.stage[session.Orig] == login {
			a.stage[session.Orig] = request
		}
	case 1:
		a.rec.auth = "gssapi"
		f.SetEncrypted()
		a.emit(f)
		f.Finish()
	case 2:
		a.rec.auth = "password"
		a.stage[session.Resp] = login
	case 0xff:
		a.rec.auth = "rejected"
		a.rec.status = "no acceptable method"
		a.emit(f)
		f.Finish()
	default:
		a.rec.auth = "other"
		a.emit(f)
		f.Finish()
	}
}

var status5 = [...]string{"succeeded", "general SOCKS server failure", "connection not allowed by ruleset", "Network unreachable",
	"Host unreachable", "Connection refused", "TTL expired", "Command not supported", "Address type not supported"}

// address reads a type, an address and a port.
func (a *analyzer) address(f *protocol.Flow, c *wire.Cursor, t *target) bool {
	kind := c.U8()
	if !c.OK() {
		return false
	}
	var name []byte
	var host netip.Addr
	switch kind {
	case 1:
		if b := c.Bytes(4); b != nil {
			host = netip.AddrFrom4([4]byte(b))
		}
	case 3:
		v := c.Vec8()
		name = v.Rest()
	case 4:
		if b := c.Bytes(16); b != nil {
			host = netip.AddrFrom16([16]byte(b)).Unmap()
		}
	default:
		a.bad(f, "socks5_invalid_addr_type")
		return false
	}
	port := c.U16()
	if !c.OK() {
		return false
	}
	if len(name) > 0 {
		if addr, err := netip.ParseAddr(string(name)); err == nil {
			host, name = addr.WithZone(""), nil
		}
	}
	t.host, t.port, t.set = host, port, true
	t.name = append(t.name[:0], name...)
	return true
}

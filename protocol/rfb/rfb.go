// Package rfb reads the handshake of the Remote Framebuffer protocol, which VNC
// speaks (RFC 6143): versions, how the client proves itself, and the desktop.
package rfb

import (
	"tyto/internal/record"
	"tyto/internal/textline"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of rfb.
var Definition = protocol.Definition{
	Name:       "rfb",
	Doc:        "Remote Framebuffer protocol of VNC (RFC 6143): recognised by the version the server starts with.",
	Transports: protocol.TCP,
	Ports:      []uint16{5900, 5901, 5902},
	OddPort:    true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the rfb record.
var Schema = record.New("rfb", "rfb", "the handshake of one VNC session",
	record.Field{Name: "client_major_version", Type: record.String, Doc: "Major version the client speaks."},
	record.Field{Name: "client_minor_version", Type: record.String, Doc: "Minor version the client speaks."},
	record.Field{Name: "server_major_version", Type: record.String, Doc: "Major version the server speaks."},
	record.Field{Name: "server_minor_version", Type: record.String, Doc: "Minor version the server speaks."},
	record.Field{Name: "authentication_method", Type: record.String, Doc: "How the client proves itself."},
	record.Field{Name: "auth", Type: record.Bool, Doc: "Whether it succeeded; unset if that was not seen."},
	record.Field{Name: "share_flag", Type: record.Bool, Doc: "Whether the client shares the desktop with others."},
	record.Field{Name: "desktop_name", Type: record.String, Doc: "Name of the desktop."},
	record.Field{Name: "width", Type: record.Count, Doc: "Width of the desktop in pixels."},
	record.Field{Name: "height", Type: record.Count, Doc: "Height of the desktop in pixels."},
	record.Field{Name: "reason", Type: record.String, Doc: "Why the server refused."},
)

const maxText = 256

// methodApple is Apple's authentication: a name and password, encrypted.
const methodApple = 30

func probe(e *protocol.Evidence) protocol.Verdict {
	v := protocol.No
	for dir, b := range e.Data {
		if len(b) == 0 {
			continue
		}
		switch w := versionLine(b); {
		case w == protocol.Sure:
			// The server speaks first.
			e.Reversed = len(e.Data[dir^1]) == 0 && dir == int(session.Orig)
			return w
		case w > v:
			v = w
		}
	}
	return v
}

// versionLine accepts "RFB xxx.yyy\n".
func versionLine(b []byte) protocol.Verdict {
	const form = "RFB 000.000\n"
	for i := 0; i < len(form) && i < len(b); i++ {
		if form[i] == '0' && b[i] >= '0' && b[i] <= '9' {
			continue
		}
		if b[i] != form[i] {
			return protocol.No
		}
	}
	if len(b) < len(form) {
		return protocol.More
	}
	return protocol.Sure
}

// stage is what a side sends next.
type stage uint8

const (
	version stage = iota
	security
	challenge // or the response to it
	result
	reason
	initial
	done
)

type analyzer struct {
	stage  [2]stage
	minor  int // the version in use is 3.minor
	method uint32
	key    int // bytes of Apple's Diffie-Hellman values
	rec    rfbRecord
	told   bool
}

type rfbRecord struct {
	version         [2][2][3]byte // by direction: major and minor
	has             [2]bool
	method          string
	judged, ok      bool
	hasShare, share bool
	name, reason    []byte
	hasSize         bool
	width, height   uint16
}

func (r *rfbRecord) Schema() *record.Schema { return Schema }

func (r *rfbRecord) Append(e *record.Encoder) {
	for dir := range r.version {
		for i := range r.version[dir] {
			if r.has[dir] {
				e.Bytes(r.version[dir][i][:])
			} else {
				e.Unset()
			}
		}
	}
	e.Str(r.method)
	if r.judged {
		e.Bool(r.ok)
	} else {
		e.Unset()
	}
	if r.hasShare {
		e.Bool(r.share)
	} else {
		e.Unset()
	}
	e.Bytes(r.name)
	if r.hasSize {
		e.Uint(uint64(r.width))
		e.Uint(uint64(r.height))
	} else {
		e.Unset()
		e.Unset()
	}
	e.Bytes(r.reason)
}

// Parse reads one message of the handshake.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	c := wire.New(data)
	ok := false
	if a.stage[dir] == version {
		ok = a.version(f, dir, &c)
	} else if dir == session.Orig {
		ok = a.client(f, &c)
	} else {
		ok = a.server(f, &c)
	}
	if !ok {
		return 0
	}
	return c.Offset()
}

// Close tells what the handshake came to.
func (a *analyzer) Close(f *protocol.Flow) { a.end(f) }

// end tells the record; what follows are pictures and keys.
func (a *analyzer) end(f *protocol.Flow) {
	if !a.told {
		a.told = true
		f.Emit(&a.rec)
	}
	a.stage = [2]stage{done, done}
	f.Finish()
}

func (a *analyzer) version(f *protocol.Flow, dir session.Direction, c *wire.Cursor) bool {
	b := c.Bytes(12)
	if !c.OK() {
		return false
	}
	if versionLine(b) != protocol.Sure {
		f.Anomaly("rfb_invalid_version", "")
		a.end(f)
		return false
	}
	r := &a.rec
	r.version[dir] = [2][3]byte{[3]byte(b[4:7]), [3]byte(b[8:11])}
	r.has[dir] = true
	a.stage[dir] = security
	minor := int(b[8]-'0')*100 + int(b[9]-'0')*10 + int(b[10]-'0')
	if string(b[4:7]) != "003" {
		minor = 8 // RealVNC and Apple have versions of their own and speak 3.8
	}
	switch {
	case minor >= 8:
		minor = 8
	case minor != 7:
		minor = 3
	}
	if dir == session.Orig || a.minor == 0 {
		a.minor = minor
	}
	return true
}

// client reads what the client sends.
func (a *analyzer) client(f *protocol.Flow, c *wire.Cursor) bool {
	switch a.stage[session.Orig] {
	case security: // its choice
		if a.minor == 3 || a.stage[session.Resp] == security {
			return false
		}
		method := c.U8()
		if !c.OK() {
			return false
		}
		a.choose(f, uint32(method))
	case challenge: // DES of the challenge; or an encrypted login and a public value
		if a.method == methodApple {
			if a.key == 0 {
				return false
			}
			c.Skip(128 + a.key)
		} else {
			c.Skip(16)
		}
		if !c.OK() {
			return false
		}
		a.stage[session.Orig] = initial
	case initial:
		share := c.U8()
		if !c.OK() {
			return false
		}
		a.rec.share, a.rec.hasShare = share != 0, true
		a.stage[session.Orig] = done
	default:
		return false
	}
	return true
}

// server reads what the server sends.
func (a *analyzer) server(f *protocol.Flow, c *wire.Cursor) bool {
	switch a.stage[session.Resp] {
	case security:
		if !a.rec.has[session.Orig] {
			return false // the version is the client's choice
		}
		if a.minor == 3 {
			method := c.U32()
			if !c.OK() {
				return false
			}
			if method == 0 {
				a.stage[session.Resp] = reason
				a.rec.judged = true
				return true
			}
			a.choose(f, method)
			return true
		}
		list := c.Vec8()
		if !c.OK() {
			return false
		}
		a.stage[session.Resp] = challenge // what it is depends on the choice
		if list.Len() == 0 {
			a.rec.judged = true
			a.stage[session.Resp] = reason
		}
	case challenge:
		if a.method == 0 {
			return false // no choice was made
		}
		if a.method == methodApple { // generator, length, prime and public value
			c.Skip(2)
			a.key = int(c.U16())
			c.Skip(2 * a.key)
		} else {
			c.Skip(16)
		}
		if !c.OK() || a.method == methodApple && a.key == 0 {
			a.key = 0
			return false
		}
		a.stage[session.Resp] = result
	case result:
		if a.method == 0 {
			return false
		}
		code := c.U32()
		if !c.OK() {
			return false
		}
		a.judge(f, code == 0)
		switch {
		case code == 0:
			a.stage[session.Resp] = initial
		case a.minor == 8:
			a.stage[session.Resp] = reason
		default:
			a.end(f)
		}
	case reason:
		n := c.U32()
		if !c.OK() || c.Len() < min(int(n), maxText) {
			return false
		}
		text := c.Bytes(min(int(n), maxText))
		a.rec.reason = textline.Set(a.rec.reason, text, maxText)
		a.end(f)
	case initial:
		width, height := c.U16(), c.U16()
		c.Skip(16)
		n := c.U32()
		if !c.OK() || c.Len() < min(int(n), maxText) {
			return false
		}
		a.rec.width, a.rec.height, a.rec.hasSize = width, height, true
		a.rec.name = textline.Set(a.rec.name, c.Bytes(min(int(n), maxText)), maxText)
		a.end(f)
	default:
		return false
	}
	return true
}

// choose takes the method of authentication.
func (a *analyzer) choose(f *protocol.Flow, method uint32) {
	a.method = method
	a.rec.method = methodName(method)
	switch method {
	case 1:
		a.stage = [2]stage{initial, initial}
		if a.minor == 8 {
			a.stage[session.Resp] = result
		} else {
			a.judge(f, true)
		}
	case 2, methodApple:
		a.stage = [2]stage{challenge, challenge}
	default:
		if method == 18 || method == 19 || method == 5 || method == 6 {
			f.SetEncrypted()
		}
		a.end(f)
	}
}

func methodName(method uint32) string {
	switch method {
	case 0:
		return "Invalid"
	case 1:
		return "None"
	case 2:
		return "VNC"
	case 5:
		return "RA2"
	case 6:
		return "RA2ne"
	case 16:
		return "Tight"
	case 17:
		return "Ultra"
	case 18:
		return "TLS"
	case 19:
		return "VeNCrypt"
	case 20:
		return "GTK-VNC SASL"
	case 21:
		return "MD5 hash authentication"
	case 22:
		return "Colin Dean xvp"
	case methodApple:
		return "Apple Remote Desktop"
	}
	return "unknown"
}

func (a *analyzer) judge(f *protocol.Flow, ok bool) {
	a.rec.judged, a.rec.ok = true, ok
	kind := protocol.LoginFailed
	if ok {
		kind = protocol.LoginOK
	}
	f.Observe(protocol.Observation{Kind: kind, Addr: f.Session.Orig, Value: a.rec.method})
}

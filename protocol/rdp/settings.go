package rdp

import (
	"bytes"

	"tyto/internal/wire"
)

// gccUser returns the settings in a GCC conference request or answer: what
// follows the given key and its length (T.124 section 8.7, packed encoding).
func gccUser(b []byte, key string) []byte {
	i := bytes.Index(b[:min(len(b), 128)], []byte(key))
	if i < 0 {
		return nil
	}
	c := wire.New(b[i+4:])
	n := int(c.U8())
	if n >= 0x80 {
		n = (n&0x3f)<<8 | int(c.U8())
	}
	rest := c.Rest()
	return rest[:min(n, len(rest))]
}

// Types of settings (section 2.2.1.3.1).
const (
	csCore     = 0xc001
	csNet      = 0xc003
	scSecurity = 0x0c02
)

// clientBlocks reads the client's settings. It returns false if there are none.
func (a *analyzer) clientBlocks(b []byte) bool {
	c := wire.New(b)
	for c.Len() >= 4 {
		kind, n := c.LE16(), int(c.LE16())
		in := c.Sub(n - 4)
		if !in.OK() {
			break
		}
		switch kind {
		case csCore:
			a.core(in)
		case csNet:
			for range min(in.LE32(), maxChannels) {
				name := in.Bytes(8)
				in.Skip(4)
				if !in.OK() {
					break
				}
				a.r.channels = append(a.r.channels, cString(name))
			}
		}
	}
	return a.r.haveCore
}

// core reads the client core data (section 2.2.1.3.2).
func (a *analyzer) core(c wire.Cursor) {
	r := &a.r
	c.Skip(4) // version
	r.width, r.height = c.LE16(), c.LE16()
	depth := c.LE16()
	c.Skip(2)
	r.layout, r.build = c.LE32(), c.LE32()
	r.name = utf16String(c.Bytes(32))
	if !c.OK() {
		return
	}
	r.haveCore = true
	r.depth = colorName(depth)
	c.Skip(12 + 64) // keyboard type, subtype, function keys; input method file
	if post := c.LE16(); c.OK() {
		r.depth = colorName(post)
	}
	c.Skip(2 + 4)
	if high := c.LE16(); c.OK() {
		r.depth = highColorName(high)
	}
	supported := c.LE16()
	early := c.LE16()
	if c.OK() && early&2 != 0 && supported&8 != 0 {
		r.depth = "32bit"
	}
	r.product = utf16String(c.Bytes(64))
}

// serverBlocks reads the server's settings. It returns false if its security is
// not among them.
func (a *analyzer) serverBlocks(b []byte) bool {
	c := wire.New(b)
	for c.Len() >= 4 {
		kind, n := c.LE16(), int(c.LE16())
		in := c.Sub(n - 4)
		if !in.OK() {
			break
		}
		if kind == scSecurity {
			a.r.method, a.r.level = in.LE32(), in.LE32()
			a.r.haveSecurity = in.OK()
			random, cert := int(in.LE32()), int(in.LE32())
			in.Skip(random)
			if body := in.Sub(cert); in.OK() && cert > 0 {
				a.certificate(body)
			}
		}
	}
	return a.r.haveSecurity
}

// certificate reads a SERVER_CERTIFICATE (section 2.2.1.4.3.1).
func (a *analyzer) certificate(c wire.Cursor) {
	v := c.LE32()
	if !c.OK() {
		return
	}
	a.r.haveCert = true
	a.r.certPermanent = v&0x80000000 == 0
	switch v & 0x7fffffff {
	case 1:
		a.r.certType, a.r.certCount = "RSA", 1
	case 2:
		a.r.certType = "X.509"
		a.r.certCount = c.LE32()
	}
}

package quic

import (
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// tryClient decrypts a packet with the client's keys of its own identifier.
func (a *analyzer) tryClient(b []byte, h *header) []byte {
	a.sets++
	var k keys
	if !k.derive(h.version, h.dcid) {
		return nil
	}
	text := k.client.open(b, h, &a.plain)
	if text != nil {
		a.keys = k
	}
	return text
}

// decrypt returns the frames of an Initial packet, nil if it cannot be read. The
// keys come from the identifier in the client's first packet, or in its first
// after a Retry.
func (a *analyzer) decrypt(dir session.Direction, b []byte, h *header) []byte {
	if k := &a.keys; k.ready && k.version != h.version && a.sets < maxKeys && saltOf(h.version) != nil {
		// The server chose another version that is compatible (RFC 9368 section
		// 2.3): its salt, the same identifier.
		a.sets++
		dcid := k.dcid
		k.derive(h.version, dcid.bytes())
	}
	if a.keys.ready {
		k := &a.keys.client
		if dir != a.client {
			if !a.keys.deriveServer() {
				return nil
			}
			k = &a.keys.server
		}
		if text := k.open(b, h, &a.plain); text != nil {
			return text
		}
	}
	if a.keys.ready && (dir != a.client || a.keys.of(h)) || a.sets >= maxKeys {
		return nil
	}
	text := a.tryClient(b, h)
	if text != nil && dir != a.client {
		a.client = dir
	}
	return text
}

// frames reads the frames of an Initial packet (RFC 9000 section 12.4, table 3).
func (a *analyzer) frames(f *protocol.Flow, dir session.Direction, text []byte, h *header) {
	google := h.version == versionQ050 || h.version == versionT050 || h.version == versionT051
	c := wire.New(text)
	for n := 0; c.Len() > 0 && n < maxFrames; n++ {
		t := c.U8()
		switch {
		case t == 0: // PADDING
			c.Skip(zeros(c.Rest()))
		case google && t == 0x08, !google && t == 0x06: // CRYPTO
			off := varint(&c)
			size := varint(&c)
			if size > uint64(c.Len()) {
				c.Fail()
				break
			}
			data := c.Bytes(int(size))
			if off > maxCrypto {
				f.Anomaly("quic_crypto_too_long", "")
				return
			}
			a.cryptoFrame(f, dir, int(off), data, h.version == versionQ050)
			if a.hs == nil {
				return
			}
		case google && t&0xc0 == 0x40:
			skipGoogleACK(&c, t)
		case google && t == 0x07: // PING
		case google: // Google's other frames are not followed
			return
		case t == 0x01: // PING
		case t == 0x02 || t == 0x03:
			skipACK(&c, t == 0x03)
		case t == 0x1c || t == 0x1d:
			a.note(f, dir, 'C')
			a.hs.Close(f)
			a.drop()
			a.tell(f)
			a.over = true
			return
		default:
			a.malformed(f, "frame not allowed in an Initial packet")
			return
		}
		if !c.OK() {
			a.malformed(f, "")
			return
		}
	}
}

// zeros returns how many zero bytes b starts with.
func zeros(b []byte) int {
	for i, v := range b {
		if v != 0 {
			return i
		}
	}
	return len(b)
}

func skipACK(c *wire.Cursor, counts bool) {
	varint(c) // largest
	varint(c) // delay
	n := varint(c)
	varint(c) // first range
	for ; n > 0 && c.Len() > 0; n-- {
		varint(c)
		varint(c)
	}
	if n > 0 {
		c.Fail()
	}
	if counts {
		varint(c)
		varint(c)
		varint(c)
	}
}

// cryptoFrame takes a part of a direction's CRYPTO stream and reads the messages
// that are complete.
func (a *analyzer) cryptoFrame(f *protocol.Flow, dir session.Direction, off int, data []byte, google bool) {
	if google {
		a.googleHello(f, dir, data)
		return
	}
	if off == a.fed[dir] && len(a.crypto[dir].Prefix()) <= off && wholeMessage(data) {
		// As nearly always: a hello in one piece.
		a.hs.Stream(f, dir, data)
		a.fed[dir] += len(data)
	} else {
		if !a.crypto[dir].Add(off, data, maxCrypto) {
			f.Anomaly("quic_crypto_too_long", "")
			return
		}
		p := a.crypto[dir].Prefix()
		if len(p) <= a.fed[dir] || !wholeMessage(p[a.fed[dir]:]) {
			return
		}
		a.hs.Stream(f, dir, p[a.fed[dir]:])
		a.fed[dir] = len(p)
	}
	a.hello(f, dir)
}

// hello notes the hellos that have been read.
func (a *analyzer) hello(f *protocol.Flow, dir session.Direction) {
	switch {
	case a.hellos[dir]:
		return
	case a.hs.ClientHello() && dir == a.client:
		a.rec.serverName, a.rec.protocol = a.hs.ServerName(), a.hs.Protocol()
		f.AddService("tls")
	case a.hs.ServerHello() && dir != a.client:
	default:
		return
	}
	a.hellos[dir] = true
	a.note(f, dir, 'S')
}

// wholeMessage reports whether b starts with a complete handshake message.
func wholeMessage(b []byte) bool {
	return len(b) >= 4 && len(b) >= 4+(int(b[1])<<16|int(b[2])<<8|int(b[3]))
}

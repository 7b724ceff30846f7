package dcerpc

import (
	"bytes"
	"encoding/binary"
	"strings"
	"sync"

	"tyto/internal/wire"
	"tyto/packet"
	"tyto/protocol/ntlm"
)

// Limits of what is told of a call's arguments.
const (
	maxArgs      = 4   // strings of one call
	maxArgBytes  = 256 // bytes of one string
	minArgLetter = 2   // shorter strings are not told: chance makes them too easily
)

// appendArgs appends the text arguments of a call. Operations have hundreds of
// layouts; what they have in common is how NDR writes a string of UTF-16
// (C706 section 14.3.4.2): the array's size, an offset of zero, the number of
// characters, then these, at a multiple of four bytes; or, in DCOM's strings,
// the size, the number of bytes and of characters (MS-OAUT section 2.2.23).
// Both say the length twice, which chance does not. NDR64 has the same numbers
// in eight bytes each.
//
// The second result is the offset behind the last of them.
func appendArgs(list []string, stub []byte, big bool) (_ []string, end int) {
	order := byteOrder(big)
	for off := 0; off+14 <= len(stub) && len(list) < maxArgs; {
		text, next := textAt(stub, off, order)
		if next == 0 {
			off += 4
			continue
		}
		if text != "" {
			list = append(list, text)
		}
		end = next
		off = (next + 3) &^ 3
	}
	return list, end
}

// credentialBytes is the length of a NETLOGON_CREDENTIAL.
const credentialBytes = 8

// zeroCredential reports whether the challenge or credential behind the names
// of a call that sets up a secure channel (MS-NRPC sections 3.5.4.4.1 to
// 3.5.4.4.5) is all zero. Clients choose it by chance; CVE-2020-1472 needs it so.
func zeroCredential(iface *Interface, opnum uint16, stub []byte, end int) bool {
	if end == 0 || end+credentialBytes > len(stub) || iface.Name != "netlogon" {
		return false
	}
	switch iface.Operation(opnum) {
	case "NetrServerReqChallenge", "NetrServerAuthenticate", "NetrServerAuthenticate2", "NetrServerAuthenticate3":
		return binary.LittleEndian.Uint64(stub[end:]) == 0
	}
	return false
}

func byteOrder(big bool) binary.ByteOrder {
	if big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// textAt reads the string at an offset. It returns the offset behind it, or 0
// if there is none.
func textAt(stub []byte, off int, order binary.ByteOrder) (text string, next int) {
	a, b, c := order.Uint32(stub[off:]), order.Uint32(stub[off+4:]), order.Uint32(stub[off+8:])
	start, chars := off+12, c
	switch {
	case b == 0 && c >= minArgLetter && c <= a && a-c <= 2: // array of NDR
	case a == c && b == 2*c && c >= minArgLetter: // FLAGGED_WORD_BLOB
	case b == 0 && c == 0 && off+26 <= len(stub) && off%8 == 0: // array of NDR64
		chars = order.Uint32(stub[off+16:])
		if order.Uint32(stub[off+12:]) != 0 || order.Uint32(stub[off+20:]) != 0 || chars < minArgLetter || chars > a || a-chars > 2 {
			return "", 0
		}
		start = off + 24
	default:
		return "", 0
	}
	if chars > 1<<15 {
		return "", 0
	}
	if end := start + int(chars); b == 0 && c > minArgLetter && end <= len(stub) && isASCII(stub[start:end]) {
		return string(stub[start:min(end-1, start+maxArgBytes)]), end
	}
	end := start + 2*int(chars)
	raw := stub[start:min(end, len(stub))]
	if len(raw) < 2*minArgLetter || bytes.HasPrefix(raw, userMarshal) {
		return "", 0
	}
	for i := 0; i+1 < len(raw); i += 2 {
		ch := order.Uint16(raw[i:])
		if ch == 0 && i+2 >= len(raw) {
			raw = raw[:i]
			break
		}
		if ch < 0x20 && ch != '\t' && ch != '\r' && ch != '\n' || ch >= 0xfffe {
			return "", 0
		}
	}
	if order == binary.BigEndian {
		return "", end
	}
	var buf [maxArgBytes]byte
	return string(ntlm.AppendUTF16(buf[:0], raw, maxArgBytes)), end
}

// userMarshal is the mark in DCOM's arguments whose numbers look like lengths
// (MS-OAUT section 2.2.29.2).
var userMarshal = []byte("User")

// isASCII reports whether b is printable text with its zero byte.
func isASCII(b []byte) bool {
	for i, v := range b {
		if last := i == len(b)-1; last != (v == 0) || !last && (v < 0x20 || v > 0x7e) {
			return false
		}
	}
	return true
}

// Tower is a protocol tower (C706 appendix I): an interface and where it is.
type Tower struct {
	Interface UUID
	Addr      packet.Addr
	Port      uint16
	UDP       bool
	Pipe      string
}

// Protocol identifiers of floors (C706 appendix I).
const (
	floorTCP   = 0x07
	floorUDP   = 0x08
	floorIP    = 0x09
	floorPipe  = 0x0f
	floorHTTP  = 0x1f
	floorUUID  = 0x0d
	maxFloors  = 8
	uuidFloor  = 19 // bytes of the left side of a floor with a UUID and a version
	maxPipeLen = 64
)

// findTower returns the first complete tower in the stub of a call of the
// endpoint mapper. The towers' own encoding is the same in NDR and NDR64; only
// what is around it differs, so it is looked for by its first floor.
func findTower(stub []byte) (t Tower, ok bool) {
	mark := [3]byte{uuidFloor, 0, floorUUID}
	for from := 0; ; {
		i := bytes.Index(stub[from:], mark[:])
		if i < 0 {
			return t, false
		}
		i += from
		if i >= 2 {
			if t, ok = parseTower(stub[i-2:]); ok {
				return t, true
			}
		}
		from = i + 1
	}
}

func parseTower(b []byte) (t Tower, ok bool) {
	c := wire.New(b)
	n := int(c.LE16())
	if n < 3 || n > maxFloors {
		return t, false
	}
	for i := range n {
		left := c.Sub(int(c.LE16()))
		right := c.Sub(int(c.LE16()))
		if !c.OK() {
			return t, false
		}
		switch left.U8() {
		case floorUUID:
			if i == 0 {
				t.Interface = readUUID(&left, false)
			}
		case floorTCP, floorHTTP:
			t.Port = right.U16()
		case floorUDP:
			t.Port, t.UDP = right.U16(), true
		case floorIP:
			if a := right.Bytes(4); a != nil && binary.BigEndian.Uint32(a) != 0 {
				t.Addr = packet.Addr4(a)
			}
		case floorPipe:
			t.Pipe = cString(right.Rest(), maxPipeLen)
		}
	}
	return t, true
}

// cString returns text up to its zero byte, at most n bytes.
func cString(b []byte, n int) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b[:min(len(b), n)])
}

// readUUID reads a UUID whose first three fields are in the sender's byte order.
func readUUID(c *wire.Cursor, big bool) (u UUID) {
	b := c.Bytes(16)
	if b == nil {
		return u
	}
	u = UUID(b)
	if !big {
		u[0], u[1], u[2], u[3] = b[3], b[2], b[1], b[0]
		u[4], u[5] = b[5], b[4]
		u[6], u[7] = b[7], b[6]
	}
	return u
}

// class is a COM class that is worth naming when it is activated from afar.
type class struct {
	id   UUID // in wire order
	name string
}

// classesText lists classes that remote control over DCOM uses, with WMI's
// entrance first.
const classesText = `
8bc3f05e-d86b-11d0-a075-00c04fb68820 WbemLevel1Login
49b2791a-b1ae-4c90-9b8e-e860ba07f889 MMC20.Application
9ba05972-f6a8-11cf-a442-00a0c90a8f39 ShellWindows
c08afd90-f2a1-11d1-8455-00a0c91f3880 ShellBrowserWindow
0f87369f-a4e5-4cfc-bd3e-73e6154572dd Schedule.Service
72c24dd5-d70a-438b-8a42-98424b88afb8 WScript.Shell
13709620-c279-11ce-a49e-444553540000 Shell.Application
00024500-0000-0000-c000-000000000046 Excel.Application
0006f03a-0000-0000-c000-000000000046 Outlook.Application
000209ff-0000-0000-c000-000000000046 Word.Application
91493441-5a91-11cf-8700-00aa0060263b PowerPoint.Application
00021a20-0000-0000-c000-000000000046 Visio.Application
`

var classes = sync.OnceValue(func() (list []class) {
	for line := range strings.Lines(classesText) {
		id, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if u, ok := parseUUID(id); ok {
			w := wire.New(u[:])
			list = append(list, class{id: readUUID(&w, false), name: name})
		}
	}
	return list
})

// findClass returns the name of the first known class that an activation asks
// for. Its place depends on the properties before it (MS-DCOM section
// 2.2.22.2); sixteen bytes are proof enough.
func findClass(stub []byte) string {
	list := classes()
	for off := 0; off+uuidBytes <= len(stub); off += 4 {
		for i := range list {
			if UUID(stub[off:off+uuidBytes]) == list[i].id {
				return list[i].name
			}
		}
	}
	return ""
}

// Package lisp recognises the control messages of the Locator/ID Separation Protocol (RFC 9301).
package lisp

import (
	"encoding/binary"

	"tyto/protocol"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "lisp",
	Doc:        "Locator/ID Separation Protocol (RFC 9301); recognised by message type and port 4342, and by the end mark of its TCP messages.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{4341, 4342},
	Probe:      probe,
}

const endMark = 0x9facade9

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if !e.Port(4342) {
		return protocol.No
	}
	if e.Transport == protocol.TCP {
		if len(b) < 8 {
			return protocol.More
		}
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < 8 || n > 2000 || b[0] != 0 {
			return protocol.No
		}
		if len(b) < n {
			return protocol.More
		}
		if binary.BigEndian.Uint32(b[n-4:]) == endMark {
			return protocol.Sure
		}
		return protocol.No
	}
	if len(b) < 24 {
		return protocol.No
	}
	switch b[0] >> 4 {
	case 1, 2, 3, 4, 5, 6, 7:
		if b[1]&0xc0 == 0 && b[3] <= 32 {
			return protocol.Sure
		}
	case 8: // a message with the IP header of its first hop
		if b[1]|b[2]|b[3] == 0 && (b[4] == 0x45 || b[4]>>4 == 6) {
			return protocol.Sure
		}
	}
	return protocol.No
}

// Package ethereum recognises Ethereum peers: the encrypted handshake over TCP (RLPx, EIP-8) and node discovery over UDP (discv4).
package ethereum

import (
	"encoding/binary"

	"tyto/protocol"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "ethereum",
	Doc:        "Ethereum peer protocols; recognised by both sides' handshakes, whose length comes first, or by the hash, recovery identifier, type and list of a discovery packet.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{30303},
	Encrypted:  true,
	Probe:      probe,
}

// Sizes of a handshake message before EIP-8 and the range of those after it,
// which are padded at random.
const (
	minHandshake, maxHandshake = 194, 1024
	hashBytes                  = 32
	discoveryBytes             = hashBytes + 65 + 1
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b, o := e.Data[e.Dir], e.Data[e.Dir.Other()]
	if e.Transport == protocol.UDP {
		return discovery(e, b)
	}
	switch {
	case len(b) > 0 && b[0] > maxHandshake>>8:
		return protocol.No
	case len(b) < 3:
		return protocol.More
	case !handshake(b):
		return protocol.No
	case len(o) >= 3 && handshake(o):
		return protocol.Sure
	case len(o) > 0:
		return protocol.No
	case e.Port(30303) && len(b) == 2+int(binary.BigEndian.Uint16(b)):
		return protocol.Likely
	}
	return protocol.More
}

// handshake reports whether b is one message: its length, and an uncompressed
// point of the curve.
func handshake(b []byte) bool {
	n := int(binary.BigEndian.Uint16(b))
	return b[2] == 4 && n >= minHandshake && n <= maxHandshake && len(b) <= 2+n
}

func discovery(e *protocol.Evidence, b []byte) protocol.Verdict {
	if len(b) <= discoveryBytes || b[discoveryBytes-2] > 1 || b[discoveryBytes-1] == 0 || b[discoveryBytes-1] > 6 {
		return protocol.No
	}
	// The packet's data are a list that fills it.
	list, rest := b[discoveryBytes], len(b)-discoveryBytes-1
	n := -1
	switch {
	case list >= 0xc0 && list <= 0xf7:
		n = int(list - 0xc0)
	case list == 0xf8 && rest > 0:
		n, rest = int(b[discoveryBytes+1]), rest-1
	case list == 0xf9 && rest > 1:
		n, rest = int(binary.BigEndian.Uint16(b[discoveryBytes+1:])), rest-2
	}
	switch {
	case n != rest:
		return protocol.No
	case e.Port(30303):
		return protocol.Sure
	}
	return protocol.Likely
}

// Package jdwp recognises the Java Debug Wire Protocol by its handshake.
package jdwp

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "jdwp",
	Doc:        "Java Debug Wire Protocol, which runs code for whoever connects; recognised by its handshake.",
	Transports: protocol.TCP,
	Ports:      []uint16{5005, 8000},
	OddPort:    true,
	Probe:      probe,
}

const handshake = "JDWP-Handshake"

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	n := min(len(b), len(handshake))
	switch {
	case string(b[:n]) != handshake[:n]:
		return protocol.No
	case n < len(handshake):
		return protocol.More
	}
	return protocol.Sure
}

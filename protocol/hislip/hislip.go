// Package hislip recognises HiSLIP, the control of instruments over TCP (IVI-6.1).
package hislip

import (
	"encoding/binary"

	"tyto/protocol"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "hislip",
	Doc:        "High-Speed LAN Instrument Protocol (IVI-6.1); recognised by prologue, type and length.",
	Transports: protocol.TCP,
	Ports:      []uint16{4880},
	Probe:      probe,
}

const headerBytes = 16

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) > 0 && b[0] != 'H' || len(b) > 1 && b[1] != 'S' || len(b) > 2 && b[2] > 30 {
		return protocol.No
	}
	if len(b) < headerBytes {
		return protocol.More
	}
	if n := binary.BigEndian.Uint64(b[8:]); n > 1<<24 || b[2] == 0 && n > 256 {
		return protocol.No
	}
	return protocol.Sure
}

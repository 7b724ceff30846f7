// Package bjnp recognises the discovery and printing protocol of Canon printers.
package bjnp

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "bjnp",
	Doc:        "Canon BJNP printing and scanning; recognised by its magic and a type.",
	Transports: protocol.UDP,
	Ports:      []uint16{8611, 8612},
	Probe:      probe,
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 16 || string(b[:4]) != "BJNP" && string(b[:4]) != "MFNP" && string(b[:4]) != "BNJB" || b[4]&0x7c != 0 {
		return protocol.No
	}
	return protocol.Sure
}

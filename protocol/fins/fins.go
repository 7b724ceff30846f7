// Package fins recognises Omron's Factory Interface Network Service.
package fins

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "fins",
	Doc:        "Omron FINS; recognised by its magic over TCP and by header and port 9600 over UDP.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{9600},
	OddPort:    true,
	Probe:      probe,
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.Transport == protocol.UDP {
		// Information field, reserved, gateway count, then addresses with nodes
		// below 255 and the command.
		if e.Port(9600) && len(b) >= 12 && b[0]&0x3e == 0 && b[0]&0x80 != 0 && b[1] == 0 && b[2] <= 7 && b[3] < 128 && b[6] < 128 && b[10] <= 0x28 {
			return protocol.Sure
		}
		return protocol.No
	}
	n := min(len(b), 4)
	switch {
	case string(b[:n]) != "FINS"[:n]:
		return protocol.No
	case len(b) < 16:
		return protocol.More
	case b[4]|b[5] != 0 || b[8]|b[9]|b[10] != 0:
		return protocol.No
	}
	return protocol.Sure
}

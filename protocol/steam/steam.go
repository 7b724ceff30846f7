// Package steam recognises Steam: discovery of clients on the local network and pings of its relays.
package steam

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "steam",
	Doc:        "Valve Steam; recognised by the marks of its local discovery and of its relay pings.",
	Transports: protocol.UDP,
	Ports:      []uint16{27036},
	Probe:      probe,
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) >= 12 && (string(b[:8]) == "\xff\xff\xff\xff\x21\x4c\x5f\xa0" || b[0] == 1 && string(b[2:8]) == "sdping") {
		return protocol.Sure
	}
	return protocol.No
}

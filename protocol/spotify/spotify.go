// Package spotify recognises Spotify clients that look for each other on the local network.
package spotify

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "spotify",
	Doc:        "Spotify peer discovery; recognised by its mark.",
	Transports: protocol.UDP,
	Ports:      []uint16{57621},
	Probe:      probe,
}

func probe(e *protocol.Evidence) protocol.Verdict {
	if b := e.Data[e.Dir]; len(b) >= 16 && string(b[:8]) == "SpotUdp0" {
		return protocol.Sure
	}
	return protocol.No
}

// Package teamspeak recognises TeamSpeak 3 by the start of its handshake.
package teamspeak

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "teamspeak",
	Doc:        "TeamSpeak 3 voice; recognised by the mark of its first packets.",
	Transports: protocol.UDP,
	Ports:      []uint16{9987},
	Encrypted:  true,
	Probe:      probe,
}

func probe(e *protocol.Evidence) protocol.Verdict {
	if b := e.Data[e.Dir]; len(b) >= 12 && string(b[:8]) == "TS3INIT1" {
		return protocol.Sure
	}
	return protocol.No
}

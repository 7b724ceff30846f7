// Package quake recognises the connectionless messages of Quake III and the games made from it.
package quake

import (
	"bytes"

	"tyto/protocol"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "quake",
	Doc:        "Quake III engine; recognised by the out-of-band mark and a known command.",
	Transports: protocol.UDP,
	Ports:      []uint16{27960},
	Probe:      probe,
}

var commands = [...]string{"getstatus", "getinfo", "getservers", "getchallenge", "statusResponse", "infoResponse", "challengeResponse", "connectResponse", "rcon ", "connect "}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 9 || string(b[:4]) != "\xff\xff\xff\xff" || b[4] < 'c' || b[4] > 's' {
		return protocol.No
	}
	for _, c := range commands {
		if bytes.HasPrefix(b[4:], []byte(c)) {
			return protocol.Sure
		}
	}
	return protocol.No
}

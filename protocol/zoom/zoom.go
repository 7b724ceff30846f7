// Package zoom recognises the start of Zoom media sessions over UDP.
package zoom

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "zoom",
	Doc:        "Zoom media; recognised by request and answer of its path check on ports 8801 to 8810.",
	Transports: protocol.UDP,
	Ports:      []uint16{8801},
	Encrypted:  true,
	Probe:      probe,
}

const (
	firstPort, lastPort = 8801, 8810
	minBytes            = 20
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	port := e.RespPort >= firstPort && e.RespPort <= lastPort || e.OrigPort >= firstPort && e.OrigPort <= lastPort
	if !port || len(b) < minBytes || b[1] != 0 {
		return protocol.No
	}
	// The check is of 16 bytes after the first four, which the answer repeats.
	s := e.Seen[e.Dir.Other()]
	switch {
	case b[0] == 2 && len(s) >= minBytes && s[0] == 1 && string(s[4:minBytes]) == string(b[4:minBytes]):
		return protocol.Sure
	case (b[0] == 1 || b[0] == 2) && b[2] <= 3:
		return protocol.Likely
	}
	return protocol.No
}

// Package giop recognises the General Inter-ORB Protocol of CORBA (OMG).
package giop

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "giop",
	Doc:        "General Inter-ORB Protocol (CORBA); recognised by its magic, version and type.",
	Transports: protocol.TCP,
	Ports:      []uint16{2809},
	Probe:      probe,
}

const headerBytes = 12

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	n := min(len(b), 4)
	switch {
	case string(b[:n]) != "GIOP"[:n]:
		return protocol.No
	case len(b) < headerBytes:
		return protocol.More
	case b[4] != 1 || b[5] > 3 || b[7] > 7:
		return protocol.No
	}
	return protocol.Sure
}

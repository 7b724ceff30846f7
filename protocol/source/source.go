// Package source recognises queries to game servers of the Source engine (Valve developer wiki, server queries).
package source

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "source-engine",
	Doc:        "Server queries of Valve's Source engine; recognised by the query's text, or the answer's header after it.",
	Transports: protocol.UDP,
	Ports:      []uint16{27015},
	Probe:      probe,
}

const query = "\xff\xff\xff\xffTSource Engine Query\x00"

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 9 || string(b[:4]) != query[:4] {
		return protocol.No
	}
	if len(b) >= len(query) && string(b[:len(query)]) == query {
		return protocol.Sure
	}
	port := e.Port(27015)
	switch b[4] {
	case 'U', 'V', 'W': // players, rules and challenge, with a challenge number
		if len(b) == 9 && (port || string(b[5:9]) == query[:4]) {
			return protocol.Likely
		}
	case 'A':
		if len(b) == 9 && port {
			return protocol.Likely
		}
	case 'I', 'D', 'E':
		if port {
			return protocol.Likely
		}
	}
	return protocol.No
}

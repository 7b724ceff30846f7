// Package megaco recognises Megaco, H.248, in text form (RFC 3525).
package megaco

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "megaco",
	Doc:        "Megaco or H.248 gateway control (RFC 3525); recognised by the start of a message and the sender's name.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{2944},
	Probe:      probe,
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	for _, start := range [...]string{"!/", "MEGACO/"} {
		if len(b) < len(start)+3 || string(b[:len(start)]) != start {
			continue
		}
		p := b[len(start):]
		if p[0] < '1' || p[0] > '9' || p[1] != ' ' && p[1] != '\r' && p[1] != '\n' {
			return protocol.No
		}
		if p[2] == '[' || p[2] == '<' || e.Port(2944) {
			return protocol.Sure
		}
		return protocol.Likely
	}
	if e.Transport == protocol.TCP && len(b) < 10 && (len(b) == 0 || b[0] == '!' || b[0] == 'M') {
		return protocol.More
	}
	return protocol.No
}

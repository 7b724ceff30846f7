// Package pim recognises Protocol Independent Multicast (RFC 7761).
package pim

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "pim",
	Doc:        "Protocol Independent Multicast (RFC 7761); IP protocol 103.",
	Transports: protocol.IP,
	Probe:      probe,
}

const ipProto = 103

func probe(e *protocol.Evidence) protocol.Verdict {
	if e.Proto == ipProto {
		return protocol.Sure
	}
	return protocol.No
}

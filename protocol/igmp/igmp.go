// Package igmp recognises the Internet Group Management Protocol (RFC 3376).
package igmp

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "igmp",
	Doc:        "Internet Group Management Protocol (RFC 3376); IP protocol 2.",
	Transports: protocol.IP,
	Probe:      probe,
}

const ipProto = 2

func probe(e *protocol.Evidence) protocol.Verdict {
	if e.Proto == ipProto {
		return protocol.Sure
	}
	return protocol.No
}

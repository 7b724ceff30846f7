// Package sctp recognises the Stream Control Transmission Protocol when what it carries is not (RFC 9260).
package sctp

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "sctp",
	Doc:        "Stream Control Transmission Protocol (RFC 9260); the name of its sessions whose messages no other protocol knows.",
	Transports: protocol.SCTP | protocol.IP,
	Probe:      probe,
}

const ipProto = 132

func probe(e *protocol.Evidence) protocol.Verdict {
	if e.Proto == ipProto {
		return protocol.Likely
	}
	return protocol.No
}

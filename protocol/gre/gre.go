// Package gre recognises Generic Routing Encapsulation where what it carries is not decoded (RFC 2784, RFC 2637).
package gre

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "gre",
	Doc:        "Generic Routing Encapsulation (RFC 2784); IP protocol 47.",
	Transports: protocol.IP,
	Probe:      probe,
}

const ipProto = 47

func probe(e *protocol.Evidence) protocol.Verdict {
	if e.Proto == ipProto {
		return protocol.Sure
	}
	return protocol.No
}

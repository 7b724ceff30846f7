// Package tplink recognises the local protocol of TP-Link smart devices.
package tplink

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "tplink-shp",
	Doc:        "TP-Link smart home protocol; recognised by the start of its JSON object in the device's disguise.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{9999},
	Probe:      probe,
}

// start is {"system" with each byte combined with the one before it, the first
// with ab; on streams it follows the length.
const start = "\xd0\xf2\x81\xf8\x8b\xff\x9a\xf7\xd5"

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.Transport == protocol.TCP {
		if len(b) > 0 && b[0] != 0 {
			return protocol.No
		}
		if len(b) < 4 {
			return protocol.More
		}
		b = b[4:]
	}
	n := min(len(b), len(start))
	switch {
	case string(b[:n]) != start[:n]:
		return protocol.No
	case n < len(start):
		if e.Transport == protocol.TCP {
			return protocol.More
		}
		return protocol.No
	}
	return protocol.Sure
}

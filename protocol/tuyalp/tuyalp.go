// Package tuyalp recognises the local protocol of Tuya smart devices.
package tuyalp

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "tuyalp",
	Doc:        "Tuya local protocol; recognised by the marks at start and end of a message and the length between.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{6666, 6667, 6668},
	Probe:      probe,
}

const headerBytes = 16

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 4 {
		if e.Transport == protocol.TCP && (len(b) == 0 || b[0] == 0) {
			return protocol.More
		}
		return protocol.No
	}
	var tail string
	switch string(b[:4]) {
	case "\x00\x00\x55\xaa":
		tail = "\x00\x00\xaa\x55"
	case "\x00\x00\x66\x99":
		tail = "\x00\x00\x99\x66"
	default:
		return protocol.No
	}
	if len(b) < headerBytes+8 {
		if e.Transport == protocol.TCP {
			return protocol.More
		}
		return protocol.No
	}
	if e.Transport == protocol.TCP || string(b[len(b)-4:]) == tail {
		return protocol.Sure
	}
	return protocol.No
}

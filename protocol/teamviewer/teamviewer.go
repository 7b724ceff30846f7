// Package teamviewer recognises TeamViewer by the mark of its messages.
package teamviewer

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "teamviewer",
	Doc:        "TeamViewer remote control; recognised by the mark of messages of both sides, with port 5938 as support.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{5938},
	OddPort:    true,
	Encrypted:  true,
	Probe:      probe,
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.Transport == protocol.UDP {
		if len(b) >= 13 && b[0] == 0 && b[11] == 0x17 && b[12] == 0x24 {
			if s := e.Seen[e.Dir.Other()]; e.Port(5938) || len(s) >= 13 && s[0] == 0 && s[11] == 0x17 && s[12] == 0x24 {
				return protocol.Sure
			}
			return protocol.Likely
		}
		return protocol.No
	}
	switch {
	case len(b) > 0 && b[0] != 0x17 && b[0] != 0x11, len(b) > 1 && !marked(b):
		return protocol.No
	case len(b) < 5:
		return protocol.More
	case e.Port(5938):
		return protocol.Sure
	}
	if o := e.Data[e.Dir.Other()]; len(o) > 0 {
		if len(o) > 1 && marked(o) {
			return protocol.Sure
		}
		return protocol.No
	}
	return protocol.More
}

func marked(b []byte) bool { return b[0] == 0x17 && b[1] == 0x24 || b[0] == 0x11 && b[1] == 0x30 }

// Package ica recognises Citrix's Independent Computing Architecture by its greeting.
package ica

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "citrix",
	Doc:        "Citrix Independent Computing Architecture; recognised by its greeting.",
	Transports: protocol.TCP,
	Ports:      []uint16{1494},
	OddPort:    true,
	Probe:      probe,
}

const greeting = "\x7f\x7fICA\x00"

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	n := min(len(b), len(greeting))
	switch {
	case string(b[:n]) != greeting[:n]:
		return protocol.No
	case n < len(greeting):
		return protocol.More
	}
	return protocol.Sure
}

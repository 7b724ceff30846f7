// Package nomachine recognises NoMachine remote desktops by their greetings.
package nomachine

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "nomachine",
	Doc:        "NoMachine remote desktop; recognised by the greeting of server or client.",
	Transports: protocol.TCP,
	Ports:      []uint16{4000},
	OddPort:    true,
	Probe:      probe,
}

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	for _, greeting := range [...]string{"NXD-", "NXSH-"} {
		n := min(len(b), len(greeting))
		if string(b[:n]) != greeting[:n] {
			continue
		}
		if len(b) <= n {
			return protocol.More
		}
		if b[n] >= '0' && b[n] <= '9' {
			return protocol.Sure
		}
	}
	return protocol.No
}

// Package raknet recognises RakNet, the transport of Minecraft Bedrock and other games.
package raknet

import "tyto/protocol"

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "raknet",
	Doc:        "RakNet; recognised by its offline message identifier.",
	Transports: protocol.UDP,
	Ports:      []uint16{19132},
	Probe:      probe,
}

const offline = "\x00\xff\xff\x00\xfe\xfe\xfe\xfe\xfd\xfd\xfd\xfd\x12\x34\x56\x78"

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if len(b) < 18 {
		return protocol.No
	}
	// Where the identifier stands depends on the message.
	at := -1
	switch b[0] {
	case 0x01:
		at = 9
	case 0x05, 0x06, 0x07, 0x08:
		at = 1
	case 0x1c:
		at = 17
	}
	if at > 0 && len(b) >= at+16 && string(b[at:at+16]) == offline {
		return protocol.Sure
	}
	return protocol.No
}

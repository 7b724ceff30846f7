package rdp

import (
	"encoding/binary"

	"tyto/protocol"
	"tyto/session"
)

// Flags and limits of the UDP transport (MS-RDPEUDP sections 2.2.2.1, 3.1.5.1.1).
const (
	udpSYN = 0x0001
	udpACK = 0x0004
	minMTU = 1132
	maxMTU = 1232
)

// probeUDP recognises a SYN or the SYN+ACK that answers it.
func probeUDP(e *protocol.Evidence, b []byte) protocol.Verdict {
	flags, ok := synFlags(b)
	if !ok {
		return protocol.No
	}
	if flags&udpACK != 0 {
		if !e.Port(3389) && len(e.Seen[e.Dir.Other()]) == 0 {
			return protocol.No
		}
		e.Reversed = e.Dir == session.Orig
		return protocol.Sure
	}
	if binary.BigEndian.Uint32(b) != 0xffffffff {
		return protocol.No
	}
	e.Reversed = e.Dir == session.Resp
	return protocol.Sure
}

// synFlags returns the flags of a datagram that has the form of a SYN: the
// header, then an initial sequence number and two MTUs, padded to an MTU.
func synFlags(b []byte) (flags uint16, ok bool) {
	if len(b) < 16 || len(b) > maxMTU {
		return 0, false
	}
	flags = binary.BigEndian.Uint16(b[6:])
	up, down := binary.BigEndian.Uint16(b[12:]), binary.BigEndian.Uint16(b[14:])
	ok = flags&udpSYN != 0 && flags&0xe000 == 0 && flags&^(udpSYN|udpACK|0x1e00) == 0 &&
		up >= minMTU && up <= maxMTU && down >= minMTU && down <= maxMTU
	return flags, ok
}

// udp follows the handshake of the UDP transport.
type udp struct {
	syn, ack bool
	told     bool
}

// datagram takes one datagram: after the handshake they are sealed by TLS or
// DTLS inside the transport's own framing.
func (a *analyzer) datagram(f *protocol.Flow, dir session.Direction, b []byte) {
	f.SetApp("rdpudp")
	if flags, ok := synFlags(b); ok {
		if flags&udpACK != 0 {
			a.udp.ack = true
		} else {
			a.udp.syn = true
		}
		return
	}
	if !a.udp.told && a.udp.ack {
		a.udp.told = true
		f.SetEncrypted()
	}
	f.Message(dir, 0, len(b))
}

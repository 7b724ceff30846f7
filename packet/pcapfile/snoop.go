package pcapfile

import (
	"encoding/binary"
	"fmt"

	"tyto/packet"
)

const (
	snoopMagic  = "snoop\x00\x00\x00"
	snoopHeader = 16
	snoopRecord = 24
)

// snoop decodes the captures of Solaris (RFC 1761); all fields are big-endian.
type snoop struct {
	link packet.LinkType
}

// Link types that are not among those packet decodes.
const (
	linkTokenRing packet.LinkType = 6
	linkFDDI      packet.LinkType = 10
)

// newSnoop reads the file header, which must be there as a whole.
func newSnoop(h []byte) (*snoop, *fault) {
	if v := binary.BigEndian.Uint32(h[8:]); v != 2 {
		return nil, &fault{problem: fmt.Sprintf("is a snoop file of version %d, which is not known", v), hint: "convert it to pcapng"}
	}
	s := &snoop{link: packet.LinkUndefined}
	switch binary.BigEndian.Uint32(h[12:]) { // RFC 1761, datalink type codes
	case 0, 4:
		s.link = packet.LinkEthernet
	case 2:
		s.link = linkTokenRing
	case 8:
		s.link = linkFDDI
	}
	return s, nil
}

func (s *snoop) cut(buf []byte, b *packet.Block) step {
	be := binary.BigEndian
	for off := 0; ; {
		h := buf[off:]
		if len(h) < snoopRecord {
			return step{used: off, need: snoopRecord}
		}
		wire, length, record := be.Uint32(h), be.Uint32(h[4:]), be.Uint32(h[8:])
		if record == 0 && [snoopRecord]byte(h) == [snoopRecord]byte{} {
			return step{used: off, fault: zeros()}
		}
		if length > MaxFrame || record > MaxFrame+1024 || record < snoopRecord || record-snoopRecord < length {
			return step{used: off, fault: &fault{problem: fmt.Sprintf("the next packet claims %d captured bytes in a record of %d", length, record)}}
		}
		if uint64(record) > uint64(len(h)) {
			return step{used: off, need: int(record)}
		}
		end := snoopRecord + int(length)
		b.Frames = append(b.Frames, packet.Frame{
			Time: int64(be.Uint32(h[16:]))*1e9 + int64(be.Uint32(h[20:]))*1000,
			Data: h[snoopRecord:end:end],
			Wire: max(wire, length),
			Link: s.link,
		})
		off += int(record)
	}
}

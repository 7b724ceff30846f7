package archive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"

	"tyto/packet"
)

// A session's datagram may have been cut into IP fragments. The frame that
// completes it is kept with the session; the others, which came before it, are
// kept under a name made of what all have: addresses, protocol and
// identification. Who asks for the session gets what has the names of its
// fragments and came within fragmentTime before.

// datagramPrefix starts the names of datagrams, and no session's identifier.
const datagramPrefix = "F/"

// fragmentTime is how long before the frame that completes a datagram its
// fragments may have come, in ns: as long as packet.Decoder waits for them.
const fragmentTime = 30e9

// datagrams names the datagrams that fragments are parts of. The zero value is
// ready for use; it is for one goroutine.
type datagrams struct {
	decoder packet.Decoder
	packet  packet.Packet
	clock   int64 // so far apart that no two fragments meet in the decoder
}

// of returns the name of the datagram a frame has a fragment of, or "".
func (d *datagrams) of(f *packet.Frame) string {
	d.clock += 2 * fragmentTime
	if d.clock < 0 {
		d.clock = 0
	}
	p := &d.packet
	d.decoder.Decode(&packet.Frame{Time: d.clock, Data: f.Data, Wire: f.Wire, Link: f.Link}, p)
	if !p.Fragment || len(p.Payload) == 0 {
		return ""
	}
	before := f.Data[:max(offset(f.Data, p.Payload), 0)]
	id, ok := identification6(before), len(before) >= 8
	if p.Version == 4 {
		id, ok = identification4(before, p.Src)
	}
	if !ok {
		return ""
	}
	src, dst := p.Src.Netip().As16(), p.Dst.Netip().As16()
	h := fnv.New64a()
	h.Write(append(append(src[:], dst[:]...), p.Version, byte(p.VLAN>>8), byte(p.VLAN)))
	if p.Version == 4 {
		h.Write([]byte{p.Proto})
	}
	h.Write(binary.BigEndian.AppendUint32(nil, id))
	return fmt.Sprintf("%s%016x", datagramPrefix, h.Sum64())
}

// offset returns where in a frame a part of it begins, or -1.
func offset(frame, part []byte) int {
	for i := range frame {
		if &frame[i] == &part[0] {
			return i
		}
	}
	return -1
}

// identification4 returns the identification in the IPv4 header that a slice
// ends with (RFC 791); its length is in its first byte.
func identification4(b []byte, src packet.Addr) (id uint32, ok bool) {
	for n := 20; n <= 60 && n <= len(b); n += 4 {
		h := b[len(b)-n:]
		if a := src.Netip().As4(); int(h[0]) == 0x40|n/4 && bytes.Equal(h[12:16], a[:]) {
			return uint32(binary.BigEndian.Uint16(h[4:])), true
		}
	}
	return 0, false
}

// identification6 returns the identification in the fragment header that a slice
// ends with (RFC 8200 section 4.5).
func identification6(b []byte) uint32 {
	if len(b) < 8 {
		return 0
	}
	return binary.BigEndian.Uint32(b[len(b)-4:])
}

// maxPieces is how many fragmented datagrams of sessions are followed at once.
const maxPieces = 1 << 20

// completion is when a datagram was complete, and in which session.
type completion struct {
	uid string
	at  int64
}

// pieces are the fragmented datagrams of sessions, by name. A name comes again
// when the sender's counter has gone round.
type pieces struct {
	of    map[string][]completion
	n     int
	err   error
	names datagrams
}

// note notes what datagram a packet completes, if it is a fragment.
func (x *pieces) note(p *Packet) error {
	if p.datagram != "" {
		return nil // carried with a tunnel
	}
	name := x.names.of(&p.Frame)
	if name == "" {
		return nil
	}
	if x.n >= maxPieces {
		x.err = fmt.Errorf("fragments are left out: the sessions have more than %d fragmented datagrams; ask for fewer sessions, or less time", maxPieces)
		return nil
	}
	x.n++
	x.of[name] = append(x.of[name], completion{p.UID, p.Time})
	return nil
}

// adopt gives a fragment the session of its datagram; false if it has none.
func (x *pieces) adopt(p *Packet) bool {
	for _, c := range x.of[p.datagram] {
		if p.Time <= c.at && p.Time >= c.at-fragmentTime {
			p.UID = c.uid
			return true
		}
	}
	return false
}

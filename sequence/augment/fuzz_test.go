package augment

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"tyto/packet"
	"tyto/session"
)

// FuzzAugment wants any session to become one that keeps the laws, whatever is
// drawn.
func FuzzAugment(f *testing.F) {
	var seed []byte
	for _, e := range shell(20 * ms).Entries[:40] {
		b := []byte{byte(e.Dir), e.Kind}
		if e.Message {
			b[0] |= 2
		}
		seed = binary.LittleEndian.AppendUint32(append(seed, b...), e.Bytes)
		seed = append(seed, 20, 0)
	}
	f.Add(uint64(1), uint8(packet.ProtoTCP), seed)
	f.Add(uint64(5), uint8(packet.ProtoUDP), seed)
	f.Fuzz(func(t *testing.T, draw uint64, proto uint8, data []byte) {
		in := fuzzed(proto, data)
		r := rand.New(rand.NewPCG(draw, 1))
		var a Augmenter
		for range 4 {
			p := Draw(r)
			if draw%2 == 0 {
				p.Layers = DrawLayers(r)
			}
			out := a.Augment(r, in, &p)
			checkLaws(t, "fuzzed", int(draw%1000), in, &out)
		}
	})
}

// fuzzed is a session of eight bytes an entry: direction and whether it is a
// message, kind, size, time since the one before.
func fuzzed(proto uint8, data []byte) *Session {
	in := &Session{Proto: proto}
	now := t0
	for ; len(data) >= 8 && len(in.Entries) < 3000; data = data[8:] {
		now += int64(binary.LittleEndian.Uint16(data[6:])) * ms / 8
		e := session.Entry{Time: now, Dir: session.Direction(data[0] & 1), Message: data[0]&2 != 0, Kind: data[1] & 0x1f, Packets: 1 + uint32(data[0]>>4)}
		if e.Bytes = binary.LittleEndian.Uint32(data[2:]) & 0x1ffff; e.Message && e.Bytes == 0 {
			e.Bytes = 1
		}
		in.Entries = append(in.Entries, e)
		if data[0]&4 != 0 {
			in.Keys = append(in.Keys, now)
			in.Typing = append(in.Typing, Span{now, now + 2000*ms, e.Dir})
		}
	}
	return in
}

package augment

import (
	"math/rand/v2"

	"tyto/packet"
	"tyto/session"
)

// step is a packet of a handshake.
type step struct {
	dir   session.Direction
	kind  uint8    // of the packet
	parts []record // messages in it
}

// record is a message of a handshake. A protected one has the size and kind that
// the suite gives it.
type record struct {
	kind      uint8
	bytes     uint32
	more      uint32 // at most so many more, evenly drawn
	protected bool
}

const (
	out = session.Orig
	in  = session.Resp
	syn = uint8(packet.SYN)
)

// Handshakes, as the lab's captures show them: sizes are those of OpenSSL,
// OpenSSH, WireGuard and OpenVPN.
var (
	openTLS = []step{
		{dir: out, kind: syn}, {dir: in, kind: syn}, {dir: out},
		{out, pushed, []record{{kind: kindHandshake, bytes: 250, more: 400}}},
		{in, pushed, []record{{kind: kindHandshake, bytes: 127}, {kind: kindCipher, bytes: 6}, {bytes: 10, more: 30, protected: true}, {bytes: 600, more: 2400, protected: true}, {bytes: 78, more: 220, protected: true}, {bytes: 36, protected: true}}},
		{out, pushed, []record{{kind: kindCipher, bytes: 6}, {bytes: 36, protected: true}}},
	}
	openSSH = []step{
		{dir: out, kind: syn}, {dir: in, kind: syn}, {dir: out},
		{out, pushed, []record{{kind: kindBanner, bytes: 21, more: 22}}},
		{in, pushed, []record{{kind: kindBanner, bytes: 21, more: 22}}},
		{out, pushed, []record{{kind: kindKex, bytes: 800, more: 760}}},
		{in, pushed, []record{{kind: kindKex, bytes: 800, more: 300}}},
		{out, pushed, []record{{kind: kindKex, bytes: 48, more: 1160}}},
		{in, pushed, []record{{kind: kindKex, bytes: 452, more: 780}, {kind: kindKex, bytes: 16}}},
		{out, pushed, []record{{kind: kindKex, bytes: 16}, {bytes: 17, protected: true}}},
		{in, pushed, []record{{bytes: 17, protected: true}}},
		{out, pushed, []record{{bytes: 40, more: 10, protected: true}}},
		{in, pushed, []record{{bytes: 38, more: 20, protected: true}}},
		{out, pushed, []record{{bytes: 100, more: 400, protected: true}}},
		{in, pushed, []record{{bytes: 1, protected: true}}},
	}
	openWireGuard = []step{
		{out, 0, []record{{kind: kindInit, bytes: 148}}},
		{in, 0, []record{{kind: kindResponse, bytes: 92}}},
	}
	openOpenVPN = []step{
		{out, 0, []record{{kind: 7, bytes: 14}}},
		{in, 0, []record{{kind: 8, bytes: 26}}},
		{out, 0, []record{{kind: 4, bytes: 280, more: 40}}},
		{in, 0, []record{{kind: 4, bytes: 1222}}},
		{in, 0, []record{{kind: 4, bytes: 60, more: 900}}},
		{out, 0, []record{{kind: 5, bytes: 26}}},
		{out, 0, []record{{kind: 4, bytes: 1222}}},
		{out, 0, []record{{kind: 4, bytes: 150, more: 900}}},
		{in, 0, []record{{kind: 4, bytes: 150, more: 60}}},
		{out, 0, []record{{kind: 5, bytes: 34}}},
		{in, 0, []record{{kind: 4, bytes: 220, more: 60}}},
		{out, 0, []record{{kind: 5, bytes: 34}}},
	}
)

// add appends the step's packet and messages.
func (s *step) add(r *rand.Rand, items []item, at int64, suite Suite) []item {
	k := len(items)
	p := item{}
	p.Time, p.Dir, p.Kind, p.Packets = at, s.dir, s.kind, 1
	items = append(items, p)
	for _, rec := range s.parts {
		m := p
		m.Message, m.Kind, m.Bytes = true, rec.kind, rec.bytes
		if rec.more > 0 {
			m.Bytes += r.Uint32N(rec.more + 1)
		}
		if rec.protected {
			m.Bytes, m.Kind = suite.Size(m.Bytes), suite.kind()
		}
		items = append(items, m)
		items[k].Bytes += m.Bytes
	}
	return items
}

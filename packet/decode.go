package packet

import "encoding/binary"

// Decoder reads the headers of frames. The zero value is ready for use; what a
// decoder keeps between frames are the fragments of unfinished datagrams. A
// decoder is for one goroutine.
//
// Fragments are put together per source, destination, identification, protocol
// and VLAN for up to 30 seconds of packet time. The frame that completes a
// datagram is decoded as the whole of it: its IPBytes is the sum of the IP
// lengths of all fragments that were received for it, its Payload lies in the
// decoder's memory. The other frames have Fragment set and carry the fragment's
// bytes as Payload: whoever counts bytes by session ignores them.
type Decoder struct {
	// MaxFragmentBytes bounds the memory for unfinished datagrams; 0 means
	// 4 MiB. It is read when the first fragment arrives.
	MaxFragmentBytes int

	Fragments   uint64 // fragments seen
	Reassembled uint64 // datagrams that were completed
	Expired     uint64 // datagrams that were given up: too old, or dropped for room

	frags *fragments // nil until the first fragment
}

// Decode reads the headers of f into p. It sets every field of p, except that
// elements of Layers past NLayers keep what they were, and so does what is not
// valid of Rare, which is allocated the first time that p needs it.
//
// EthSrc and EthDst are zero where no header had them. VLAN and InnerVLAN are
// the first two non-zero identifiers of the frame. A carrier's Outer.Kind is
// the tunnel's header, or what is carried where the tunnel has none: LayerIPv4
// and LayerIPv6 for IP in IP, LayerEthernet for EtherIP (RFC 3378) and segment
// routing (RFC 8986), LayerMPLS for MPLS in IP (RFC 4023). Its Payload is what PayloadBytes would have been
// had the tunnel not been followed.
func (d *Decoder) Decode(f *Frame, p *Packet) {
	p.reset(f)
	w := walk{d: d, p: p, b: f.Data, wire: max(int(f.Wire), len(f.Data))}
	for s := w.link(f.Link); s != stop; {
		switch s {
		case atEthernet:
			s = w.ethernet()
		case atEtherType:
			s = w.etherType()
		case atIPv4:
			s = w.ipv4()
		case atTransport:
			s = w.transport()
		case atIPv6:
			s = w.ipv6()
		case atIP:
			s = w.ip()
		case atLLC:
			s = w.llc()
		case atPPP:
			s = w.ppp()
		case atMPLS:
			s = w.mpls()
		case at80211:
			s = w.dot11()
		}
	}
	if p.Version == 0 {
		p.Cut = w.wire > len(w.b)
	}
}

// reset sets what a header may leave untouched.
func (p *Packet) reset(f *Frame) {
	p.Time, p.Index = f.Time, f.Index
	p.Wire = max(f.Wire, uint32(len(f.Data)))
	p.Flaws = 0
	p.EthSrc, p.EthDst = MAC{}, MAC{}
	p.VLAN, p.InnerVLAN = 0, 0
	p.NLayers, p.NOuters = 0, 0
	p.resetNetwork()
	p.Seq, p.Ack, p.Window, p.Flags = 0, 0, 0, 0
	p.resetOptions()
}

// resetNetwork forgets the network and transport layer: of the frame before, or
// of the carrier when a tunnel is entered.
func (p *Packet) resetNetwork() {
	p.Version, p.Proto, p.TTL = 0, 0, 0
	p.Src, p.Dst = Addr{}, Addr{}
	p.IPBytes, p.Fragment, p.Cut = 0, false, false
	p.Transport, p.SrcPort, p.DstPort = false, 0, 0
	p.Payload, p.PayloadBytes = nil, 0
}

// rare returns p.Rare, which it makes if there is none.
func (p *Packet) rare() *Rare {
	if p.Rare == nil {
		p.Rare = new(Rare)
	}
	return p.Rare
}

func (p *Packet) resetOptions() {
	p.WScale, p.HasWScale, p.MSS = 0, false, 0
	p.HasTS, p.TSVal, p.TSEcr = false, 0, 0
}

// step says what the rest of a frame starts with.
type step uint8

const (
	stop step = iota
	atEthernet
	atEtherType // walk.ether names it
	atIPv4
	atTransport // Packet.Proto names it
	atIPv6
	atIP // the version field tells
	atLLC
	atPPP
	atMPLS
	at80211
)

// walk is the way through one frame: what is left of it, inner headers first.
type walk struct {
	d     *Decoder
	p     *Packet
	b     []byte // what was captured of it
	wire  int    // its length on the wire, at least len(b)
	ether uint16 // EtherType of b
}

// need reports whether n bytes were captured. If there were fewer on the wire
// as well, the header at hand is truncated.
func (w *walk) need(n int) bool {
	if len(w.b) >= n {
		return true
	}
	if w.wire < n {
		w.p.Flaws |= FlawTruncated
	}
	return false
}

// skip passes over n bytes, of which the capture may lack some.
func (w *walk) skip(n int) {
	if n <= len(w.b) {
		w.b = w.b[n:]
		w.wire -= n
		return
	}
	w.b = w.b[len(w.b):]
	w.wire = max(w.wire-n, 0)
}

// limit ends the walk n bytes from here.
func (w *walk) limit(n int) {
	w.wire = n
	if len(w.b) > n {
		w.b = w.b[:n]
	}
}

// layer records a header. It reports false when there are too many.
func (w *walk) layer(l Layer) bool {
	p := w.p
	if p.NLayers >= MaxLayers {
		p.Flaws |= FlawTooDeep
		return false
	}
	p.Layers[p.NLayers] = l
	p.NLayers++
	return true
}

// other ends the walk at something that is not decoded.
func (w *walk) other() step {
	w.layer(LayerOther)
	return stop
}

// carry records the packet so far as the carrier of a tunnel and starts over
// for what is inside. It reports false when there are too many tunnels: the
// packet then remains the carrier's.
func (w *walk) carry(kind Layer, id uint32) bool {
	p := w.p
	if p.NOuters >= MaxOuters {
		p.Flaws |= FlawTooDeep
		return false
	}
	o := &p.rare().Outers[p.NOuters]
	p.NOuters++
	*o = Outer{Kind: kind, Proto: p.Proto, ID: id, Src: p.Src, Dst: p.Dst, Bytes: p.IPBytes, Payload: p.PayloadBytes}
	if p.Transport {
		o.SrcPort, o.DstPort = p.SrcPort, p.DstPort
	}
	p.resetNetwork()
	return true
}

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

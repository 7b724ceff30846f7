package lab

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
)

var (
	inside  = netip.MustParseAddrPort("192.168.7.9:40000")
	outside = netip.MustParseAddrPort("203.0.113.5:443")
	public  = netip.MustParseAddr("198.51.100.77")
)

// testPacket makes an IPv4 packet with valid checksums. The payload of ICMP is
// an echo request's; ports are not used there but the source's, its identifier.
func testPacket(proto byte, src, dst netip.AddrPort, body []byte) []byte {
	var transport []byte
	switch proto {
	case protoTCP:
		transport = make([]byte, 20)
		transport[12], transport[13] = 5<<4, 0x18
	case protoUDP, protoICMP:
		transport = make([]byte, 8)
	}
	transport = append(transport, body...)
	be := binary.BigEndian
	if proto == protoICMP {
		transport[0] = echoRequest
		be.PutUint16(transport[4:], src.Port())
	} else {
		be.PutUint16(transport, src.Port())
		be.PutUint16(transport[2:], dst.Port())
	}
	if proto == protoUDP {
		be.PutUint16(transport[4:], uint16(len(transport)))
	}
	p := make([]byte, ipHeader, ipHeader+len(transport))
	p[0], p[8], p[9] = 0x45, 64, proto
	be.PutUint16(p[2:], uint16(ipHeader+len(transport)))
	be.PutUint16(p[4:], 0x1234)
	s, d := src.Addr().As4(), dst.Addr().As4()
	copy(p[12:], s[:])
	copy(p[16:], d[:])
	p = append(p, transport...)
	sealHeader(p[:ipHeader])
	if at := map[byte]int{protoTCP: 16, protoUDP: 6, protoICMP: 2}[proto]; at > 0 {
		be.PutUint16(p[ipHeader+at:], transportSum(p))
	}
	return p
}

// transportSum is the checksum over the transport and its pseudo header: 0 if
// the one inside is right.
func transportSum(p []byte) uint16 {
	header := int(p[0]&15) * 4
	body := p[header:]
	if p[9] == protoICMP {
		return internetSum(body)
	}
	pseudo := append([]byte{}, p[12:20]...)
	pseudo = append(pseudo, 0, p[9], byte(len(body)>>8), byte(len(body)))
	return internetSum(append(pseudo, body...))
}

func checkSums(t *testing.T, what string, p []byte) {
	t.Helper()
	if s := internetSum(p[:int(p[0]&15)*4]); s != 0 {
		t.Errorf("%s: the header's checksum is wrong", what)
	}
	if s := transportSum(p); s != 0 {
		t.Errorf("%s: the transport's checksum is wrong", what)
	}
}

func mustView(t *testing.T, p []byte) datagram {
	t.Helper()
	d, ok := viewDatagram(p)
	if !ok {
		t.Fatalf("not a packet: %x", p)
	}
	return d
}

func TestInternetSum(t *testing.T) {
	// The example of RFC 1071, section 3.
	if got := internetSum([]byte{0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7}); got != ^uint16(0xddf2) {
		t.Errorf("got %x", got)
	}
}

// TestNAT translates packets of each protocol out and their answers in.
func TestNAT(t *testing.T) {
	n := newNAT(public, rand.New(rand.NewPCG(1, 1)))
	other := netip.AddrPortFrom(netip.MustParseAddr("192.168.7.10"), inside.Port())
	for _, proto := range []byte{protoTCP, protoUDP, protoICMP} {
		ports := make(map[uint16]bool)
		for _, from := range []netip.AddrPort{inside, other} {
			out := mustView(t, testPacket(proto, from, outside, []byte("question")))
			if !n.outward(out) || out.src() != public {
				t.Fatalf("protocol %d: source %s", proto, out.src())
			}
			checkSums(t, "out", out.data)
			id := out.port(0)
			if proto == protoICMP {
				id = out.echoID()
			}
			if ports[id] {
				t.Errorf("protocol %d: two hosts share port %d", proto, id)
			}
			ports[id] = true
			if from == inside && id != inside.Port() {
				t.Errorf("protocol %d: port %d, though %d was free", proto, id, inside.Port())
			}
			back := testPacket(proto, outside, netip.AddrPortFrom(public, id), []byte("answer"))
			if proto == protoICMP {
				back = testPacket(proto, netip.AddrPortFrom(outside.Addr(), id), netip.AddrPortFrom(public, 0), []byte("answer"))
			}
			in := mustView(t, back)
			to, ok := n.inner(in)
			if !ok || to != from {
				t.Fatalf("protocol %d: the answer goes to %s, want %s", proto, to, from)
			}
			n.inward(in, to)
			if in.dst() != from.Addr() {
				t.Errorf("protocol %d: destination %s", proto, in.dst())
			}
			checkSums(t, "in", in.data)
		}
	}
	stranger := mustView(t, testPacket(protoTCP, outside, netip.AddrPortFrom(public, 9), nil))
	if to, ok := n.inner(stranger); ok {
		t.Errorf("what nobody asked for goes to %s", to)
	}
}

// TestNATErrors translates a router's error about a translated packet back, and
// an error of the inside host out.
func TestNATErrors(t *testing.T) {
	n := newNAT(public, rand.New(rand.NewPCG(1, 1)))
	router := netip.MustParseAddr("100.64.0.1")
	for _, proto := range []byte{protoTCP, protoUDP, protoICMP} {
		out := mustView(t, testPacket(proto, inside, outside, bytes.Repeat([]byte("x"), 700)))
		n.outward(out)
		e := mustView(t, icmpError(router, unreachable, 4, 1400, out))
		checkSums(t, "error", e.data)
		if len(e.data) > 576 || e.dst() != public {
			t.Errorf("an error of %d bytes for %s", len(e.data), e.dst())
		}
		to, ok := n.inner(e)
		if !ok || to != inside {
			t.Fatalf("protocol %d: the error goes to %s", proto, to)
		}
		n.inward(e, to)
		checkSums(t, "translated error", e.data)
		quoted := datagram{e.payload()[8:], ipHeader}
		if e.dst() != inside.Addr() || quoted.src() != inside.Addr() || quoted.dst() != outside.Addr() {
			t.Errorf("protocol %d: the error is for %s, about %s to %s", proto, e.dst(), quoted.src(), quoted.dst())
		}
		if proto != protoICMP && quoted.port(0) != inside.Port() {
			t.Errorf("protocol %d: it quotes port %d", proto, quoted.port(0))
		}
	}
	answer := mustView(t, testPacket(protoUDP, outside, inside, []byte("late")))
	e := mustView(t, icmpError(inside.Addr(), unreachable, 3, 0, answer))
	if !n.outward(e) || e.src() != public || e.dst() != outside.Addr() {
		t.Errorf("the inside host's error goes from %s to %s", e.src(), e.dst())
	}
	checkSums(t, "the inside host's error", e.data)
}

// TestFragments cuts a packet, cuts the pieces again, and puts them together.
func TestFragments(t *testing.T) {
	body := make([]byte, 4001)
	for i := range body {
		body[i] = byte(i * 7)
	}
	whole := testPacket(protoUDP, inside, outside, body)
	n := newNAT(public, rand.New(rand.NewPCG(1, 1)))
	var got []byte
	more := true
	for _, p := range fragmentDatagram(mustView(t, bytes.Clone(whole)), 1500) {
		for _, q := range fragmentDatagram(mustView(t, p), 600) {
			d := mustView(t, q)
			if len(q) > 600 || internetSum(q[:ipHeader]) != 0 || !n.outward(d) || internetSum(q[:ipHeader]) != 0 {
				t.Errorf("a piece of %d bytes is not right", len(q))
			}
			if at := int(d.fragment()&offsetMask) * 8; at != len(got) {
				t.Fatalf("a piece is for %d, want %d", at, len(got))
			}
			got = append(got, d.payload()...)
			more = d.fragment()&flagMF != 0
		}
	}
	if more {
		t.Error("the last piece says that more follow")
	}
	if !bytes.Equal(got[8:], body) {
		t.Error("the pieces are not the whole")
	}
	joined := append(bytes.Clone(whole[:ipHeader]), got...)
	a := public.As4()
	copy(joined[12:], a[:])
	if transportSum(joined) != 0 {
		t.Error("the checksum of the whole, translated, is wrong")
	}
	// Back in, later pieces find the host that the first one went to.
	back := testPacket(protoUDP, outside, netip.AddrPortFrom(public, inside.Port()), body)
	for i, p := range fragmentDatagram(mustView(t, back), 1500) {
		to, ok := n.inner(mustView(t, p))
		if !ok || to.Addr() != inside.Addr() {
			t.Errorf("piece %d goes to %s", i, to)
		}
	}
}

// FuzzDatagram wants no packet to break what the wire does with it, and valid
// checksums to stay valid.
func FuzzDatagram(f *testing.F) {
	for _, proto := range []byte{protoTCP, protoUDP, protoICMP, protoSCTP, 50} {
		f.Add(testPacket(proto, inside, outside, []byte("some bytes of a body")))
	}
	d, _ := viewDatagram(testPacket(protoUDP, inside, outside, make([]byte, 64)))
	f.Add(icmpError(public, timeExceded, 0, 0, d))
	f.Fuzz(func(t *testing.T, p []byte) {
		d, ok := viewDatagram(bytes.Clone(p))
		if !ok {
			return
		}
		valid := transportSum(d.data) == 0 && d.first() && d.checksum() != nil
		n := newNAT(public, rand.New(rand.NewPCG(1, 1)))
		if d.ttl() > 1 {
			d.lowerTTL(1)
		}
		endpoints(d, d.source(), d.destination())
		if n.outward(d) && valid && d.proto() != protoICMP && d.data[0]&15 == 5 {
			checkSums(t, "translated", d.data)
		}
		if to, ok := n.inner(d); ok {
			n.inward(d, to)
		}
		icmpError(public, unreachable, 1, 0, d)
		if !d.isICMPError() {
			for _, piece := range fragmentDatagram(d, 600) {
				if _, ok := viewDatagram(piece); !ok {
					t.Errorf("a piece is no packet: %x", piece)
				}
			}
		}
	})
}

package packet

import (
	"encoding/binary"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
)

// Packets that most tests carry, by field.
const (
	ethernet4 = "020000000002 020000000001 0800" // destination, source, IPv4
	ethernet6 = "020000000002 020000000001 86dd"

	// 10.0.0.1:40000 > 10.0.0.2:80 "hi", 42 bytes
	tcp4 = "4 5 00 002a" + // version, header words, service, total length
		"1234 4000" + // identification, don't fragment
		"40 06 0000" + // TTL, TCP, checksum
		"0a000001 0a000002" +
		tcpHi
	tcpHi = "9c40 0050" +
		"00000064 000000c8" + // sequence, acknowledgment
		"5018 0100" + // five words, PSH ACK, window
		"0000 0000" + // checksum, urgent
		"6869"
	// 2001:db8::1.40000 > 2001:db8::2.80, 62 bytes
	tcp6 = "60000000 0016 06 40" + // version, payload length, TCP, hop limit
		addr6a + addr6b + tcpHi
	addr6a = "20010db8000000000000000000000001"
	addr6b = "20010db8000000000000000000000002"
	// 10.0.0.1:5000 > 10.0.0.2:53 "hi", 30 bytes
	udp4 = "4 5 00 001e 1234 0000 40 11 0000 0a000001 0a000002" +
		"1388 0035 000a 0000 6869"
)

// raw joins hexadecimal parts; spaces are for the reader.
func raw(parts ...string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Join(parts, ""), " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// repeat is n times the byte.
func repeat(b string, n int) string { return strings.Repeat(b, n) }

// number is n as so many bytes.
func number(n, bytes int) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	return hex.EncodeToString(b[8-bytes:])
}

// in4 is an IPv4 packet from 192.0.2.1 to 192.0.2.2.
func in4(proto int, payload ...string) string {
	return "4500" + number(20+len(raw(payload...)), 2) + "0000 0000 40" + number(proto, 1) + "0000 c0000201 c0000202" + strings.Join(payload, "")
}

// in6 is an IPv6 packet from 2001:db8::1 to 2001:db8::2.
func in6(next int, payload ...string) string {
	return "60000000" + number(len(raw(payload...)), 2) + number(next, 1) + "40" + addr6a + addr6b + strings.Join(payload, "")
}

// inUDP is a UDP datagram.
func inUDP(src, dst int, payload ...string) string {
	return number(src, 2) + number(dst, 2) + number(8+len(raw(payload...)), 2) + "0000" + strings.Join(payload, "")
}

func addr4(d byte) Addr { return Addr4([]byte{10, 0, 0, d}) }
func addr6(d byte) Addr { return Addr{0x20, 0x01, 0x0d, 0xb8, 15: d} }

// The carriers of in4 and in6.
var (
	carrier4 = Outer{Src: Addr4([]byte{192, 0, 2, 1}), Dst: Addr4([]byte{192, 0, 2, 2})}
	carrier6 = Outer{Src: addr6(1), Dst: addr6(2)}
)

// expect describes a Packet.
type expect func(p *Packet)

func wantTCP(p *Packet) {
	p.Proto, p.Transport = ProtoTCP, true
	p.SrcPort, p.DstPort = 40000, 80
	p.Seq, p.Ack, p.Flags, p.Window = 100, 200, PSH|ACK, 256
	p.Payload, p.PayloadBytes = []byte("hi"), 2
}

func wantTCP4(p *Packet) {
	p.Version, p.TTL, p.IPBytes = 4, 64, 42
	p.Src, p.Dst = addr4(1), addr4(2)
	wantTCP(p)
}

func wantTCP6(p *Packet) {
	p.Version, p.TTL, p.IPBytes = 6, 64, 62
	p.Src, p.Dst = addr6(1), addr6(2)
	wantTCP(p)
}

func wantUDP4(p *Packet) {
	p.Version, p.TTL, p.IPBytes = 4, 64, 30
	p.Src, p.Dst = addr4(1), addr4(2)
	p.Proto, p.Transport = ProtoUDP, true
	p.SrcPort, p.DstPort = 5000, 53
	p.Payload, p.PayloadBytes = []byte("hi"), 2
}

// wantIP4 is an IPv4 packet of in4 without a transport.
func wantIP4(proto uint8, payload string) expect {
	return func(p *Packet) {
		p.Version, p.TTL, p.Proto = 4, 64, proto
		p.Src, p.Dst = carrier4.Src, carrier4.Dst
		p.Payload = raw(payload)
		p.PayloadBytes = uint32(len(p.Payload))
		p.IPBytes = 20 + p.PayloadBytes
	}
}

// wantIP6 is an IPv6 packet of in6 without a transport.
func wantIP6(proto uint8, ipBytes uint32, payload string) expect {
	return func(p *Packet) {
		p.Version, p.TTL, p.Proto = 6, 64, proto
		p.Src, p.Dst = addr6(1), addr6(2)
		p.Payload = raw(payload)
		p.PayloadBytes = uint32(len(p.Payload))
		p.IPBytes = ipBytes
	}
}

func ports(src, dst uint16) expect {
	return func(p *Packet) { p.Transport, p.SrcPort, p.DstPort = true, src, dst }
}

func payload(s string, wire uint32) expect {
	return func(p *Packet) { p.Payload, p.PayloadBytes = raw(s), wire }
}

func macs(p *Packet) {
	p.EthDst, p.EthSrc = MAC{2, 0, 0, 0, 0, 2}, MAC{2, 0, 0, 0, 0, 1}
}

func ipBytes(n uint32) expect { return func(p *Packet) { p.IPBytes = n } }
func flaws(f Flaw) expect     { return func(p *Packet) { p.Flaws = f } }
func cut(p *Packet)           { p.Cut = true }

func layers(ls ...Layer) expect {
	return func(p *Packet) { p.NLayers = uint8(copy(p.Layers[:], ls)) }
}

func outer(o Outer, kind Layer, proto uint8, id uint32, ports [2]uint16, payload uint32) expect {
	return func(p *Packet) {
		o.Kind, o.Proto, o.ID, o.SrcPort, o.DstPort, o.Payload = kind, proto, id, ports[0], ports[1], payload
		o.Bytes = payload + 20
		if !o.Src.Is4() {
			o.Bytes += 20
		}
		if proto == ProtoUDP {
			o.Bytes += 8
		}
		p.rare().Outers[p.NOuters] = o
		p.NOuters++
	}
}

type decodeTest struct {
	name string
	link LinkType
	data string
	wire int // 0: as long as data
	want []expect
}

func (tt *decodeTest) frame() Frame {
	b := raw(tt.data)
	return Frame{Time: 1e18, Index: 7, Data: b, Wire: uint32(max(tt.wire, len(b))), Link: tt.link}
}

func (tt *decodeTest) packet() Packet {
	f := tt.frame()
	p := Packet{Time: f.Time, Index: f.Index, Wire: f.Wire}
	for _, e := range tt.want {
		e(&p)
	}
	return p
}

func allTests() []decodeTest {
	var all []decodeTest
	for _, tests := range [][]decodeTest{linkTests, tagTests, ipTests, transportTests, tunnelTests} {
		all = append(all, tests...)
	}
	return all
}

func TestDecode(t *testing.T) {
	for _, tt := range allTests() {
		t.Run(tt.name, func(t *testing.T) {
			f := tt.frame()
			var d Decoder
			var got Packet
			dirty(reflect.ValueOf(&got).Elem())
			d.Decode(&f, &got)
			compare(t, &got, tt.packet())
			before := tt.frame()
			if !reflect.DeepEqual(f, before) {
				t.Error("Decode changed the frame")
			}
		})
	}
}

// TestDecodeCut decodes every prefix of every packet: as a capture that was
// cut, no prefix may look malformed; as a whole frame, none may be believed
// beyond its end.
func TestDecodeCut(t *testing.T) {
	for _, tt := range allTests() {
		whole := tt.frame()
		var d Decoder
		var full, p Packet
		d.Decode(&whole, &full)
		for n := range whole.Data {
			f := whole
			f.Data = whole.Data[:n:n]
			d.Decode(&f, &p)
			if more := p.Flaws &^ full.Flaws; more != 0 && p.NOuters == full.NOuters && p.NLayers == full.NLayers {
				t.Errorf("%s cut to %d bytes: flaws %b", tt.name, n, more)
			}
			check(t, &f, &d, &p)
			f.Wire = uint32(n)
			d.Decode(&f, &p)
			check(t, &f, &d, &p)
		}
	}
}

// dirty fills a value with something.
func dirty(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			dirty(v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			dirty(v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		dirty(v.Elem())
	case reflect.Slice:
		v.SetBytes([]byte{1, 2, 3})
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		v.SetInt(1)
	default:
		v.SetUint(1)
	}
}

// compare reports the fields that differ, of those that are valid.
func compare(t *testing.T, got *Packet, want Packet) {
	t.Helper()
	g := *got
	clear(g.Layers[g.NLayers:])
	var rare Rare
	if g.Rare != nil {
		rare = *g.Rare
	}
	clear(rare.Outers[g.NOuters:])
	if g.NLayers == 0 || g.Layers[g.NLayers-1] != LayerARP {
		rare.ARP = ARP{}
	}
	g.Rare = &rare
	if want.Rare == nil {
		want.Rare = new(Rare)
	}
	if len(g.Payload) == 0 {
		g.Payload = nil
	}
	if len(want.Payload) == 0 {
		want.Payload = nil
	}
	a, b := reflect.ValueOf(g), reflect.ValueOf(want)
	for i := range a.NumField() {
		if x, y := a.Field(i).Interface(), b.Field(i).Interface(); !reflect.DeepEqual(x, y) {
			t.Errorf("%s: got %+v, want %+v", a.Type().Field(i).Name, x, y)
		}
	}
}

// check reports what must hold for any frame.
func check(t *testing.T, f *Frame, d *Decoder, p *Packet) {
	t.Helper()
	if p.NLayers > MaxLayers || p.NOuters > MaxOuters {
		t.Fatalf("%d layers, %d outers", p.NLayers, p.NOuters)
	}
	if len(p.Payload) > int(p.PayloadBytes) {
		t.Fatalf("%d bytes of payload captured, %d on the wire", len(p.Payload), p.PayloadBytes)
	}
	if p.Version != 0 && p.PayloadBytes > p.IPBytes && d.Reassembled == 0 {
		t.Fatalf("payload of %d bytes in IP packet of %d", p.PayloadBytes, p.IPBytes)
	}
	if !p.Cut && len(p.Payload) < int(p.PayloadBytes) {
		t.Fatalf("%d bytes of payload captured, %d on the wire, and not cut", len(p.Payload), p.PayloadBytes)
	}
	if p.Transport && (p.Version == 0 || p.Fragment) {
		t.Fatal("transport of something without one")
	}
	if len(p.Payload) > 0 && !within(p.Payload, f.Data) && (d.frags == nil || !within(p.Payload, d.frags.out)) {
		t.Fatal("payload is neither in the frame nor in the decoder")
	}
}

// within reports whether a is a part of b's memory.
func within(a, b []byte) bool {
	for i := range b {
		if &b[i] == &a[0] {
			return len(a) <= len(b)-i
		}
	}
	return false
}

func TestDecodeAllocates(t *testing.T) {
	var d Decoder
	var p Packet
	tests := allTests()
	frames := make([]Frame, len(tests))
	for i := range tests {
		frames[i] = tests[i].frame()
	}
	for i := range frames { // what is kept of fragments
		d.Decode(&frames[i], &p)
	}
	for i := range frames {
		n := testing.AllocsPerRun(10, func() {
			d.Decode(&frames[i], &p)
			p.Hash()
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", tests[i].name, n)
		}
	}
}

// FuzzDecode decodes several frames, cut from the input, with one decoder. Each
// starts with two bytes of link type and two of length.
func FuzzDecode(f *testing.F) {
	seed := func(frames ...Frame) {
		var b []byte
		for _, fr := range frames {
			b = binary.BigEndian.AppendUint16(b, uint16(fr.Link))
			b = binary.BigEndian.AppendUint16(b, uint16(len(fr.Data)))
			b = append(b, fr.Data...)
		}
		f.Add(b, uint32(0))
	}
	for _, tt := range allTests() {
		seed(tt.frame())
	}
	for _, tt := range reassemblyTests {
		seed(tt.frames()...)
	}
	f.Fuzz(func(t *testing.T, b []byte, more uint32) {
		d := Decoder{MaxFragmentBytes: 8 << 10}
		var p Packet
		for i := int64(0); len(b) >= 4; i++ {
			n := min(int(be16(b[2:])), len(b)-4)
			fr := Frame{Time: i * 1e9, Data: b[4 : 4+n : 4+n], Wire: uint32(n) + more&0xffff, Link: LinkType(be16(b))}
			b = b[4+n:]
			d.Decode(&fr, &p)
			check(t, &fr, &d, &p)
			reverse := p
			reverse.Src, reverse.Dst, reverse.SrcPort, reverse.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
			if p.Proto != ProtoICMP && p.Proto != ProtoICMPv6 && p.Hash() != reverse.Hash() {
				t.Fatal("hash depends on the direction")
			}
			for o := range p.NOuters {
				p.OuterHash(int(o))
			}
		}
		if fr := d.frags; fr != nil {
			fr.verify(t)
		}
	})
}

package packet

import (
	"encoding/binary"
	"testing"
)

func BenchmarkDecode(b *testing.B) {
	full := func(proto int, transport string) string { return in4(proto, transport, repeat("61", 1400)) }
	for _, bb := range []struct {
		name string
		link LinkType
		data string
	}{
		{"Ethernet_IPv4_TCP", LinkEthernet, ethernet4 + full(ProtoTCP, "9c40 0050 00000064 000000c8 80 10 0100 0000 0000 0101 080a 00000001 00000002")},
		{"Ethernet_IPv4_SYN", LinkEthernet, ethernet4 + in4(ProtoTCP, "9c40 0050 00000064 00000000 a0 02 faf0 0000 0000 0204 05b4 0402 080a 00000001 00000002 01 0303 07")},
		{"Ethernet_IPv4_UDP", LinkEthernet, ethernet4 + udp4},
		{"Ethernet_IPv6_TCP", LinkEthernet, ethernet6 + tcp6},
		{"Ethernet_VLAN_IPv4_TCP", LinkEthernet, "020000000002 020000000001 8100 0064 0800" + tcp4},
		{"Ethernet_IPv4_VXLAN_TCP", LinkEthernet, ethernet4 + in4(ProtoUDP, inUDP(49152, 4789, vxlanFrame))},
	} {
		b.Run(bb.name, func(b *testing.B) {
			f := Frame{Data: raw(bb.data), Link: bb.link}
			var d Decoder
			var p Packet
			b.ReportAllocs()
			for b.Loop() {
				d.Decode(&f, &p)
			}
			if !p.Transport {
				b.Fatal("not decoded")
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
		})
	}
}

func BenchmarkReassemble(b *testing.B) {
	data := make([]byte, 1480)
	first, second := fragmentOf(4, 0, 0, true, data), fragmentOf(4, 0, 1480, false, data)
	var d Decoder
	var p Packet
	id := uint16(0)
	b.ReportAllocs()
	for b.Loop() {
		id++
		binary.BigEndian.PutUint16(first[4:], id)
		binary.BigEndian.PutUint16(second[4:], id)
		d.Decode(&Frame{Data: first, Link: LinkRaw}, &p)
		d.Decode(&Frame{Data: second, Link: LinkRaw}, &p)
	}
	if p.Fragment {
		b.Fatal("not complete")
	}
	b.ReportMetric(float64(2*b.N)/b.Elapsed().Seconds(), "packets/s")
}

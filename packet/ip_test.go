package packet

import "testing"

var ipTests = []decodeTest{
	{name: "IPv4 options", link: LinkRaw, data: "4 6 00 002e 1234 4000 40 06 0000 0a000001 0a000002 94040000" + tcpHi, // router alert
		want: []expect{wantTCP4, ipBytes(46), layers(LayerIPv4, LayerTCP)}},
	{name: "IPv4, no length", link: LinkRaw, data: "4 5 00 0000 1234 4000 40 06 0000 0a000001 0a000002" + tcpHi,
		want: []expect{wantTCP4, layers(LayerIPv4, LayerTCP)}},
	{name: "IPv4, cut", link: LinkRaw, data: "4 5 00 05dc 1234 4000 40 06 0000 0a000001 0a000002" + tcpHi, wire: 1500,
		want: []expect{wantTCP4, ipBytes(1500), cut, payload("6869", 1460), layers(LayerIPv4, LayerTCP)}},
	{name: "IPv4, cut in the header", link: LinkRaw, data: "4 5 00 002a 1234", wire: 42, want: []expect{cut}},
	{name: "IPv4, cut in the options", link: LinkRaw, data: "4 6 00 002e 1234 4000 40 06 0000 c0000201 c0000202 9404", wire: 46,
		want: []expect{wantIP4(ProtoTCP, ""), payload("", 22), ipBytes(46), cut, layers(LayerIPv4, LayerTCP)}},
	{name: "IPv4, longer than the frame", link: LinkRaw, data: "4 5 00 0040 1234 4000 40 06 0000 0a000001 0a000002" + tcpHi,
		want: []expect{wantTCP4, ipBytes(64), cut, payload("6869", 24), flaws(FlawLength), layers(LayerIPv4, LayerTCP)}},
	{name: "IPv4, short", link: LinkRaw, data: "4500 0014 0000", want: []expect{flaws(FlawTruncated)}},
	{name: "IPv4, header too short", link: LinkRaw, data: "4 4 00 0014 0000 0000 40 06 0000 c0000201 c0000202",
		want: []expect{wantIP4(ProtoTCP, ""), flaws(FlawLength), layers(LayerIPv4)}},
	{name: "IPv4, length less than the header", link: LinkRaw, data: "4 6 00 0014 0000 0000 40 06 0000 c0000201 c0000202 00000000",
		want: []expect{wantIP4(ProtoTCP, ""), flaws(FlawLength), layers(LayerIPv4)}},
	{name: "IPv4, options past the frame", link: LinkRaw, data: "4 f 00 003c 0000 0000 40 06 0000 c0000201 c0000202 00000000",
		want: []expect{wantIP4(ProtoTCP, ""), ipBytes(60), flaws(FlawTruncated), layers(LayerIPv4)}},
	{name: "IPv4, other protocol", link: LinkRaw, data: in4(89, "0201"),
		want: []expect{wantIP4(89, "0201"), layers(LayerIPv4, LayerOther)}},
	{name: "IPv4 with a version of 6", link: LinkEthernet, data: ethernet4 + tcp6, want: []expect{macs, flaws(FlawVersion), layers(LayerEthernet)}},

	{name: "IPv6 extension headers", link: LinkRaw, data: in6(protoHopByHop,
		"2b 00 05020000 0100"+ // routing next, router alert, padding
			"3c 02 04 00 00000000"+addr6b+ // destination options next, segment routing
			"06 01 010c 0000000000000000 0000 0000"+ // TCP next
			tcpHi),
		want: []expect{wantTCP6, ipBytes(62 + 8 + 24 + 16), layers(LayerIPv6, LayerTCP)}},
	{name: "IPv6 authenticated", link: LinkRaw, data: in6(ProtoAH, "06 04 0000 00000001 00000001"+repeat("aa", 12)+tcpHi), // TCP next, six words
		want: []expect{wantTCP6, ipBytes(62 + 24), layers(LayerIPv6, LayerAH, LayerTCP)}},
	{name: "IPv6 atomic fragment", link: LinkRaw, data: in6(protoFragment, "06 00 0000 00000001"+tcpHi),
		want: []expect{wantTCP6, ipBytes(70), layers(LayerIPv6, LayerTCP)}},
	{name: "IPv6, nothing next", link: LinkRaw, data: in6(59), want: []expect{wantIP6(59, 40, ""), layers(LayerIPv6, LayerOther)}},
	{name: "IPv6 mobility", link: LinkRaw, data: in6(protoMobility, "3b 00 0100 0000 0000"),
		want: []expect{wantIP6(59, 48, ""), layers(LayerIPv6, LayerOther)}},
	{name: "IPv6, late hop-by-hop header", link: LinkRaw, data: in6(protoDest, "00 00 010400000000 06 00 010400000000"+tcpHi),
		want: []expect{wantIP6(protoHopByHop, 78, "06 00 010400000000"+tcpHi), flaws(FlawExtension), layers(LayerIPv6)}},
	{name: "IPv6, extension past the packet", link: LinkRaw, data: in6(protoDest, "06 05 010400000000"+tcpHi),
		want: []expect{wantIP6(protoDest, 70, "06 05 010400000000"+tcpHi), flaws(FlawExtension), layers(LayerIPv6)}},
	{name: "IPv6, extension cut", link: LinkRaw, data: in6(protoDest, "06 03 0104 0000"), wire: 46,
		want: []expect{wantIP6(protoDest, 46, "060301040000"), flaws(FlawTruncated), layers(LayerIPv6)}},
	{name: "IPv6, endless extensions", link: LinkRaw, data: in6(protoDest, repeat("3c00010400000000", 20)),
		want: []expect{wantIP6(protoDest, 200, repeat("3c00010400000000", 4)), flaws(FlawExtension), layers(LayerIPv6)}},
	{name: "IPv6 routed to nothing known", link: LinkRaw, data: in6(254, "aa"), want: []expect{wantIP6(254, 41, "aa"), layers(LayerIPv6, LayerOther)}},
	{name: "IPv6, short", link: LinkRaw, data: "60000000 0016 06 40 2001", want: []expect{flaws(FlawTruncated)}},
	{name: "IPv6, longer than the frame", link: LinkRaw, data: "60000000 0020 06 40" + addr6a + addr6b + tcpHi,
		want: []expect{wantTCP6, ipBytes(72), cut, payload("6869", 12), flaws(FlawLength), layers(LayerIPv6, LayerTCP)}},
	{name: "IPv6 jumbogram", link: LinkRaw, wire: 40 + 70000,
		data: "60000000 0000 00 40" + addr6a + addr6b + "06 00 c204 00011170" + tcpHi, // 70,000 bytes
		want: []expect{wantTCP6, ipBytes(70040), cut, payload("6869", 70000-8-20), layers(LayerIPv6, LayerTCP)}},
	{name: "IPv6 jumbogram, UDP", link: LinkRaw, wire: 40 + 70000,
		data: "60000000 0000 00 40" + addr6a + addr6b + "11 00 c204 00011170" + "1388 0035 0000 0000 6869",
		want: []expect{wantIP6(ProtoUDP, 70040, "6869"), cut, ports(5000, 53), payload("6869", 70000-8-8), layers(LayerIPv6, LayerUDP)}},
	{name: "IPv6 jumbogram of a lie", link: LinkRaw,
		data: "60000000 0000 00 40" + addr6a + addr6b + "06 00 c204 7fffffff" + tcpHi,
		want: []expect{wantTCP6, ipBytes(70), flaws(FlawExtension), layers(LayerIPv6, LayerTCP)}},
	{name: "IPv6, offloaded", link: LinkRaw, wire: 40 + 70000,
		data: "60000000 0000 06 40" + addr6a + addr6b + tcpHi,
		want: []expect{wantTCP6, ipBytes(70040), cut, payload("6869", 70000-20), layers(LayerIPv6, LayerTCP)}},
	{name: "IPv4 fragment", link: LinkRaw, data: "4 5 00 001c 0001 2000 40 11 0000 c0000201 c0000202 1388 0035 0010 0000", // more follow
		want: []expect{wantIP4(ProtoUDP, "1388003500100000"), func(p *Packet) { p.Fragment = true }, layers(LayerIPv4)}},
}

var transportTests = []decodeTest{
	{name: "TCP SYN", link: LinkRaw, data: in4(ProtoTCP, "9c40 0050 00000064 00000000 a0 02 faf0 0000 0000"+ // ten words, SYN
		"0204 05b4"+ // maximum segment 1460
		"0402"+ // selective acknowledgment
		"080a 00000001 00000002"+ // timestamps
		"01 0303 07"), // window scale 7
		want: []expect{wantIP4(ProtoTCP, ""), ports(40000, 80), layers(LayerIPv4, LayerTCP), ipBytes(60), func(p *Packet) {
			p.Seq, p.Flags, p.Window = 100, SYN, 0xfaf0
			p.MSS, p.HasWScale, p.WScale, p.HasTS, p.TSVal, p.TSEcr = 1460, true, 7, true, 1, 2
		}}},
	{name: "TCP timestamps", link: LinkRaw, data: in4(ProtoTCP, "9c40 0050 00000064 000000c8 80 10 0100 0000 0000 0101 080a 00000001 00000002"),
		want: []expect{wantIP4(ProtoTCP, ""), ports(40000, 80), layers(LayerIPv4, LayerTCP), ipBytes(52), func(p *Packet) {
			p.Seq, p.Ack, p.Flags, p.Window = 100, 200, ACK, 256
			p.HasTS, p.TSVal, p.TSEcr = true, 1, 2
		}}},
	{name: "TCP, bad options", link: LinkRaw, data: in4(ProtoTCP, "9c40 0050 00000064 000000c8 80 10 0100 0000 0000 0303 20 0200 0000 0000000000"),
		want: []expect{wantIP4(ProtoTCP, ""), ports(40000, 80), layers(LayerIPv4, LayerTCP), ipBytes(52), func(p *Packet) {
			p.Seq, p.Ack, p.Flags, p.Window = 100, 200, ACK, 256
			p.HasWScale, p.WScale = true, 14
		}}},
	{name: "TCP, options cut", link: LinkRaw, wire: 1500, data: "4500 05dc 0000 0000 40 06 0000 c0000201 c0000202" +
		"9c40 0050 00000064 000000c8 80 10 0100 0000 0000 0101 080a 0000",
		want: []expect{wantIP4(ProtoTCP, ""), ports(40000, 80), layers(LayerIPv4, LayerTCP), ipBytes(1500), cut, payload("", 1448), func(p *Packet) {
			p.Seq, p.Ack, p.Flags, p.Window = 100, 200, ACK, 256
		}}},
	{name: "TCP, header cut", link: LinkRaw, wire: 1500, data: "4500 05dc 0000 0000 40 06 0000 c0000201 c0000202 9c40 0050",
		want: []expect{wantIP4(ProtoTCP, "9c400050"), ipBytes(1500), cut, payload("9c400050", 1480), layers(LayerIPv4, LayerTCP)}},
	{name: "TCP, bad offset", link: LinkRaw, data: in4(ProtoTCP, "9c40 0050 00000064 000000c8 40 10 0100 0000 0000"),
		want: []expect{wantIP4(ProtoTCP, "9c40005000000064000000c8401001000000 0000"), flaws(FlawTruncated), layers(LayerIPv4, LayerTCP)}},
	{name: "TCP, offset past the packet", link: LinkRaw, data: in4(ProtoTCP, "9c40 0050 00000064 000000c8 f0 10 0100 0000 0000"),
		want: []expect{wantIP4(ProtoTCP, "9c40005000000064000000c8f01001000000 0000"), flaws(FlawTruncated), layers(LayerIPv4, LayerTCP)}},
	{name: "UDP", link: LinkRaw, data: udp4, want: []expect{wantUDP4, layers(LayerIPv4, LayerUDP)}},
	{name: "UDP, shorter than the packet", link: LinkRaw, data: in4(ProtoUDP, "1388 0035 0009 0000 6869"),
		want: []expect{wantIP4(ProtoUDP, ""), ports(5000, 53), payload("68", 1), ipBytes(30), layers(LayerIPv4, LayerUDP)}},
	{name: "UDP, longer than the packet", link: LinkRaw, data: in4(ProtoUDP, "1388 0035 0040 0000 6869"),
		want: []expect{wantIP4(ProtoUDP, ""), ports(5000, 53), payload("6869", 2), ipBytes(30), flaws(FlawLength), layers(LayerIPv4, LayerUDP)}},
	{name: "UDP, no length", link: LinkRaw, data: in4(ProtoUDP, "1388 0035 0000 0000 6869"),
		want: []expect{wantIP4(ProtoUDP, ""), ports(5000, 53), payload("6869", 2), ipBytes(30), flaws(FlawLength), layers(LayerIPv4, LayerUDP)}},
	{name: "UDP, short", link: LinkRaw, data: in4(ProtoUDP, "1388 0035"),
		want: []expect{wantIP4(ProtoUDP, "13880035"), flaws(FlawTruncated), layers(LayerIPv4, LayerUDP)}},
	{name: "ICMP echo", link: LinkRaw, data: in4(ProtoICMP, "08 00 0000 0001 0002 6869"), // type, code, checksum, identifier, sequence
		want: []expect{wantIP4(ProtoICMP, ""), ports(8, 0), payload("000100026869", 6), ipBytes(30), layers(LayerIPv4, LayerICMP)}},
	{name: "ICMPv6 neighbor solicitation", link: LinkRaw, data: in6(ProtoICMPv6, "87 00 0000 00000000"+addr6b),
		want: []expect{wantIP6(ProtoICMPv6, 64, "00000000"+addr6b), ports(135, 0), layers(LayerIPv6, LayerICMPv6)}},
	{name: "ICMP, short", link: LinkRaw, data: in4(ProtoICMP, "08 00"),
		want: []expect{wantIP4(ProtoICMP, "0800"), flaws(FlawTruncated), layers(LayerIPv4, LayerICMP)}},
	{name: "SCTP", link: LinkRaw, data: in4(ProtoSCTP, "0b59 0b59 00000001 00000000 06000004"), // ports, tag, checksum, abort
		want: []expect{wantIP4(ProtoSCTP, ""), ports(2905, 2905), payload("06000004", 4), ipBytes(36), layers(LayerIPv4, LayerSCTP)}},
	{name: "SCTP, short", link: LinkRaw, data: in4(ProtoSCTP, "0b59 0b59"),
		want: []expect{wantIP4(ProtoSCTP, "0b590b59"), flaws(FlawTruncated), layers(LayerIPv4, LayerSCTP)}},
	{name: "ESP", link: LinkRaw, data: in4(ProtoESP, "00000001 00000002 aabb"),
		want: []expect{wantIP4(ProtoESP, "0000000100000002aabb"), layers(LayerIPv4, LayerESP)}},
	{name: "AH", link: LinkRaw, data: in4(ProtoAH, "06 04 0000 00000001 00000001"+repeat("aa", 12)+tcpHi),
		want: []expect{wantIP4(ProtoTCP, ""), wantTCP, ipBytes(66), layers(LayerIPv4, LayerAH, LayerTCP)}},
	{name: "AH, too long", link: LinkRaw, data: in4(ProtoAH, "06 40 0000 00000001 00000001"),
		want: []expect{wantIP4(ProtoAH, "064000000000000100000001"), flaws(FlawLength), layers(LayerIPv4, LayerAH)}},
	{name: "IGMP", link: LinkRaw, data: in4(ProtoIGMP, "16 00 0000 e0000001"),
		want: []expect{wantIP4(ProtoIGMP, "16000000e0000001"), layers(LayerIPv4, LayerOther)}},
}

var (
	udpVXLAN   = [2]uint16{49152, 4789}
	udpGPE     = [2]uint16{49152, 4790}
	udpGeneve  = [2]uint16{49152, 6081}
	udpGTPU    = [2]uint16{2152, 2152}
	udpTeredo  = [2]uint16{49152, 3544}
	noPorts    = [2]uint16{}
	vxlanFrame = "08 000000 00007b 00" + ethernet4 + tcp4 // flags, reserved, VNI 123
)

// stays is a UDP packet that only looks like a tunnel.
func stays(src, dst uint16, data string) []expect {
	return []expect{wantIP4(ProtoUDP, data), ports(src, dst), layers(LayerIPv4, LayerUDP), func(p *Packet) { p.IPBytes += 8 }}
}

var tunnelTests = []decodeTest{
	{name: "IP in IP", link: LinkRaw, data: in4(ProtoIPIP, tcp4),
		want: []expect{wantTCP4, layers(LayerIPv4, LayerIPv4, LayerTCP), outer(carrier4, LayerIPv4, ProtoIPIP, 0, noPorts, 42)}},
	{name: "IPv6 in IPv4", link: LinkRaw, data: in4(ProtoIPv6, tcp6),
		want: []expect{wantTCP6, layers(LayerIPv4, LayerIPv6, LayerTCP), outer(carrier4, LayerIPv6, ProtoIPv6, 0, noPorts, 62)}},
	{name: "IPv4 in IPv6", link: LinkRaw, data: in6(ProtoIPIP, tcp4),
		want: []expect{wantTCP4, layers(LayerIPv6, LayerIPv4, LayerTCP), outer(carrier6, LayerIPv4, ProtoIPIP, 0, noPorts, 42)}},
	{name: "IP in IP, wrong version", link: LinkRaw, data: in4(ProtoIPIP, tcp6),
		want: []expect{flaws(FlawVersion), layers(LayerIPv4), outer(carrier4, LayerIPv4, ProtoIPIP, 0, noPorts, 62)}},
	{name: "five tunnels", link: LinkRaw, data: in4(ProtoIPIP, in4(ProtoIPIP, in4(ProtoIPIP, in4(ProtoIPIP, in4(ProtoIPIP, tcp4))))),
		want: []expect{wantIP4(ProtoIPIP, tcp4), flaws(FlawTooDeep), layers(LayerIPv4, LayerIPv4, LayerIPv4, LayerIPv4, LayerIPv4),
			outer(carrier4, LayerIPv4, ProtoIPIP, 0, noPorts, 122), outer(carrier4, LayerIPv4, ProtoIPIP, 0, noPorts, 102),
			outer(carrier4, LayerIPv4, ProtoIPIP, 0, noPorts, 82), outer(carrier4, LayerIPv4, ProtoIPIP, 0, noPorts, 62)}},
	{name: "MPLS in IP", link: LinkRaw, data: in4(protoMPLS, "00065140", tcp4),
		want: []expect{wantTCP4, layers(LayerIPv4, LayerMPLS, LayerIPv4, LayerTCP), outer(carrier4, LayerMPLS, protoMPLS, 0, noPorts, 46)}},
	{name: "EtherIP", link: LinkRaw, data: in4(protoEtherIP, "3000", ethernet4, tcp4),
		want: []expect{macs, wantTCP4, layers(LayerIPv4, LayerEthernet, LayerIPv4, LayerTCP), outer(carrier4, LayerEthernet, protoEtherIP, 0, noPorts, 58)}},

	{name: "Ethernet in IPv6", link: LinkRaw, data: in6(protoEthernet, ethernet4, tcp4),
		want: []expect{macs, wantTCP4, layers(LayerIPv6, LayerEthernet, LayerIPv4, LayerTCP), outer(carrier6, LayerEthernet, protoEthernet, 0, noPorts, 56)}},

	{name: "GRE", link: LinkRaw, data: in4(ProtoGRE, "0000 0800", tcp4),
		want: []expect{wantTCP4, layers(LayerIPv4, LayerGRE, LayerIPv4, LayerTCP), outer(carrier4, LayerGRE, ProtoGRE, 0, noPorts, 46)}},
	{name: "GRE with all fields", link: LinkRaw, data: in4(ProtoGRE, "f000 86dd", // checksum, routing, key, sequence number
		"1234 0000", "0000002a", "00000001",
		"0800 00 04 0a000003", "0000 00 00", // one source route entry, end
		tcp6),
		want: []expect{wantTCP6, layers(LayerIPv4, LayerGRE, LayerIPv6, LayerTCP), outer(carrier4, LayerGRE, ProtoGRE, 42, noPorts, 90)}},
	{name: "GRE, Ethernet", link: LinkRaw, data: in4(ProtoGRE, "2000 6558 0000002a", ethernet4, tcp4),
		want: []expect{macs, wantTCP4, layers(LayerIPv4, LayerGRE, LayerEthernet, LayerIPv4, LayerTCP), outer(carrier4, LayerGRE, ProtoGRE, 42, noPorts, 64)}},
	{name: "GRE, MPLS", link: LinkRaw, data: in6(ProtoGRE, "0000 8847 00065140", tcp4),
		want: []expect{wantTCP4, layers(LayerIPv6, LayerGRE, LayerMPLS, LayerIPv4, LayerTCP), outer(carrier6, LayerGRE, ProtoGRE, 0, noPorts, 50)}},
	{name: "GRE, WCCP", link: LinkRaw, data: in4(ProtoGRE, "0000 883e", tcp4),
		want: []expect{wantTCP4, layers(LayerIPv4, LayerGRE, LayerIPv4, LayerTCP), outer(carrier4, LayerGRE, ProtoGRE, 0, noPorts, 46)}},
	{name: "GRE, WCCP 2", link: LinkRaw, data: in4(ProtoGRE, "0000 883e 00010000", tcp4),
		want: []expect{wantTCP4, layers(LayerIPv4, LayerGRE, LayerIPv4, LayerTCP), outer(carrier4, LayerGRE, ProtoGRE, 0, noPorts, 50)}},
	{name: "GRE, security group tag", link: LinkRaw, data: in4(ProtoGRE, "0000 8909 0800 01 01 0001 000a", tcp4),
		want: []expect{wantTCP4, layers(LayerIPv4, LayerGRE, LayerVLAN, LayerIPv4, LayerTCP), outer(carrier4, LayerGRE, ProtoGRE, 0, noPorts, 54)}},
	{name: "GRE, 802.11", link: LinkRaw, data: in4(ProtoGRE, "0000 8200", "0801 0000", dot11Addrs, "0000", snap4, tcp4),
		want: []expect{dot11MACs(12, 11), wantTCP4, layers(LayerIPv4, LayerGRE, Layer80211, LayerIPv4, LayerTCP), outer(carrier4, LayerGRE, ProtoGRE, 0, noPorts, 78)}},
	{name: "GRE in UDP", link: LinkRaw, data: in4(ProtoUDP, inUDP(49152, 4754, "2000 0800 0000002a", tcp4)),
		want: []expect{wantTCP4, layers(LayerIPv4, LayerUDP, LayerGRE, LayerIPv4, LayerTCP), outer(carrier4, LayerGRE, ProtoUDP, 42, [2]uint16{49152, 4754}, 50)}},
	{name: "GRE in UDP, not IP", link: LinkRaw, data: in4(ProtoUDP, inUDP(49152, 4754, "0000 0800 00112233")),
		want: stays(49152, 4754, "0000080000112233")},
	{name: "GRE, keepalive", link: LinkRaw, data: in4(ProtoGRE, "0000 0000"),
		want: []expect{wantIP4(ProtoGRE, "00000000"), layers(LayerIPv4, LayerGRE)}},
	{name: "GRE, endless routing", link: LinkRaw, data: in4(ProtoGRE, "4000 0800 00000000", "0800 00 04 0a000003"),
		want: []expect{wantIP4(ProtoGRE, "4000080000000000080000040a000003"), flaws(FlawTruncated), layers(LayerIPv4, LayerGRE)}},
	{name: "GRE, short", link: LinkRaw, data: in4(ProtoGRE, "2000 0800"),
		want: []expect{wantIP4(ProtoGRE, "20000800"), flaws(FlawTruncated), layers(LayerIPv4, LayerGRE)}},
	{name: "PPTP", link: LinkRaw, data: in4(ProtoGRE, "3081 880b 002e 0007 00000001 00000000", "ff03 0021", tcp4), // version 1, length, call, sequence, acknowledgment
		want: []expect{wantTCP4, layers(LayerIPv4, LayerGRE, LayerPPP, LayerIPv4, LayerTCP), outer(carrier4, LayerGRE, ProtoGRE, 7, noPorts, 62)}},
	{name: "PPTP, acknowledgment", link: LinkRaw, data: in4(ProtoGRE, "2081 880b 0000 0007 00000000"),
		want: []expect{wantIP4(ProtoGRE, "2081880b0000000700000000"), layers(LayerIPv4, LayerGRE)}},
	{name: "ERSPAN I", link: LinkRaw, data: in4(ProtoGRE, "0000 88be", ethernet4, tcp4),
		want: []expect{macs, wantTCP4, layers(LayerIPv4, LayerGRE, LayerERSPAN, LayerEthernet, LayerIPv4, LayerTCP), outer(carrier4, LayerERSPAN, ProtoGRE, 0, noPorts, 60)}},
	{name: "ERSPAN II", link: LinkRaw, data: in4(ProtoGRE, "1000 88be 00000001", "1064 1809 00000000", ethernet4, tcp4), // version, VLAN, session 9
		want: []expect{macs, wantTCP4, layers(LayerIPv4, LayerGRE, LayerERSPAN, LayerEthernet, LayerIPv4, LayerTCP), outer(carrier4, LayerERSPAN, ProtoGRE, 9, noPorts, 72)}},
	{name: "ERSPAN III", link: LinkRaw, data: in4(ProtoGRE, "1000 22eb 00000001",
		"2064 0009 00000000 0000 0001", repeat("00", 8), // session 9, time stamp, group, optional part
		ethernet4, tcp4),
		want: []expect{macs, wantTCP4, layers(LayerIPv4, LayerGRE, LayerERSPAN, LayerEthernet, LayerIPv4, LayerTCP), outer(carrier4, LayerERSPAN, ProtoGRE, 9, noPorts, 84)}},
	{name: "ERSPAN III, IP", link: LinkRaw, data: in4(ProtoGRE, "1000 22eb 00000001 2064 0009 00000000 0000 0800", tcp6),
		want: []expect{wantTCP6, layers(LayerIPv4, LayerGRE, LayerERSPAN, LayerIPv6, LayerTCP), outer(carrier4, LayerERSPAN, ProtoGRE, 9, noPorts, 82)}},

	{name: "VXLAN", link: LinkRaw, data: in4(ProtoUDP, inUDP(49152, 4789, vxlanFrame)),
		want: []expect{macs, wantTCP4, layers(LayerIPv4, LayerUDP, LayerVXLAN, LayerEthernet, LayerIPv4, LayerTCP),
			outer(carrier4, LayerVXLAN, ProtoUDP, 123, udpVXLAN, 64)}},
	{name: "VXLAN over IPv6", link: LinkRaw, data: in6(ProtoUDP, inUDP(49152, 8472, vxlanFrame)),
		want: []expect{macs, wantTCP4, layers(LayerIPv6, LayerUDP, LayerVXLAN, LayerEthernet, LayerIPv4, LayerTCP),
			outer(carrier6, LayerVXLAN, ProtoUDP, 123, [2]uint16{49152, 8472}, 64)}},
	{name: "VXLAN, ARP", link: LinkRaw, data: in4(ProtoUDP, inUDP(49152, 4789, "08 000000 00007b 00", "020000000002 020000000001 0806",
		"0001 0800 06 04 0002 020000000001 0a000001 020000000002 0a000002")),
		want: []expect{macs, layers(LayerIPv4, LayerUDP, LayerVXLAN, LayerEthernet, LayerARP), outer(carrier4, LayerVXLAN, ProtoUDP, 123, udpVXLAN, 50),
			func(p *Packet) {
				p.rare().ARP = ARP{Op: 2, SenderMAC: MAC{2, 0, 0, 0, 0, 1}, TargetMAC: MAC{2, 0, 0, 0, 0, 2}, SenderIP: addr4(1), TargetIP: addr4(2)}
			}}},
	{name: "VXLAN, no identifier", link: LinkRaw, data: in4(ProtoUDP, inUDP(49152, 4789, "00 000000 00007b 00", ethernet4, tcp4)),
		want: stays(49152, 4789, "0000000000007b00"+ethernet4+tcp4)},
	{name: "VXLAN, no Ethernet", link: LinkRaw, data: in4(ProtoUDP, inUDP(49152, 4789, "08", repeat("11", 40))),
		want: stays(49152, 4789, "08"+repeat("11", 40))},
	{name: "VXLAN-GPE", link: LinkRaw, data: in4(ProtoUDP, inUDP(49152, 4790, "0c 0000 01 00007b 00", tcp4)), // flags, next is IPv4
		want: []expect{wantTCP4, layers(LayerIPv4, LayerUDP, LayerVXLAN, LayerIPv4, LayerTCP), outer(carrier4, LayerVXLAN, ProtoUDP, 123, udpGPE, 50)}},
	{name: "VXLAN-GPE, IPv6", link: LinkRaw, data: in4(ProtoUDP, inUDP(49152, 4790, "0c 0000 02 00007b 00", tcp6)),
		want: []expect{wantTCP6, layers(LayerIPv4, LayerUDP, LayerVXLAN, LayerIPv6, LayerTCP), outer(carrier4, LayerVXLAN, ProtoUDP, 123, udpGPE, 70)}},
	{name: "VXLAN-GPE, service header", link: LinkRaw, data: in4(ProtoUDP, inUDP(49152, 4790, "0c 0000 04 00007b 00", "0fc2 02 03 000001ff", ethernet4, tcp4)),
		want: []expect{macs, wantTCP4, layers(LayerIPv4, LayerUDP, LayerVXLAN, LayerOther, LayerEthernet, LayerIPv4, LayerTCP),
			outer(carrier4, LayerVXLAN, ProtoUDP, 123, udpGPE, 72)}},
	{name: "Geneve", link: LinkRaw, data: in4(ProtoUDP, inUDP(49152, 6081, "02 00 6558 00007b 00", "0102 80 01 aabbccdd", ethernet4, tcp4)), // two words of options
		want: []expect{macs, wantTCP4, layers(LayerIPv4, LayerUDP, LayerGeneve, LayerEthernet, LayerIPv4, LayerTCP),
			outer(carrier4, LayerGeneve, ProtoUDP, 123, udpGeneve, 72)}},
	{name: "Geneve, IP", link: LinkRaw, data: in4(ProtoUDP, inUDP(49152, 6081, "00 00 0800 00007b 00", tcp4)),
		want: []expect{wantTCP4, layers(LayerIPv4, LayerUDP, LayerGeneve, LayerIPv4, LayerTCP), outer(carrier4, LayerGeneve, ProtoUDP, 123, udpGeneve, 50)}},
	{name: "Geneve, options past the end", link: LinkRaw, data: in4(ProtoUDP, inUDP(49152, 6081, "3f 00 0800 00007b 00", tcp4)),
		want: stays(49152, 6081, "3f0008000000 7b00"+tcp4)},
	{name: "Geneve, version 1", link: LinkRaw, data: in4(ProtoUDP, inUDP(49152, 6081, "40 00 0800 00007b 00", tcp4)),
		want: stays(49152, 6081, "400008000000 7b00"+tcp4)},
	{name: "Teredo", link: LinkRaw, data: in4(ProtoUDP, inUDP(49152, 3544, tcp6)),
		want: []expect{wantTCP6, layers(LayerIPv4, LayerUDP, LayerTeredo, LayerIPv6, LayerTCP), outer(carrier4, LayerTeredo, ProtoUDP, 0, udpTeredo, 62)}},
	{name: "Teredo, authentication and origin", link: LinkRaw, data: in4(ProtoUDP, inUDP(49152, 3544,
		"0001 02 01 aabb cc 0102030405060708 00", // identifier and value of 2 and 1 bytes, nonce, confirmation
		"0000 3fff f5fffffd", tcp6)),
		want: []expect{wantTCP6, layers(LayerIPv4, LayerUDP, LayerTeredo, LayerIPv6, LayerTCP), outer(carrier4, LayerTeredo, ProtoUDP, 0, udpTeredo, 86)}},
	{name: "Teredo, IPv4", link: LinkRaw, data: in4(ProtoUDP, inUDP(49152, 3544, tcp4)),
		want: stays(49152, 3544, tcp4)},
	{name: "GTP-U", link: LinkRaw, data: in4(ProtoUDP, inUDP(2152, 2152, "30 ff 002a 0000007b", tcp4)), // version 1, G-PDU, length, TEID
		want: []expect{wantTCP4, layers(LayerIPv4, LayerUDP, LayerGTPU, LayerIPv4, LayerTCP), outer(carrier4, LayerGTPU, ProtoUDP, 123, udpGTPU, 50)}},
	{name: "GTP-U, extension header", link: LinkRaw, data: in4(ProtoUDP, inUDP(2152, 2152, "34 ff 0046 0000007b", "0000 00 85", "01 0009 00", tcp6)), // session container
		want: []expect{wantTCP6, layers(LayerIPv4, LayerUDP, LayerGTPU, LayerIPv6, LayerTCP), outer(carrier4, LayerGTPU, ProtoUDP, 123, udpGTPU, 78)}},
	{name: "GTP-U, Ethernet", link: LinkRaw, data: in4(ProtoUDP, inUDP(2152, 2152, "30 ff 0038 0000007b", ethernet4, tcp4)),
		want: []expect{macs, wantTCP4, layers(LayerIPv4, LayerUDP, LayerGTPU, LayerEthernet, LayerIPv4, LayerTCP), outer(carrier4, LayerGTPU, ProtoUDP, 123, udpGTPU, 64)}},
	{name: "GTP-U, echo", link: LinkRaw, data: in4(ProtoUDP, inUDP(2152, 2152, "32 01 0004 00000000 00010000")),
		want: stays(2152, 2152, "320100040000000000010000")},
	{name: "GTP-U, endless extensions", link: LinkRaw, data: in4(ProtoUDP, inUDP(2152, 2152, "34 ff 0030 0000007b", "0000 00 85", repeat("01000085", 11))),
		want: stays(2152, 2152, "34ff00300000007b00000085"+repeat("01000085", 11))},
	{name: "GTP-U, extension of no length", link: LinkRaw, data: in4(ProtoUDP, inUDP(2152, 2152, "34 ff 0030 0000007b", "0000 00 85", repeat("00", 44))),
		want: stays(2152, 2152, "34ff00300000007b00000085"+repeat("00", 44))},
	{name: "L2TP", link: LinkRaw, data: in4(ProtoUDP, inUDP(1701, 1701, "0002 0001 0001 ff03 0021", tcp4)),
		want: stays(1701, 1701, "000200010001ff030021"+tcp4)},
	{name: "VLAN in VXLAN in VLAN", link: LinkEthernet, data: "020000000009 020000000008 8100 0064 0800" +
		in4(ProtoUDP, inUDP(49152, 4789, "08 000000 00007b 00", "020000000002 020000000001 8100 00c8 0800", tcp4)),
		want: []expect{macs, wantTCP4, func(p *Packet) { p.VLAN, p.InnerVLAN = 100, 200 },
			layers(LayerEthernet, LayerVLAN, LayerIPv4, LayerUDP, LayerVXLAN, LayerEthernet, LayerVLAN, LayerIPv4, LayerTCP),
			outer(carrier4, LayerVXLAN, ProtoUDP, 123, udpVXLAN, 68)}},
}

// TestTunnelsAllTheWay nests what has no end: layers and tunnels are bounded,
// whatever carries them.
func TestTunnelsAllTheWay(t *testing.T) {
	gre := tcp4
	for range 40 {
		gre = in4(ProtoGRE, "0000 0800", gre)
	}
	ah := repeat("33 01 0000 00000001 00000001", 40)
	for _, b := range [][]byte{raw(gre), raw(in4(ProtoAH, ah)), raw(in6(ProtoAH, ah))} {
		f := Frame{Data: b, Link: LinkRaw}
		var d Decoder
		var p Packet
		d.Decode(&f, &p)
		if p.Flaws&(FlawTooDeep|FlawExtension) == 0 {
			t.Errorf("flaws %b", p.Flaws)
		}
		check(t, &f, &d, &p)
	}
}

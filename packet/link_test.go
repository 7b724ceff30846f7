package packet

const (
	snap4 = "aaaa03 000000 0800" // LLC, organization, IPv4
	// 802.11: addresses 02…0a, 0b, 0c
	dot11Addrs = "02000000000a 02000000000b 02000000000c"
)

func dot11MACs(dst, src byte) expect {
	return func(p *Packet) { p.EthDst, p.EthSrc = MAC{2, 0, 0, 0, 0, dst}, MAC{2, 0, 0, 0, 0, src} }
}

func source(p *Packet) { p.EthSrc = MAC{2, 0, 0, 0, 0, 1} }

var linkTests = []decodeTest{
	{name: "unknown link", link: 147, data: tcp4, want: []expect{flaws(FlawUnknownLink)}},
	{name: "ethernet", link: LinkEthernet, data: ethernet4 + tcp4,
		want: []expect{macs, wantTCP4, layers(LayerEthernet, LayerIPv4, LayerTCP)}},
	{name: "ethernet, padded", link: LinkEthernet, data: ethernet4 + udp4 + repeat("00", 16),
		want: []expect{macs, wantUDP4, layers(LayerEthernet, LayerIPv4, LayerUDP)}},
	{name: "ethernet, IPv6", link: LinkEthernet, data: ethernet6 + tcp6,
		want: []expect{macs, wantTCP6, layers(LayerEthernet, LayerIPv6, LayerTCP)}},
	{name: "ethernet, short", link: LinkEthernet, data: "020000000002 0200",
		want: []expect{flaws(FlawTruncated)}},
	{name: "ethernet, LLDP", link: LinkEthernet, data: "0180c200000e 020000000001 88cc 0000",
		want: []expect{func(p *Packet) { p.EthDst, p.EthSrc = MAC{1, 0x80, 0xc2, 0, 0, 0xe}, MAC{2, 0, 0, 0, 0, 1} },
			layers(LayerEthernet, LayerOther), flaws(FlawUnknownEther)}},
	{name: "ethernet, SNAP", link: LinkEthernet, data: "020000000002 020000000001 0032" + snap4 + tcp4,
		want: []expect{macs, wantTCP4, layers(LayerEthernet, LayerIPv4, LayerTCP)}},
	{name: "ethernet, LLC for IP", link: LinkEthernet, data: "020000000002 020000000001 002d 060603" + tcp4,
		want: []expect{macs, wantTCP4, layers(LayerEthernet, LayerIPv4, LayerTCP)}},
	{name: "ethernet, spanning tree", link: LinkEthernet, data: "020000000002 020000000001 0026 424203" + repeat("00", 35),
		want: []expect{macs, layers(LayerEthernet, LayerOther)}},
	{name: "ethernet, CDP", link: LinkEthernet, data: "020000000002 020000000001 000a aaaa03 00000c 2000 0000",
		want: []expect{macs, layers(LayerEthernet, LayerOther)}},
	{name: "ethernet, LLC longer than the frame", link: LinkEthernet, data: "020000000002 020000000001 0100" + snap4 + tcp4,
		want: []expect{macs, layers(LayerEthernet, LayerOther), flaws(FlawLength)}},

	{name: "ARP", link: LinkEthernet, data: "ffffffffffff 020000000001 0806" +
		"0001 0800 06 04 0001" + // Ethernet, IPv4, address lengths, request
		"020000000001 0a000001" +
		"000000000000 0a000002" + repeat("00", 18),
		want: []expect{layers(LayerEthernet, LayerARP), func(p *Packet) {
			p.EthDst, p.EthSrc = MAC{255, 255, 255, 255, 255, 255}, MAC{2, 0, 0, 0, 0, 1}
			p.rare().ARP = ARP{Op: 1, SenderMAC: MAC{2, 0, 0, 0, 0, 1}, SenderIP: addr4(1), TargetIP: addr4(2)}
		}}},
	{name: "RARP", link: LinkEthernet, data: "020000000002 020000000001 8035" +
		"0001 0800 06 04 0003 020000000001 00000000 020000000001 00000000",
		want: []expect{macs, layers(LayerEthernet, LayerARP), func(p *Packet) {
			p.rare().ARP = ARP{Op: 3, SenderMAC: MAC{2, 0, 0, 0, 0, 1}, TargetMAC: MAC{2, 0, 0, 0, 0, 1},
				SenderIP: Addr4(make([]byte, 4)), TargetIP: Addr4(make([]byte, 4))}
		}}},
	{name: "ARP for other hardware", link: LinkEthernet, data: "020000000002 020000000001 0806 0020 0800 14 04 0001" + repeat("00", 48),
		want: []expect{macs, layers(LayerEthernet, LayerOther)}},
	{name: "ARP, short", link: LinkEthernet, data: "020000000002 020000000001 0806 0001 0800 06 04 0001 0200",
		want: []expect{macs, layers(LayerEthernet), flaws(FlawTruncated)}},

	{name: "null, little endian", link: LinkNull, data: "02000000" + tcp4, want: []expect{wantTCP4, layers(LayerNull, LayerIPv4, LayerTCP)}},
	{name: "null, big endian", link: LinkNull, data: "00000002" + tcp4, want: []expect{wantTCP4, layers(LayerNull, LayerIPv4, LayerTCP)}},
	{name: "null, Linux", link: LinkNull, data: "0a000000" + tcp6, want: []expect{wantTCP6, layers(LayerNull, LayerIPv6, LayerTCP)}},
	{name: "null, BSD", link: LinkNull, data: "18000000" + tcp6, want: []expect{wantTCP6, layers(LayerNull, LayerIPv6, LayerTCP)}},
	{name: "null, FreeBSD", link: LinkNull, data: "0000001c" + tcp6, want: []expect{wantTCP6, layers(LayerNull, LayerIPv6, LayerTCP)}},
	{name: "null, Darwin", link: LinkNull, data: "1e000000" + tcp6, want: []expect{wantTCP6, layers(LayerNull, LayerIPv6, LayerTCP)}},
	{name: "null, EtherType", link: LinkNull, data: "0f000800" + tcp4, want: []expect{wantTCP4, layers(LayerNull, LayerIPv4, LayerTCP)}},
	{name: "null, IPX", link: LinkNull, data: "17000000 ffff", want: []expect{layers(LayerNull, LayerOther), flaws(FlawUnknownEther)}},
	{name: "loop", link: LinkLoop, data: "00000002" + tcp4, want: []expect{wantTCP4, layers(LayerNull, LayerIPv4, LayerTCP)}},
	{name: "loop, OpenBSD", link: LinkLoop, data: "00000018" + tcp6, want: []expect{wantTCP6, layers(LayerNull, LayerIPv6, LayerTCP)}},

	{name: "raw", link: LinkRaw, data: tcp4, want: []expect{wantTCP4, layers(LayerIPv4, LayerTCP)}},
	{name: "raw, IPv6", link: LinkRaw, data: tcp6, want: []expect{wantTCP6, layers(LayerIPv6, LayerTCP)}},
	{name: "raw, BSD", link: LinkRawBSD, data: tcp4, want: []expect{wantTCP4, layers(LayerIPv4, LayerTCP)}},
	{name: "raw, OpenBSD", link: LinkRawOBSD, data: tcp6, want: []expect{wantTCP6, layers(LayerIPv6, LayerTCP)}},
	{name: "raw, neither", link: LinkRaw, data: "00" + tcp4, want: []expect{flaws(FlawVersion)}},
	{name: "raw, empty", link: LinkRaw, data: "", want: []expect{flaws(FlawTruncated)}},
	{name: "IPv4 link", link: LinkIPv4, data: tcp4, want: []expect{wantTCP4, layers(LayerIPv4, LayerTCP)}},
	{name: "IPv6 link", link: LinkIPv6, data: tcp6, want: []expect{wantTCP6, layers(LayerIPv6, LayerTCP)}},
	{name: "IPv6 link, IPv4", link: LinkIPv6, data: tcp4 + tcp4, want: []expect{flaws(FlawVersion)}},

	{name: "SLL", link: LinkSLL, data: "0000 0001 0006 020000000001 0000 0800" + tcp4, // to us, Ethernet, address, IPv4
		want: []expect{source, wantTCP4, layers(LayerSLL, LayerIPv4, LayerTCP)}},
	{name: "SLL, LLC", link: LinkSLL, data: "0000 0001 0006 020000000001 0000 0004" + snap4 + tcp4,
		want: []expect{source, wantTCP4, layers(LayerSLL, LayerIPv4, LayerTCP)}},
	{name: "SLL, VLAN", link: LinkSLL, data: "0000 0001 0006 020000000001 0000 8100 0007 0800" + tcp4,
		want: []expect{source, wantTCP4, func(p *Packet) { p.VLAN = 7 }, layers(LayerSLL, LayerVLAN, LayerIPv4, LayerTCP)}},
	{name: "SLL, CAN", link: LinkSLL, data: "0001 0118 0000 0000000000000000 000c 0000",
		want: []expect{layers(LayerSLL, LayerOther)}},
	{name: "SLL2", link: LinkSLL2, data: "0800 0000 00000002 0001 00 06 0200000000010000" + tcp4, // IPv4, interface, Ethernet, to us
		want: []expect{source, wantTCP4, layers(LayerSLL, LayerIPv4, LayerTCP)}},
	{name: "SLL2, IPv6", link: LinkSLL2, data: "86dd 0000 00000002 fffe 00 00 0000000000000000" + tcp6,
		want: []expect{wantTCP6, layers(LayerSLL, LayerIPv6, LayerTCP)}},

	{name: "PPP", link: LinkPPP, data: "0021" + tcp4, want: []expect{wantTCP4, layers(LayerPPP, LayerIPv4, LayerTCP)}},
	{name: "PPP, one byte", link: LinkPPP, data: "57" + tcp6, want: []expect{wantTCP6, layers(LayerPPP, LayerIPv6, LayerTCP)}},
	{name: "PPP, HDLC", link: LinkPPP, data: "ff03 0021" + tcp4, want: []expect{wantTCP4, layers(LayerPPP, LayerIPv4, LayerTCP)}},
	{name: "PPP, MPLS", link: LinkPPP, data: "ff03 0281 00064140" + tcp4, want: []expect{wantTCP4, layers(LayerPPP, LayerMPLS, LayerIPv4, LayerTCP)}},
	{name: "PPP, LCP", link: LinkPPP, data: "c021 01010004", want: []expect{layers(LayerPPP, LayerOther)}},
	{name: "PPP in HDLC", link: LinkPPPHDLC, data: "ff03 0021" + tcp4, want: []expect{wantTCP4, layers(LayerPPP, LayerIPv4, LayerTCP)}},
	{name: "PPP link with Cisco HDLC", link: LinkPPPHDLC, data: "0f00 0800" + tcp4, want: []expect{wantTCP4, layers(LayerIPv4, LayerTCP)}},
	{name: "Cisco HDLC", link: LinkCHDLC, data: "0f00 86dd" + tcp6, want: []expect{wantTCP6, layers(LayerIPv6, LayerTCP)}},
	{name: "Cisco HDLC, keepalive", link: LinkCHDLC, data: "8f00 8035 00000002" + repeat("00", 10),
		want: []expect{layers(LayerOther)}},

	{name: "PPPoE link", link: LinkPPPoE, data: "11 00 0001 002c 0021" + tcp4, // version and type, session data, session, length
		want: []expect{wantTCP4, layers(LayerPPPoE, LayerPPP, LayerIPv4, LayerTCP)}},
	{name: "PPPoE", link: LinkEthernet, data: "020000000002 020000000001 8864 11 00 0001 0040 0057" + tcp6,
		want: []expect{macs, wantTCP6, layers(LayerEthernet, LayerPPPoE, LayerPPP, LayerIPv6, LayerTCP)}},
	{name: "PPPoE, too long", link: LinkPPPoE, data: "11 00 0001 0100 0021" + tcp4,
		want: []expect{wantTCP4, flaws(FlawLength), layers(LayerPPPoE, LayerPPP, LayerIPv4, LayerTCP)}},
	{name: "PPPoE discovery", link: LinkEthernet, data: "020000000002 020000000001 8863 11 09 0000 0000",
		want: []expect{macs, layers(LayerEthernet, LayerPPPoE)}},

	{name: "802.11 from station", link: Link80211, data: "0801 0000" + dot11Addrs + "0000" + snap4 + tcp4, // data to DS, duration, sequence
		want: []expect{dot11MACs(12, 11), wantTCP4, layers(Layer80211, LayerIPv4, LayerTCP)}},
	{name: "802.11 from access point", link: Link80211, data: "0802 0000" + dot11Addrs + "0000" + snap4 + tcp4,
		want: []expect{dot11MACs(10, 12), wantTCP4, layers(Layer80211, LayerIPv4, LayerTCP)}},
	{name: "802.11 ad hoc", link: Link80211, data: "0800 0000" + dot11Addrs + "0000" + snap4 + tcp4,
		want: []expect{dot11MACs(10, 11), wantTCP4, layers(Layer80211, LayerIPv4, LayerTCP)}},
	{name: "802.11, four addresses, QoS", link: Link80211, data: "8803 0000" + dot11Addrs + "0000 02000000000d 0000" + snap4 + tcp4,
		want: []expect{dot11MACs(12, 13), wantTCP4, layers(Layer80211, LayerIPv4, LayerTCP)}},
	{name: "802.11, QoS and HT control", link: Link80211, data: "8881 0000" + dot11Addrs + "0000 0000 00000000" + snap4 + tcp4,
		want: []expect{dot11MACs(12, 11), wantTCP4, layers(Layer80211, LayerIPv4, LayerTCP)}},
	{name: "802.11, aggregate", link: Link80211, data: "8801 0000" + dot11Addrs + "0000 8000" +
		"020000000002 020000000001 0032" + snap4 + tcp4 + "0000" + "020000000002 020000000001 0000",
		want: []expect{macs, wantTCP4, layers(Layer80211, LayerIPv4, LayerTCP)}},
	{name: "802.11, protected", link: Link80211, data: "0841 0000" + dot11Addrs + "0000" + repeat("55", 40),
		want: []expect{dot11MACs(12, 11), layers(Layer80211)}},
	{name: "802.11, null data", link: Link80211, data: "4801 0000" + dot11Addrs + "0000",
		want: []expect{dot11MACs(12, 11), layers(Layer80211)}},
	{name: "802.11, beacon", link: Link80211, data: "8000 0000" + dot11Addrs + "0000" + repeat("00", 20),
		want: []expect{dot11MACs(10, 11), layers(Layer80211)}},
	{name: "802.11, acknowledgment", link: Link80211, data: "d400 0000 02000000000a",
		want: []expect{dot11MACs(10, 0), func(p *Packet) { p.EthSrc = MAC{} }, layers(Layer80211)}},
	{name: "radiotap", link: LinkRadiotap, data: "00 00 0800 00000000 0801 0000" + dot11Addrs + "0000" + snap4 + tcp4, // version, length, no fields
		want: []expect{dot11MACs(12, 11), wantTCP4, layers(Layer80211, LayerIPv4, LayerTCP)}},
	{name: "radiotap, check sequence and padding", link: LinkRadiotap, data: "00 00 1900 03000080 00000000 00000000" + // two words of fields, aligned
		"0000000000000000 30" + // time, flags
		"8801 0000" + dot11Addrs + "0000 0000 0000" + snap4 + "4500001e 1234 0000 40 11 0000 0a000001 0a000002 1388 0035 000a 0000 6869" + "deadbeef",
		want: []expect{dot11MACs(12, 11), wantUDP4, layers(Layer80211, LayerIPv4, LayerUDP)}},
	{name: "Prism", link: LinkPrism, data: "44000000 90000000" + repeat("00", 136) + "0801 0000" + dot11Addrs + "0000" + snap4 + tcp4,
		want: []expect{dot11MACs(12, 11), wantTCP4, layers(Layer80211, LayerIPv4, LayerTCP)}},
	{name: "AVS", link: LinkAVS, data: "80211001 00000040" + repeat("00", 56) + "0801 0000" + dot11Addrs + "0000" + snap4 + tcp4,
		want: []expect{dot11MACs(12, 11), wantTCP4, layers(Layer80211, LayerIPv4, LayerTCP)}},
	{name: "PPI", link: LinkPPI, data: "00 00 0800 01000000" + ethernet4 + tcp4,
		want: []expect{macs, wantTCP4, layers(LayerEthernet, LayerIPv4, LayerTCP)}},
	{name: "PPI in PPI", link: LinkPPI, data: "00 00 0800 c0000000 00 00 0800 01000000",
		want: []expect{flaws(FlawUnknownLink)}},

	{name: "NFLOG", link: LinkNFLog, data: "02 00 0000" + // IPv4, version, group
		"0800 0100 0800 0100" + // packet header
		"0500 0a00 00 000000" + // prefix, padded
		"1000 0800 0006 0000 020000000001 0000" + // hardware address
		"2e00 0900" + tcp4,
		want: []expect{source, wantTCP4, layers(LayerIPv4, LayerTCP)}},
	{name: "NFLOG, big endian", link: LinkNFLog, data: "0a 00 0000 0008 0001 86dd 0100 0042 0009" + tcp6,
		want: []expect{wantTCP6, layers(LayerIPv6, LayerTCP)}},
	{name: "NFLOG, bad length", link: LinkNFLog, data: "02 00 0000 0300 0900" + tcp4, want: []expect{flaws(FlawLength)}},
}

var tagTests = []decodeTest{
	{name: "VLAN", link: LinkEthernet, data: "020000000002 020000000001 8100 6064 0800" + tcp4, // priority 3, VLAN 100
		want: []expect{macs, wantTCP4, func(p *Packet) { p.VLAN = 100 }, layers(LayerEthernet, LayerVLAN, LayerIPv4, LayerTCP)}},
	{name: "QinQ", link: LinkEthernet, data: "020000000002 020000000001 88a8 0064 8100 00c8 86dd" + tcp6,
		want: []expect{macs, wantTCP6, func(p *Packet) { p.VLAN, p.InnerVLAN = 100, 200 },
			layers(LayerEthernet, LayerVLAN, LayerVLAN, LayerIPv6, LayerTCP)}},
	{name: "QinQ, old", link: LinkEthernet, data: "020000000002 020000000001 9100 0000 8100 00c8 8100 00c9 0800" + tcp4,
		want: []expect{macs, wantTCP4, func(p *Packet) { p.VLAN, p.InnerVLAN = 200, 201 },
			layers(LayerEthernet, LayerVLAN, LayerVLAN, LayerVLAN, LayerIPv4, LayerTCP)}},
	{name: "VLAN, LLC", link: LinkEthernet, data: "020000000002 020000000001 8100 0064 0032" + snap4 + tcp4,
		want: []expect{macs, wantTCP4, func(p *Packet) { p.VLAN = 100 }, layers(LayerEthernet, LayerVLAN, LayerIPv4, LayerTCP)}},
	{name: "backbone tag", link: LinkEthernet, data: "020000000009 020000000008 88e7 00000001" + ethernet4 + tcp4,
		want: []expect{macs, wantTCP4, layers(LayerEthernet, LayerVLAN, LayerEthernet, LayerIPv4, LayerTCP)}},
	{name: "FabricPath", link: LinkEthernet, data: "020000000009 020000000008 8903 0060" + ethernet4 + tcp4,
		want: []expect{macs, wantTCP4, layers(LayerEthernet, LayerVLAN, LayerEthernet, LayerIPv4, LayerTCP)}},
	{name: "security group tag", link: LinkEthernet, data: "020000000002 020000000001 8909 01 01 0001 000a 0800" + tcp4,
		want: []expect{macs, wantTCP4, layers(LayerEthernet, LayerVLAN, LayerIPv4, LayerTCP)}},
	{name: "VN tag", link: LinkEthernet, data: "020000000002 020000000001 8926 00000001 0800" + tcp4,
		want: []expect{macs, wantTCP4, layers(LayerEthernet, LayerVLAN, LayerIPv4, LayerTCP)}},
	{name: "E tag", link: LinkEthernet, data: "020000000002 020000000001 893f 000000000001 0800" + tcp4,
		want: []expect{macs, wantTCP4, layers(LayerEthernet, LayerVLAN, LayerIPv4, LayerTCP)}},
	{name: "service header", link: LinkEthernet, data: "020000000002 020000000001 894f 0fc2 02 01 000001ff" + tcp4, // two words, type 2, IPv4
		want: []expect{macs, wantTCP4, layers(LayerEthernet, LayerOther, LayerIPv4, LayerTCP)}},
	{name: "too many tags", link: LinkEthernet, data: "020000000002 020000000001 8100" + repeat("0001 8100", 30) + "0001 0800" + tcp4,
		want: []expect{macs, flaws(FlawTooDeep), func(p *Packet) {
			p.VLAN, p.InnerVLAN, p.NLayers = 1, 1, MaxLayers
			for i := range p.Layers {
				p.Layers[i] = LayerVLAN
			}
			p.Layers[0] = LayerEthernet
		}}},
	{name: "MPLS", link: LinkEthernet, data: "020000000002 020000000001 8847 00064040 00065140" + tcp4, // label, TTL; bottom of stack
		want: []expect{macs, wantTCP4, layers(LayerEthernet, LayerMPLS, LayerIPv4, LayerTCP)}},
	{name: "MPLS, IPv6", link: LinkEthernet, data: "020000000002 020000000001 8848 00065140" + tcp6,
		want: []expect{macs, wantTCP6, layers(LayerEthernet, LayerMPLS, LayerIPv6, LayerTCP)}},
	{name: "MPLS, Ethernet", link: LinkEthernet, data: "020000000009 020000000008 8847 00065140" + ethernet4 + tcp4,
		want: []expect{macs, wantTCP4, layers(LayerEthernet, LayerMPLS, LayerEthernet, LayerIPv4, LayerTCP)}},
	{name: "MPLS, Ethernet with an address like IPv4", link: LinkEthernet, data: "020000000009 020000000008 8847 00065140 450000000002 020000000001 0800" + tcp4,
		want: []expect{macs, func(p *Packet) { p.EthDst[0] = 0x45 }, wantTCP4, layers(LayerEthernet, LayerMPLS, LayerEthernet, LayerIPv4, LayerTCP)}},
	{name: "MPLS, control word", link: LinkEthernet, data: "020000000009 020000000008 8847 00065140 00000001" + ethernet4 + tcp4,
		want: []expect{macs, wantTCP4, layers(LayerEthernet, LayerMPLS, LayerEthernet, LayerIPv4, LayerTCP)}},
	{name: "MPLS, associated channel", link: LinkEthernet, data: "020000000002 020000000001 8847 00065140 10000021 00000000",
		want: []expect{macs, layers(LayerEthernet, LayerMPLS, LayerOther)}},
	{name: "MPLS without an end", link: LinkEthernet, data: "020000000002 020000000001 8847" + repeat("00064040", 30),
		want: []expect{macs, layers(LayerEthernet, LayerMPLS), flaws(FlawTruncated)}},
}

// Package packet reads the headers of network packets.
//
// A [Frame] is what a capture holds: a time and bytes. [Decoder.Decode] reads
// its headers, from the link layer through any tunnels to the innermost
// transport, into a [Packet] the caller owns and reuses. Decoding allocates
// nothing, except that a fragmented datagram is put together in memory of the
// decoder's own. Whatever the bytes are, decoding ends with what could be read
// and with the [Flaw]s that were met; there is no error.
package packet

// Frame is one captured frame.
type Frame struct {
	Time  int64    // nanoseconds since the epoch
	Index uint64   // position in the input, from 0; set by whoever numbers frames
	Data  []byte   // captured bytes, possibly fewer than were on the wire
	Wire  uint32   // length on the wire, in bytes
	Link  LinkType // what Data starts with
}

// Block is a run of frames with the memory they lie in. A Source fills it; the
// frames are valid until the block is filled again.
type Block struct {
	Frames []Frame
	Buf    []byte // owned by the Source that fills the block
}

// Source is where frames come from: a capture file or an interface.
type Source interface {
	// ReadBlock fills b with at least one frame, in the order of the capture.
	// It returns io.EOF after the last one, and another error when the input
	// breaks; frames read before that are delivered first. Sources deliver what
	// they have rather than wait until a block is full.
	ReadBlock(b *Block) error
}

// LinkType says what a frame starts with; the values are those of the
// tcpdump.org link-layer header type registry.
type LinkType uint16

// Link types that are decoded.
const (
	LinkNull      LinkType = 0
	LinkEthernet  LinkType = 1
	LinkPPP       LinkType = 9
	LinkRawBSD    LinkType = 12
	LinkRawOBSD   LinkType = 14
	LinkPPPHDLC   LinkType = 50
	LinkPPPoE     LinkType = 51
	LinkRaw       LinkType = 101
	LinkCHDLC     LinkType = 104
	Link80211     LinkType = 105
	LinkLoop      LinkType = 108
	LinkSLL       LinkType = 113
	LinkPrism     LinkType = 119
	LinkRadiotap  LinkType = 127
	LinkAVS       LinkType = 163
	LinkPPI       LinkType = 192
	LinkIPv4      LinkType = 228
	LinkIPv6      LinkType = 229
	LinkNFLog     LinkType = 239
	LinkSLL2      LinkType = 276
	LinkUndefined LinkType = 0xffff
)

// Layer is one header that was found.
type Layer uint8

// Layers, in no particular order.
const (
	LayerNone Layer = iota
	LayerEthernet
	LayerSLL
	LayerNull
	LayerPPP
	LayerPPPoE
	Layer80211
	LayerVLAN
	LayerMPLS
	LayerIPv4
	LayerIPv6
	LayerARP
	LayerTCP
	LayerUDP
	LayerICMP
	LayerICMPv6
	LayerSCTP
	LayerGRE
	LayerERSPAN
	LayerVXLAN
	LayerGeneve
	LayerTeredo
	LayerGTPU
	LayerESP
	LayerAH
	LayerOther
)

var layerNames = [...]string{"none", "ethernet", "sll", "null", "ppp", "pppoe", "802.11", "vlan", "mpls", "ipv4", "ipv6", "arp",
	"tcp", "udp", "icmp", "icmpv6", "sctp", "gre", "erspan", "vxlan", "geneve", "teredo", "gtpu", "esp", "ah", "other"}

// String returns the layer's lower-case name.
func (l Layer) String() string {
	if int(l) < len(layerNames) {
		return layerNames[l]
	}
	return "invalid"
}

// IP protocol numbers that are told apart.
const (
	ProtoICMP   = 1
	ProtoIGMP   = 2
	ProtoIPIP   = 4
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoIPv6   = 41
	ProtoGRE    = 47
	ProtoESP    = 50
	ProtoAH     = 51
	ProtoICMPv6 = 58
	ProtoSCTP   = 132
)

var protoNames = map[uint8]string{
	ProtoTCP: "tcp", ProtoUDP: "udp", ProtoICMP: "icmp", ProtoICMPv6: "icmp", ProtoSCTP: "sctp",
	ProtoIGMP: "igmp", ProtoIPIP: "ipip", ProtoIPv6: "ipv6", ProtoGRE: "gre", ProtoESP: "esp", ProtoAH: "ah",
	88: "eigrp", 89: "ospf", 103: "pim", 112: "vrrp",
}

// ProtoName returns the name of an IP protocol in records, "" if it has none.
func ProtoName(proto uint8) string { return protoNames[proto] }

// TCPFlags are the control bits of a TCP header.
type TCPFlags uint8

// TCP control bits.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// Flaw is a set of things that were wrong with a packet.
type Flaw uint32

// Flaws. A snap-length cut is none of them: see Packet.Cut.
const (
	FlawTruncated        Flaw = 1 << iota // a header ends before its own length
	FlawLength                            // a length field contradicts another
	FlawUnknownLink                       // the link type is not decoded
	FlawUnknownEther                      // the EtherType is not decoded
	FlawFragmentOverlap                   // fragments overlap with different bytes
	FlawFragmentTooLarge                  // fragments exceed 65,535 bytes
	FlawFragmentDropped                   // the fragment buffer is full
	FlawTooDeep                           // more layers than are followed
	FlawVersion                           // the IP version contradicts the layer above it
	FlawExtension                         // malformed IPv6 extension header
)

var flawNames = [...]string{"truncated_header", "inconsistent_length", "unknown_link_type", "unknown_ethertype", "fragment_overlap",
	"fragment_too_large", "fragment_dropped", "too_many_layers", "bad_ip_version", "bad_ipv6_extension"}

// Names calls yield with the name of each flaw in the set.
func (f Flaw) Names(yield func(string) bool) {
	for i, name := range flawNames {
		if f&(1<<i) != 0 && !yield(name) {
			return
		}
	}
}

// Outer is a pair of end points that carried the packet inside a tunnel.
type Outer struct {
	Kind             Layer // LayerGRE, LayerVXLAN, LayerIPv4 (IP in IP), …
	Proto            uint8 // IP protocol of the carrier: ProtoUDP, ProtoGRE, …
	SrcPort, DstPort uint16
	ID               uint32 // VNI, TEID or key; 0 if the tunnel has none
	Src, Dst         Addr
	Bytes            uint32 // length of the carrier's IP packet on the wire
	Payload          uint32 // length of what the carrier carried, on the wire
}

// Limits of what is followed into one packet.
const (
	MaxLayers = 20
	MaxOuters = 4
)

// Packet is a frame's headers. Decode sets every field; slices point into the
// frame, or into the decoder's memory for reassembled datagrams, and are valid
// as long as the frame is and until the decoder's next call respectively.
// What few packets have is kept apart, so that a Packet fills three cache lines.
type Packet struct {
	Time  int64  // nanoseconds since the epoch
	Index uint64 // position of the frame in the input
	Wire  uint32 // frame length on the wire
	Flaws Flaw

	// Link layer; innermost Ethernet or 802.11 header. Valid iff Link is not zero.
	EthSrc, EthDst MAC
	VLAN           uint16 // outermost VLAN identifier, 0 if there is none
	InnerVLAN      uint16 // second VLAN identifier (QinQ), 0 if there is none

	Layers  [MaxLayers]Layer // outermost first
	NLayers uint8
	NOuters uint8 // tunnels the packet came out of: the first of Rare.Outers

	// Network layer; innermost. Valid iff Version is 4 or 6.
	Version  uint8 // 4, 6, or 0 without an IP header
	Proto    uint8 // upper-layer protocol, after extension headers
	Src, Dst Addr
	TTL      uint8  // or hop limit
	IPBytes  uint32 // length of the IP packet on the wire, headers included
	Fragment bool   // a fragment that does not complete its datagram; no transport
	Cut      bool   // the capture holds less of the packet than was on the wire

	// Transport. Ports are valid iff Proto is TCP, UDP or SCTP and Transport is
	// true; for ICMP and ICMPv6 SrcPort is the type and DstPort the code.
	Transport        bool
	SrcPort, DstPort uint16
	Payload          []byte // captured payload of the transport
	PayloadBytes     uint32 // its length on the wire

	// Valid iff Proto is TCP and Transport is true.
	Seq, Ack  uint32
	Window    uint16
	Flags     TCPFlags
	WScale    uint8 // shift count; valid iff HasWScale
	HasWScale bool
	MSS       uint16 // 0 if the option is absent
	HasTS     bool
	TSVal     uint32
	TSEcr     uint32

	// Rare is what few packets have; nil until this Packet needed it. Decode uses
	// it again for the next frame, so that copies of a Packet share it.
	Rare *Rare
}

// Rare is the part of a Packet that few packets have.
type Rare struct {
	Outers [MaxOuters]Outer // carriers, outermost first; the first NOuters are valid
	ARP    ARP              // valid iff Layers ends with LayerARP
}

// ARP is an ARP or RARP message for Ethernet and IPv4 (RFC 826).
type ARP struct {
	Op                   uint16 // 1 request, 2 reply
	SenderMAC, TargetMAC MAC
	SenderIP, TargetIP   Addr
}

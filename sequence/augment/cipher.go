package augment

// Suite is what a protocol makes of the bytes it protects.
type Suite uint8

// Suites. The zero value is none that is known.
const (
	Unknown     Suite = iota
	TLS12GCM          // 5 bytes of header, 8 of nonce, 16 of tag (RFC 5288)
	TLS12Chacha       // header and tag (RFC 7905)
	TLS12CBC          // header, 16 bytes of IV, MAC of SHA-1, padding to 16 (RFC 5246, section 6.2.3.2)
	TLS13             // header, type and tag (RFC 8446, section 5.2)
	SSHChacha         // chacha20-poly1305@openssh.com: lengths hidden, blocks of 8
	SSHGCM            // aes-gcm@openssh.com: blocks of 16 after the length, 16 bytes of tag
	SSHETM            // aes-ctr and hmac-sha2-256-etm@openssh.com
	SSHCTR            // aes-ctr and hmac-sha2-256: lengths hidden
	WireGuard         // 16 bytes of header, 16 of tag, padding to 16
	OpenVPN           // P_DATA_V2 with AES-GCM: 8 bytes of header, 16 of tag
	suites
)

// Kinds of messages, as the analyzers number them.
const (
	kindCipher    = 20 & 0x1f // TLS: change cipher spec
	kindHandshake = 22 & 0x1f
	kindData      = 23 & 0x1f

	kindBanner = 1 // SSH
	kindKex    = 2
	kindPacket = 3
	kindChunk  = 4

	kindInit      = 1 // WireGuard
	kindResponse  = 2
	kindTransport = 4

	kindDataV2 = 9 // OpenVPN
)

// family are protocols whose suites can take each other's place.
type family uint8

const (
	noFamily family = iota
	tlsFamily
	sshFamily
	vpnFamily
)

func (s Suite) family() family {
	switch {
	case s == Unknown || s >= suites:
		return noFamily
	case s <= TLS13:
		return tlsFamily
	case s <= SSHCTR:
		return sshFamily
	}
	return vpnFamily
}

// kind is that of a suite's protected messages.
func (s Suite) kind() uint8 {
	return [...]uint8{Unknown: 0, TLS12GCM: kindData, TLS12Chacha: kindData, TLS12CBC: kindData, TLS13: kindData,
		SSHChacha: kindChunk, SSHGCM: kindPacket, SSHETM: kindPacket, SSHCTR: kindChunk, WireGuard: kindTransport, OpenVPN: kindDataV2}[s]
}

// Size is how many bytes on the wire content of n bytes is. For SSH the content
// is a message, for the tunnels an IP packet.
func (s Suite) Size(n uint32) uint32 {
	switch s {
	case TLS12GCM:
		return n + 29
	case TLS12Chacha:
		return n + 21
	case TLS12CBC:
		return 5 + 16 + align(n+21, 16)
	case TLS13:
		return n + 22
	case SSHChacha:
		return 4 + padded(n+1, 8) + 16
	case SSHGCM:
		return 4 + padded(n+1, 16) + 16
	case SSHETM:
		return 4 + padded(n+1, 16) + 32
	case SSHCTR:
		return padded(n+5, 16) + 32
	case WireGuard:
		return align(n, 16) + 32
	case OpenVPN:
		return n + 24
	}
	return n
}

// Content is how many bytes a message of that size may hold: the most there may
// be less part of what padding hides, which is the same for all messages of a
// size.
func (s Suite) Content(size uint32, salt uint32) uint32 {
	most, block := uint32(0), uint32(1)
	switch s {
	case TLS12CBC:
		most, block = less(size, 5+16+21), 16
	case SSHChacha:
		most, block = less(size, 4+16+5), 8
	case SSHGCM:
		most, block = less(size, 4+16+5), 16
	case SSHETM:
		most, block = less(size, 4+32+5), 16
	case SSHCTR:
		most, block = less(size, 32+9), 16
	case WireGuard:
		return less(size, 32) // content is as long as its padding or unknown
	default:
		return less(size, s.Size(0))
	}
	if s.family() == sshFamily && most == 11 { // a key: channel data of one byte is ten
		return 10
	}
	h := (size*2654435761 + salt) * 2246822519 >> 16
	return less(most, h%block)
}

func less(a, b uint32) uint32 { return a - min(a, b) }

func align(n, block uint32) uint32 { return (n + block - 1) / block * block }

// padded is SSH's padding: at least four bytes, to a multiple of block.
func padded(n, block uint32) uint32 { return align(n+4, block) }

// Cipher protects what TLS, SSH, WireGuard or OpenVPN carry with another suite
// of the same family; sessions of another family, or of none that is known, stay
// as they are. How many round trips TLS's handshake took stays, too; a tunnel gets
// the other's handshake. The zero value changes nothing.
type Cipher struct{ To Suite }

func (c *Cipher) apply(d *draft) {
	from := d.suite()
	if c.To == Unknown || from == Unknown || from == c.To || from.family() != c.To.family() {
		return
	}
	salt := d.r.Uint32()
	var began [2]bool
	if c.To.family() == vpnFamily {
		d.retunnel(from, c.To, salt)
		return
	}
	d.resize(func(it *item) {
		if it.Kind == kindCipher && from.family() == tlsFamily {
			began[it.Dir] = true
			return
		}
		if from.family() == sshFamily && (it.Kind == kindPacket || it.Kind == kindChunk) || it.Kind == kindData && from.family() == tlsFamily || began[it.Dir] {
			exchange(it, from, c.To, salt)
		}
	})
}

// exchange makes a protected message one of another suite. What is a part of a
// bulk whose messages do not show keeps its size.
func exchange(it *item, from, to Suite, salt uint32) {
	if from.kind() != kindChunk || it.Bytes < fullSegment {
		it.Bytes = to.Size(from.Content(it.Bytes, salt))
	}
	if to == TLS13 || from.family() != tlsFamily {
		it.Kind = to.kind()
	}
}

// retunnel makes a tunnel one of another kind: what is not data is left out, and
// the other's handshake put before.
func (d *draft) retunnel(from, to Suite, salt uint32) {
	data := d.next()
	for i := range d.items {
		it := d.items[i]
		if !it.Message || it.Kind != from.kind() || len(data) == 0 && it.Bytes == from.Size(0) {
			continue // the first empty packet confirms WireGuard's handshake
		}
		exchange(&it, from, to, salt)
		p := it
		p.Message, p.Kind = false, 0
		data = append(data, p, it)
	}
	if len(data) == 0 {
		return
	}
	d.done(data)
	opening := openWireGuard
	if to == OpenVPN {
		opening = openOpenVPN
	}
	d.open(opening, to)
}

// suite tells what protects a session from the sizes and kinds of its first
// messages.
func (d *draft) suite() Suite {
	var first [8]*item
	n := 0
	for i := range d.items {
		if d.items[i].Message && n < len(first) {
			first[n] = &d.items[i]
			n++
		}
	}
	switch {
	case n < 3:
		return Unknown
	case !d.tcp() && first[0].Kind == kindInit && first[0].Bytes == 148:
		return WireGuard
	case !d.tcp() && first[0].Kind == 7 && first[1].Kind == 8:
		return OpenVPN
	case d.tcp() && first[0].Kind == kindBanner && first[0].Bytes <= 255:
		return d.suiteSSH()
	case d.tcp() && first[0].Kind == kindHandshake:
		return d.suiteTLS()
	}
	return Unknown
}

// suiteTLS looks at the message after the change of ciphers: TLS 1.2's Finished
// has 16 bytes.
func (d *draft) suiteTLS() Suite {
	var changed [2]bool
	for i := range d.items {
		switch it := &d.items[i]; {
		case !it.Message:
		case it.Kind == kindCipher:
			changed[it.Dir] = true
		case changed[it.Dir] && it.Kind == kindData:
			return TLS13
		case changed[it.Dir] && it.Kind == kindHandshake:
			for _, s := range []Suite{TLS12GCM, TLS12Chacha, TLS12CBC} {
				if s.Size(16) == it.Bytes {
					return s
				}
			}
			return Unknown
		}
	}
	return Unknown
}

// suiteSSH looks at the smallest packet, or at what the sizes of chunks have in
// common.
func (d *draft) suiteSSH() Suite {
	least, chunks, sixteens, eights := uint32(0), 0, 0, 0
	for i := range d.items {
		it := &d.items[i]
		if !it.Message || it.Kind < kindPacket || it.Bytes > fullSegment {
			continue
		}
		if it.Kind == kindPacket && (least == 0 || it.Bytes < least) {
			least = it.Bytes
		}
		if it.Kind == kindChunk {
			chunks++
			sixteens += b2i(it.Bytes%16 == 0)
			eights += b2i(it.Bytes%8 == 4)
		}
	}
	switch {
	case least > 0 && least <= 36:
		return SSHGCM
	case least == 52:
		return SSHETM
	case chunks > 0 && sixteens*10 >= chunks*9:
		return SSHCTR
	case chunks > 0 && eights*10 >= chunks*9:
		return SSHChacha
	}
	return Unknown
}

func b2i(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

// resize lets f change messages, and makes the packets that they begin in larger
// or smaller by as much. A datagram is as large as its message.
func (d *draft) resize(f func(*item)) {
	at := [2]int{-1, -1}
	var owed [2]int64 // what a packet was too small to lose
	for i := range d.items {
		it := &d.items[i]
		if !it.Message {
			if it.payload() {
				at[it.Dir] = i
				it.grow(&owed[it.Dir], 0)
			}
			continue
		}
		was := int64(it.Bytes)
		f(it)
		if k := at[it.Dir]; k >= 0 {
			d.items[k].grow(&owed[it.Dir], int64(it.Bytes)-was)
		}
	}
}

// grow changes a packet's size by what it should and by what is owed.
func (i *item) grow(owed *int64, by int64) {
	size := int64(i.Bytes) + by + *owed
	*owed = min(size-1, 0)
	i.Bytes = uint32(max(size, 1))
}

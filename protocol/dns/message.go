package dns

import (
	"encoding/binary"
)

// Sizes of RFC 1035.
const (
	headerBytes  = 12
	maxNameBytes = 255 // section 2.3.4, on the wire
)

// maxPointers is how many compression pointers one name may follow. Each must
// point before the place it stands at, so chains end; the limit keeps a message
// full of chained pointers from costing more than its length.
const maxPointers = 32

// Bits of the second header word (RFC 1035 section 4.1.1).
const (
	flagQR = 1 << 15
	flagAA = 1 << 10
	flagTC = 1 << 9
	flagRD = 1 << 8
	flagRA = 1 << 7
)

// Operation codes (RFC 1035, 1996, 2136, 8490; from 5 on those of RFC 1002
// differ).
const (
	opQuery  = 0
	opNotify = 4
	opUpdate = 5
)

// Record types that are looked into.
const (
	typeA          = 1
	typeNS         = 2
	typeCNAME      = 5
	typeSOA        = 6
	typeMB         = 7
	typeMG         = 8
	typeMR         = 9
	typePTR        = 12
	typeHINFO      = 13
	typeMX         = 15
	typeTXT        = 16
	typeRP         = 17
	typeAFSDB      = 18
	typeRT         = 21
	typeAAAA       = 28
	typeLOC        = 29
	typeNB         = 32
	typeSRV        = 33 // NBSTAT in NetBIOS name service
	typeNAPTR      = 35
	typeKX         = 36
	typeDNAME      = 39
	typeOPT        = 41
	typeDS         = 43
	typeSSHFP      = 44
	typeRRSIG      = 46
	typeNSEC       = 47
	typeDNSKEY     = 48
	typeNSEC3      = 50
	typeNSEC3PARAM = 51
	typeTLSA       = 52
	typeSMIMEA     = 53
	typeCDS        = 59
	typeCDNSKEY    = 60
	typeSVCB       = 64
	typeHTTPS      = 65
	typeSPF        = 99
	typeTKEY       = 249
	typeIXFR       = 251
	typeAXFR       = 252
	typeURI        = 256
	typeCAA        = 257
	typeBINDS      = 65534
)

const classIN = 1

// flaw says why a message could not be read to its end: Zeek's weird.
type flaw string

// Flaws. Names are Zeek's where Zeek has the case.
const (
	flawShortHeader   flaw = "DNS_truncated_len_lt_hdr_len"
	flawShortQuestion flaw = "DNS_truncated_quest_too_short"
	flawShortAnswer   flaw = "DNS_truncated_ans_too_short"
	flawRData         flaw = "DNS_truncated_RR_rdlength_lt_len"
	flawForward       flaw = "DNS_label_forward_compress_offset"
	flawLabelEnd      flaw = "DNS_label_len_gt_pkt"
	flawLabelType     flaw = "DNS_label_too_long"
	flawNameLength    flaw = "DNS_NAME_too_long"
	flawPointers      flaw = "DNS_label_compress_depth"
	flawCount         flaw = "DNS_Conn_count_too_large"
	flawRDLength      flaw = "DNS_RR_length_mismatch"
	flawTrailing      flaw = "DNS_trailing_data"
)

// message is a DNS message whose structure was walked. It points into packet
// data.
type message struct {
	b       []byte
	id      uint16
	flags   uint16
	counts  [4]int // question, answer, authority, additional
	qEnd    int    // end of the first question's name; valid iff hasQ
	qType   uint16
	qClass  uint16
	hasQ    bool
	answers int // offset of the answer section; 0 if the walk did not get there
	read    int // resource records that were read
	end     int // offset after the last record
	flaw    flaw
	opt     edns
}

// edns is what an OPT pseudo-record says (RFC 6891).
type edns struct {
	present   bool
	dnssecOK  bool
	rcodeHigh uint8
	version   uint8
	udpBytes  uint16
	options   []byte
}

func (m *message) response() bool { return m.flags&flagQR != 0 }
func (m *message) opcode() uint8  { return uint8(m.flags >> 11 & 15) }

// rcode returns the response code with its extension (RFC 6891 section 6.1.3).
func (m *message) rcode() uint16 { return m.flags&15 | uint16(m.opt.rcodeHigh)<<4 }

// rr is one resource record. Offsets are into the message.
type rr struct {
	name  int
	typ   uint16
	class uint16
	ttl   uint32
	data  int
	n     int // bytes of data
}

// parse walks over all of a message: afterwards every name and record length
// up to end is known to lie within it. What is wrong is in m.flaw.
func (m *message) parse(b []byte) {
	*m = message{b: b}
	if len(b) < headerBytes {
		m.flaw = flawShortHeader
		return
	}
	m.id = binary.BigEndian.Uint16(b)
	m.flags = binary.BigEndian.Uint16(b[2:])
	m.counts[0] = int(binary.BigEndian.Uint16(b[4:]))
	m.counts[1] = int(binary.BigEndian.Uint16(b[6:]))
	m.counts[2] = int(binary.BigEndian.Uint16(b[8:]))
	m.counts[3] = int(binary.BigEndian.Uint16(b[10:]))
	off := headerBytes
	for i := 0; i < m.counts[0]; i++ {
		end, why := skipName(b, off)
		if why == "" && end+4 > len(b) {
			why = flawShortQuestion
		}
		if why != "" {
			m.flaw, m.end = why, off
			return
		}
		if i == 0 {
			m.hasQ, m.qEnd = true, end
			m.qType = binary.BigEndian.Uint16(b[end:])
			m.qClass = binary.BigEndian.Uint16(b[end+2:])
		}
		off = end + 4
	}
	m.answers = off
	var r rr
	for n := m.counts[1] + m.counts[2] + m.counts[3]; m.read < n; m.read++ {
		next := m.record(off, &r)
		if next < 0 {
			m.end = off
			return
		}
		if r.typ == typeOPT && m.read >= m.counts[1]+m.counts[2] {
			m.opt = edns{present: true, udpBytes: r.class, rcodeHigh: uint8(r.ttl >> 24), version: uint8(r.ttl >> 16),
				dnssecOK: r.ttl&0x8000 != 0, options: b[r.data : r.data+r.n]}
		}
		off = next
	}
	m.end = off
}

// record reads the resource record at off and returns the offset after it, or
// -1 with m.flaw set.
func (m *message) record(off int, r *rr) int {
	b := m.b
	end, why := skipName(b, off)
	if why != "" {
		if off >= len(b) {
			why = flawShortAnswer
		}
		m.flaw = why
		return -1
	}
	if end+10 > len(b) {
		m.flaw = flawShortAnswer
		return -1
	}
	h := b[end : end+10]
	r.name = off
	r.typ = binary.BigEndian.Uint16(h)
	r.class = binary.BigEndian.Uint16(h[2:])
	r.ttl = binary.BigEndian.Uint32(h[4:])
	r.n = int(binary.BigEndian.Uint16(h[8:]))
	r.data = end + 10
	if r.data+r.n > len(b) {
		m.flaw = flawRData
		return -1
	}
	return r.data + r.n
}

// each calls yield for the records of the answer, authority and additional
// sections (1, 2, 3) that the walk had read.
func (m *message) each(yield func(section int, r *rr) bool) {
	var r rr
	off, bad := m.answers, m.flaw
	section, left := 1, m.counts[1]
	for i := 0; i < m.read; i++ {
		for left == 0 {
			section++
			left = m.counts[section]
		}
		left--
		off = m.record(off, &r)
		if off < 0 || !yield(section, &r) {
			break
		}
	}
	m.flaw = bad
}

// skipName returns the offset after the name at off. Compression pointers
// (RFC 1035 section 4.1.4) must point backwards.
func skipName(b []byte, off int) (end int, why flaw) {
	for i, length := off, 1; i < len(b); {
		c := int(b[i])
		switch {
		case c == 0:
			return i + 1, ""
		case c < 64:
			i += 1 + c
			if length += 1 + c; length > maxNameBytes {
				return 0, flawNameLength
			}
		case c >= 192:
			if i+2 > len(b) {
				return 0, flawLabelEnd
			}
			to := (c&63)<<8 | int(b[i+1])
			// The first question's name was walked already.
			if to == headerBytes && off > to {
				return i + 2, ""
			}
			return i + 2, checkChain(b, to, off, length)
		default:
			return 0, flawLabelType
		}
	}
	return 0, flawLabelEnd
}

// checkChain follows a name from a compression pointer's target on. Before is
// where the labels began that the pointer ended.
func checkChain(b []byte, to, before, length int) flaw {
	for range maxPointers {
		if to < headerBytes || to >= before {
			return flawForward
		}
		i := to
		for {
			if i >= len(b) {
				return flawLabelEnd
			}
			c := int(b[i])
			if c == 0 {
				return ""
			}
			if c >= 192 {
				break
			}
			if c >= 64 {
				return flawLabelType
			}
			i += 1 + c
			if length += 1 + c; length > maxNameBytes {
				return flawNameLength
			}
		}
		if i+2 > len(b) {
			return flawLabelEnd
		}
		before, to = to, (int(b[i])&63)<<8|int(b[i+1])
	}
	return flawPointers
}

// lower maps ASCII capitals to small letters and leaves other bytes alone.
var lower = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			t[i] = byte(i) + 'a' - 'A'
		}
	}
	return
}()

// appendName appends the text form of the name at off, which was walked over:
// lower case (RFC 4343), without a final dot, "." for the root. A dot or a
// backslash within a label gets a backslash.
func appendName(dst, b []byte, off int) []byte {
	start := len(dst)
	for hops, total := 0, 0; off < len(b); {
		c := int(b[off])
		if c == 0 {
			break
		}
		if c >= 192 {
			if hops++; hops > maxPointers || off+2 > len(b) {
				break
			}
			off = (c&63)<<8 | int(b[off+1])
			continue
		}
		total += c + 1
		if c >= 64 || off+1+c > len(b) || total > maxNameBytes {
			break
		}
		if len(dst) > start {
			dst = append(dst, '.')
		}
		for _, ch := range b[off+1 : off+1+c] {
			if ch == '.' || ch == '\\' {
				dst = append(dst, '\\')
			}
			dst = append(dst, lower[ch])
		}
		off += 1 + c
	}
	if len(dst) == start {
		dst = append(dst, '.')
	}
	return dst
}

// sameName reports whether two names in wire form without pointers are equal,
// whatever the case of their letters. Length bytes are below 64, so folding
// them changes nothing.
func sameName(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		if c != b[i] && lower[c] != lower[b[i]] {
			return false
		}
	}
	return true
}

// plausible reports whether a header can be one of DNS: for probes.
func plausible(b []byte) bool {
	if len(b) < headerBytes {
		return false
	}
	flags := binary.BigEndian.Uint16(b[2:])
	op := flags >> 11 & 15
	if op > 6 || op == 3 {
		return false
	}
	qd := binary.BigEndian.Uint16(b[4:])
	an := binary.BigEndian.Uint16(b[6:])
	ns := binary.BigEndian.Uint16(b[8:])
	ar := binary.BigEndian.Uint16(b[10:])
	if flags&flagQR == 0 && op == opQuery && (qd == 0 || flags&15 != 0 && qd != 1) {
		return false
	}
	return qd <= 32 && an < 4096 && ns < 4096 && ar < 4096
}

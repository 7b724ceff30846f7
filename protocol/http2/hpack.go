package http2

// static is the static table of RFC 7541 appendix A.
var static = [...]field{
	{":authority", ""}, {":method", "GET"}, {":method", "POST"}, {":path", "/"}, {":path", "/index.html"}, {":scheme", "http"},
	{":scheme", "https"}, {":status", "200"}, {":status", "204"}, {":status", "206"}, {":status", "304"}, {":status", "400"},
	{":status", "404"}, {":status", "500"}, {"accept-charset", ""}, {"accept-encoding", "gzip, deflate"}, {"accept-language", ""},
	{"accept-ranges", ""}, {"accept", ""}, {"access-control-allow-origin", ""}, {"age", ""}, {"allow", ""}, {"authorization", ""},
	{"cache-control", ""}, {"content-disposition", ""}, {"content-encoding", ""}, {"content-language", ""}, {"content-length", ""},
	{"content-location", ""}, {"content-range", ""}, {"content-type", ""}, {"cookie", ""}, {"date", ""}, {"etag", ""}, {"expect", ""},
	{"expires", ""}, {"from", ""}, {"host", ""}, {"if-match", ""}, {"if-modified-since", ""}, {"if-none-match", ""}, {"if-range", ""},
	{"if-unmodified-since", ""}, {"last-modified", ""}, {"link", ""}, {"location", ""}, {"max-forwards", ""},
	{"proxy-authenticate", ""}, {"proxy-authorization", ""}, {"range", ""}, {"referer", ""}, {"refresh", ""}, {"retry-after", ""},
	{"server", ""}, {"set-cookie", ""}, {"strict-transport-security", ""}, {"transfer-encoding", ""}, {"user-agent", ""},
	{"vary", ""}, {"via", ""}, {"www-authenticate", ""},
}

// field is a header field.
type field struct{ name, value string }

// entryBytes is what an entry of the dynamic table counts beyond its strings
// (RFC 7541 section 4.1).
const entryBytes = 32

// Limits of a decoder.
const (
	defaultTable = 4096
	maxTable     = 64 << 10 // largest dynamic table that is kept
	maxString    = 32 << 10 // decoded length of one string
	maxDecoded   = 256 << 10
)

// decoder is the state of header compression (RFC 7541) of one direction.
type decoder struct {
	entries []field // oldest first
	used    int     // size of the entries by the RFC's count
	size    int     // what the encoder may use at present
	limit   int     // what the other side has allowed
	scratch []byte
}

func newDecoder() decoder { return decoder{size: defaultTable, limit: defaultTable} }

// decode reads a header block and calls yield for each field. It returns false
// if the block is malformed: the table cannot be trusted from then on.
func (d *decoder) decode(b []byte, yield func(name, value string)) bool {
	total := 0
	for len(b) > 0 {
		c := b[0]
		var f field
		switch {
		case c&0x80 != 0: // indexed field
			i, n := integer(b, 7)
			var ok bool
			if f, ok = d.at(i); n == 0 || !ok {
				return false
			}
			b = b[n:]
		case c&0xe0 == 0x20: // table size update
			size, n := integer(b, 5)
			if n == 0 || size > uint64(d.limit) {
				return false
			}
			d.size = int(size)
			d.evict()
			b = b[n:]
			continue
		default: // literal: with indexing, without, never
			bits := 4
			if c&0x40 != 0 {
				bits = 6
			}
			i, n := integer(b, bits)
			if n == 0 {
				return false
			}
			b = b[n:]
			if i > 0 {
				known, ok := d.at(i)
				if !ok {
					return false
				}
				f.name = known.name
			} else if f.name, n = d.text(b); n == 0 {
				return false
			} else {
				b = b[n:]
			}
			if f.value, n = d.text(b); n == 0 {
				return false
			}
			b = b[n:]
			if bits == 6 {
				d.add(f)
			}
		}
		// An entry of the table may be named by one byte: the sum is limited.
		if total += len(f.name) + len(f.value) + entryBytes; total > maxDecoded {
			return false
		}
		yield(f.name, f.value)
	}
	return true
}

// at returns an entry by its index: the static table, then the dynamic one, the
// newest first.
func (d *decoder) at(i uint64) (field, bool) {
	if i == 0 {
		return field{}, false
	}
	if i <= uint64(len(static)) {
		return static[i-1], true
	}
	i -= uint64(len(static)) + 1
	if i >= uint64(len(d.entries)) {
		return field{}, false
	}
	return d.entries[len(d.entries)-1-int(i)], true
}

func (d *decoder) add(f field) {
	d.entries = append(d.entries, f)
	d.used += len(f.name) + len(f.value) + entryBytes
	d.evict()
}

// evict removes the oldest entries until the rest fits.
func (d *decoder) evict() {
	n := 0
	for d.used > d.size && n < len(d.entries) {
		d.used -= len(d.entries[n].name) + len(d.entries[n].value) + entryBytes
		d.entries[n] = field{}
		n++
	}
	d.entries = d.entries[n:]
}

// allow takes the table size that the other side's SETTINGS allow.
func (d *decoder) allow(size uint32) { d.limit = int(min(size, maxTable)) }

// integer reads an integer with a prefix of so many bits (RFC 7541 section 5.1).
// It returns its value and length, 0 if it is incomplete or too large.
func integer(b []byte, bits int) (v uint64, n int) {
	mask := uint64(1)<<bits - 1
	if v = uint64(b[0]) & mask; v < mask {
		return v, 1
	}
	for shift := 0; shift < 35; shift += 7 {
		n++
		if n >= len(b) {
			return 0, 0
		}
		v += uint64(b[n]&0x7f) << shift
		if b[n]&0x80 == 0 {
			return v, n + 1
		}
	}
	return 0, 0
}

// text reads a string literal (RFC 7541 section 5.2) and returns its length, 0
// if it is malformed.
func (d *decoder) text(b []byte) (s string, n int) {
	if len(b) == 0 {
		return "", 0
	}
	size, n := integer(b, 7)
	if n == 0 || size > uint64(len(b)-n) {
		return "", 0
	}
	raw := b[n : n+int(size)]
	n += int(size)
	if b[0]&0x80 == 0 {
		if len(raw) > maxString {
			return "", 0
		}
		return string(raw), n
	}
	var ok bool
	if d.scratch, ok = appendHuffman(d.scratch[:0], raw); !ok {
		return "", 0
	}
	return string(d.scratch), n
}

// lengths are the lengths in bits of the Huffman code of each byte (RFC 7541
// appendix B). Codes of one length count up in the order of bytes, so that the
// lengths determine the code.
var lengths = [256]uint8{
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
}

// huffman is the canonical form of the code: for each length the first code
// and where its symbols begin in the list of symbols sorted by length.
var huffman = func() (t struct {
	first   [31]uint32
	count   [31]uint32
	offset  [31]uint32
	symbols [256]byte
}) {
	for _, n := range lengths {
		t.count[n]++
	}
	code, at := uint32(0), uint32(0)
	for n := 1; n <= 30; n++ {
		code <<= 1
		t.first[n], t.offset[n] = code, at
		code += t.count[n]
		for s, l := range lengths {
			if int(l) == n {
				t.symbols[at] = byte(s)
				at++
			}
		}
	}
	return
}()

// appendHuffman appends the text of a Huffman-coded string. The last byte is
// filled with ones, fewer than eight (RFC 7541 section 5.2).
func appendHuffman(dst, b []byte) ([]byte, bool) {
	code, n := uint32(0), 0
	for _, c := range b {
		for bit := 7; bit >= 0; bit-- {
			code = code<<1 | uint32(c>>bit&1)
			n++
			if n > 30 {
				return dst, false
			}
			if i := code - huffman.first[n]; code >= huffman.first[n] && i < huffman.count[n] {
				dst = append(dst, huffman.symbols[huffman.offset[n]+i])
				code, n = 0, 0
				if len(dst) > maxString {
					return dst, false
				}
			}
		}
	}
	return dst, n < 8 && code == 1<<n-1
}

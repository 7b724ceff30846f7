package tls

import (
	"crypto/md5"
	"crypto/sha256"
	"slices"
)

// maxList bounds the values of one list of a hello that fingerprints take into
// account. Clients offer fewer than a hundred, scanners a few hundred.
const maxList = 512

const hexDigits = "0123456789abcdef"

// clientPrints computes JA3 and JA4 of a ClientHello.
func (h *Handshake) clientPrints(m *hello) {
	var scratch [2048]byte
	h.sum.hasPrints = true
	sum := md5.Sum(appendJA3(scratch[:0], m))
	putHex(h.sum.ja3[:], sum[:])
	putJA4(&h.sum.ja4, scratch[:0], m, h.carrier)
}

// appendJA3 appends the text whose MD5 is the JA3 fingerprint: version, ciphers,
// extensions, groups and point formats in decimal, without GREASE.
func appendJA3(b []byte, m *hello) []byte {
	b = appendDecimal(b, m.version)
	b = appendDecimals(append(b, ','), m.ciphers)
	b = append(b, ',')
	for i, v := range m.extensions[:m.n] {
		if isGrease(v) {
			continue
		}
		if i > 0 && b[len(b)-1] != ',' {
			b = append(b, '-')
		}
		b = appendDecimal(b, v)
	}
	b = appendDecimals(append(b, ','), m.groups)
	b = append(b, ',')
	for i, v := range m.points {
		if i > 0 {
			b = append(b, '-')
		}
		b = appendDecimal(b, uint16(v))
	}
	return b
}

// appendDecimals appends the values of a list, without GREASE.
func appendDecimals(b, list []byte) []byte {
	first := true
	for i := 0; i+1 < len(list) && i < 2*maxList; i += 2 {
		v := uint16(list[i])<<8 | uint16(list[i+1])
		if isGrease(v) {
			continue
		}
		if !first {
			b = append(b, '-')
		}
		first = false
		b = appendDecimal(b, v)
	}
	return b
}

func appendDecimal(b []byte, v uint16) []byte {
	switch {
	case v >= 10000:
		return append(b, '0'+byte(v/10000), '0'+byte(v/1000%10), '0'+byte(v/100%10), '0'+byte(v/10%10), '0'+byte(v%10))
	case v >= 1000:
		return append(b, '0'+byte(v/1000), '0'+byte(v/100%10), '0'+byte(v/10%10), '0'+byte(v%10))
	case v >= 100:
		return append(b, '0'+byte(v/100), '0'+byte(v/10%10), '0'+byte(v%10))
	case v >= 10:
		return append(b, '0'+byte(v/10), '0'+byte(v%10))
	}
	return append(b, '0'+byte(v))
}

// serverPrint computes JA3S: version, cipher and extensions of the ServerHello.
func (h *Handshake) serverPrint(m *hello) {
	var scratch [512]byte
	b := appendDecimal(scratch[:0], m.version)
	b = appendDecimal(append(b, ','), m.cipher)
	b = append(b, ',')
	first := true
	for _, v := range m.extensions[:m.n] {
		if isGrease(v) {
			continue
		}
		if !first {
			b = append(b, '-')
		}
		first = false
		b = appendDecimal(b, v)
	}
	sum := md5.Sum(b)
	putHex(h.sum.ja3s[:], sum[:])
	h.sum.hasServerPrint = true
}

// ja4Bytes is the length of a JA4 fingerprint.
const ja4Bytes = 10 + 1 + 12 + 1 + 12

// putJA4 writes the JA4 fingerprint of a ClientHello; scratch is for the texts
// that are hashed.
func putJA4(out *[ja4Bytes]byte, scratch []byte, m *hello, carrier Carrier) {
	var list [maxList]uint16
	out[0] = byte(carrier)
	copy(out[1:3], ja4Version(m))
	out[3] = 'i'
	if m.hasName {
		out[3] = 'd'
	}

	n := 0
	for i := 0; i+1 < len(m.ciphers) && n < maxList; i += 2 {
		if v := uint16(m.ciphers[i])<<8 | uint16(m.ciphers[i+1]); !isGrease(v) {
			list[n] = v
			n++
		}
	}
	out[4], out[5] = twoDigits(n)
	slices.Sort(list[:n])
	out[10] = '_'
	putShort(out[11:23], appendHexList(scratch, list[:n]))

	n, all := 0, 0
	for _, v := range m.extensions[:m.n] {
		if isGrease(v) {
			continue
		}
		all++
		if v != extServerName && v != extALPN {
			list[n] = v
			n++
		}
	}
	out[6], out[7] = twoDigits(all)
	out[8], out[9] = ja4ALPN(m.alpn)
	slices.Sort(list[:n])
	b := appendHexList(scratch, list[:n])
	if n > 0 {
		sep := byte('_')
		for i := 0; i+1 < len(m.signatures) && i < 2*maxList; i += 2 {
			if v := uint16(m.signatures[i])<<8 | uint16(m.signatures[i+1]); !isGrease(v) {
				b = append(b, sep)
				sep = ','
				b = appendHex16(b, v)
			}
		}
	}
	out[23] = '_'
	putShort(out[24:36], b)
}

// ja4Version returns the newest version a client offers, as two characters.
func ja4Version(m *hello) string {
	best, rank := m.version, -1
	for i := 0; i+1 < len(m.versions); i += 2 {
		v := uint16(m.versions[i])<<8 | uint16(m.versions[i+1])
		if isGrease(v) {
			continue
		}
		r := int(v)
		if v>>8 == 0xfe { // versions of DTLS count down
			r = 0xffff - int(v)
		}
		if r > rank {
			best, rank = v, r
		}
	}
	switch best {
	case tls13:
		return "13"
	case tls12:
		return "12"
	case tls11:
		return "11"
	case tls10:
		return "10"
	case ssl3:
		return "s3"
	case ssl2:
		return "s2"
	case dtls10:
		return "d1"
	case dtls12:
		return "d2"
	case dtls13:
		return "d3"
	}
	return "00"
}

// ja4ALPN returns the first and last character of the first protocol offered,
// or of its hexadecimal form if one of them is not alphanumeric.
func ja4ALPN(list []byte) (first, last byte) {
	for len(list) > 1 {
		n := int(list[0])
		if n == 0 || n+1 > len(list) {
			break
		}
		name := list[1 : n+1]
		if greaseName(name) {
			list = list[n+1:]
			continue
		}
		a, z := name[0], name[n-1]
		if alphanumeric(a) && alphanumeric(z) {
			return a, z
		}
		return hexDigits[a>>4], hexDigits[z&15]
	}
	return '0', '0'
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func twoDigits(n int) (tens, ones byte) {
	n = min(n, 99)
	return '0' + byte(n/10), '0' + byte(n%10)
}

// putShort writes the first twelve characters of the SHA-256 of text, or zeros
// if there is none.
func putShort(out []byte, text []byte) {
	if len(text) == 0 {
		copy(out, "000000000000")
		return
	}
	sum := sha256.Sum256(text)
	putHex(out, sum[:6])
}

func appendHexList(b []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendHex16(b, v)
	}
	return b
}

func appendHex16(b []byte, v uint16) []byte {
	return append(b, hexDigits[v>>12], hexDigits[v>>8&15], hexDigits[v>>4&15], hexDigits[v&15])
}

// putHex writes b in hexadecimal to out, which is twice as long.
func putHex(out, b []byte) {
	for i, v := range b {
		out[2*i], out[2*i+1] = hexDigits[v>>4], hexDigits[v&15]
	}
}

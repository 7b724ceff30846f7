package model

import "math"

// Classes of bytes: zero, other control characters, digits and punctuation,
// letters of either case, and the two halves of what is not ASCII.
const (
	byteZero = iota
	byteControl
	byteSpace
	byteDigit
	bytePunctuation
	byteLetter
	byteHigh
	byteTop // 0xff
	byteClasses
)

const (
	firstPlaces = 16 // bytes whose place counts
	firstBytes  = 64 // bytes whose share counts
	firstSide   = firstPlaces*byteClasses + byteClasses + 4
	// FirstWidth is how many numbers the first bytes of a session become.
	FirstWidth = 2 * firstSide
)

// AppendFirst appends what a network may see of the first payload of originator
// and responder, FirstWidth numbers: the class of each of the first bytes, the
// share of the classes, their entropy and how many differ. The bytes themselves cannot be told from it.
func AppendFirst(to []float32, first [2][]byte) []float32 {
	for _, b := range first {
		to = appendSide(to, b[:min(len(b), firstBytes)])
	}
	return to
}

func appendSide(to []float32, b []byte) []float32 {
	n := len(to)
	to = append(to, make([]float32, firstSide)...)
	side := to[n:]
	if len(b) == 0 {
		return to
	}
	var count [256]int
	share := side[firstPlaces*byteClasses:]
	for i, c := range b {
		k := byteClass(c)
		if i < firstPlaces {
			side[i*byteClasses+k] = 1
		}
		share[k] += 1 / float32(len(b))
		count[c]++
	}
	entropy, distinct := 0.0, 0
	for _, n := range count {
		if n > 0 {
			distinct++
			p := float64(n) / float64(len(b))
			entropy -= p * math.Log2(p)
		}
	}
	rest := share[byteClasses:]
	rest[0] = 1
	rest[1] = float32(len(b)) / firstBytes
	rest[2] = float32(entropy / math.Log2(max(float64(len(b)), 2)))
	rest[3] = float32(distinct) / firstBytes
	return to
}

func byteClass(c byte) int {
	switch {
	case c == 0:
		return byteZero
	case c == ' ' || c == '\r' || c == '\n' || c == '\t':
		return byteSpace
	case c < ' ' || c == 0x7f:
		return byteControl
	case c >= '0' && c <= '9':
		return byteDigit
	case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		return byteLetter
	case c < 0x80:
		return bytePunctuation
	case c == 0xff:
		return byteTop
	default:
		return byteHigh
	}
}

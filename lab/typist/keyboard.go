package typist

import "math"

// place is where a key is on a US keyboard, and the finger for it: 0 to 3 from
// the left little finger, 4 to 7 to the right one, 8 the thumbs.
type place struct {
	row, column int
	finger      int
	shift       bool
	known       bool
}

const (
	thumb = 8
	// arrow stands for keys that send an escape sequence; it is a code point
	// for private use.
	arrow = '\uE000'
)

var rows = [4][2]string{
	{"`1234567890-=", "~!@#$%^&*()_+"},
	{"qwertyuiop[]\\", "QWERTYUIOP{}|"},
	{"asdfghjkl;'", "ASDFGHJKL:\""},
	{"zxcvbnm,./", "ZXCVBNM<>?"},
}

// fingers has the finger of each column of a row.
var fingers = [4]string{"0012334456777", "0123344567777", "01233445677", "0123344567"}

var keyboard = places()

func places() (all [128]place) {
	for row, levels := range rows {
		for level, keys := range levels {
			for column, r := range keys {
				// The number row has one key more on the left.
				at := column
				if row == 0 {
					at--
				}
				all[r] = place{row, at, int(fingers[row][column] - '0'), level == 1, true}
			}
		}
	}
	all[' '] = place{row: 4, column: 5, finger: thumb, known: true}
	all[0x7f] = place{row: 0, column: 12, finger: 7, known: true}
	all['\r'] = place{row: 2, column: 11, finger: 7, known: true}
	all['\t'] = place{row: 1, column: -1, finger: 0, known: true}
	all[0x1b] = place{row: 0, column: -2, finger: 0, known: true}
	return all
}

func at(r rune) place {
	switch {
	case r == arrow:
		return place{row: 4, column: 13, finger: 7, known: true}
	case r >= 0 && r < 0x20 && !keyboard[r].known: // with Control
		p := keyboard[r+'a'-1&0x7f]
		p.shift = true
		return p
	case r >= 0 && r < 0x80:
		return keyboard[r]
	}
	return place{}
}

// median returns the logarithm of the median interval above the floor, in
// seconds, from key a to key b; a is 0 for the first key.
func (t *Typist) median(a, b rune) float64 {
	from, to := at(a), at(b)
	m := t.base + t.personal(a, b)
	switch {
	case a == 0:
		m += .35
	case !from.known || !to.known:
		m += t.symbol
	case a == b:
		m += t.sameKey
	case from.finger == thumb || to.finger == thumb:
		m += t.thumb
	case (from.finger < 4) != (to.finger < 4):
		m += t.otherHand
	case t.twoFingers:
		m += t.sameFinger + .035*math.Hypot(float64(from.row-to.row), float64(from.column-to.column))
	case from.finger == to.finger:
		m += t.sameFinger
	}
	if a != 0 && from.known && to.known && from.finger != thumb && to.finger != thumb {
		m += t.row * math.Abs(float64(from.row-to.row))
	}
	if to.shift && !from.shift {
		m += t.shift
	}
	switch {
	case b >= '0' && b <= '9':
		m += t.digit
	case isLetter(b) || to.finger == thumb || b < ' ' || b == 0x7f || b == arrow:
	default:
		m += t.symbol
	}
	if commonPairs[[2]rune{a, b}] {
		m -= t.common
	}
	return m
}

func isLetter(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' }

// commonPairs are the most frequent of English and of the command line.
var commonPairs = pairs("th he in er an re nd at on nt ha es st en ed to it ou ea hi is or ti as te et ng of al de se le sa si ar ve ra ld ur ls cd ca gr ep ca")

func pairs(list string) map[[2]rune]bool {
	all := make(map[[2]rune]bool)
	for i := 0; i+1 < len(list); i += 3 {
		all[[2]rune{rune(list[i]), rune(list[i+1])}] = true
	}
	return all
}

// personal is what somebody's fingers make of a pair beyond the rules:
// normal with a spread of 0.12, always the same for the same pair.
func (t *Typist) personal(a, b rune) float64 {
	x := population ^ uint64(t.number)<<48 ^ uint64(a)<<24 ^ uint64(b)
	u, x := splitMix(x)
	v, _ := splitMix(x)
	return .12 * math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*v)
}

// splitMix is one step of the generator of that name: a number in (0, 1) and
// the next state.
func splitMix(x uint64) (float64, uint64) {
	x += 0x9E3779B97F4A7C15
	z := x
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	z ^= z >> 31
	return (float64(z>>11) + .5) / (1 << 53), x
}

// neighbours returns the keys around that of r, on the same shift level, and
// for a key with a sign on both levels the other level.
func neighbours(r rune) []rune {
	p := at(r)
	if !p.known || p.row > 3 {
		return nil
	}
	level := 0
	if p.shift {
		level = 1
	}
	var near []rune
	for _, d := range [...][2]int{{0, -1}, {0, 1}, {-1, 0}, {-1, 1}, {1, 0}, {1, -1}} {
		row, column := p.row+d[0], p.column+d[1]
		if row == 0 {
			column++
		}
		if row < 0 || row > 3 || column < 0 || column >= len(rows[row][level]) {
			continue
		}
		// Letters are missed for letters: the number row is further away.
		if n := rune(rows[row][level][column]); isLetter(n) || !isLetter(r) {
			near = append(near, n)
		}
	}
	return near
}

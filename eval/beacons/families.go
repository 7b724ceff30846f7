package beacons

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
)

// family makes names as a published family's generator does: its class of
// algorithm, alphabet and lengths. Seeds are ours, so that no real name is made.
type family struct {
	name, class string
	held        bool // no network is trained on it
	make        func(g *generator) string
}

// generator is the state that a family's algorithm goes on from.
type generator struct {
	words []string
	state uint32
	count uint32
}

// newGenerator seeds a generator as a date or a campaign's number does.
func newGenerator(r *rand.Rand, words []string) *generator {
	return &generator{words: words, state: r.Uint32()}
}

// lcg is the linear congruential generator of Numerical Recipes, which several
// families use; its low bits are poor.
func (g *generator) lcg() uint32 {
	g.state = g.state*1664525 + 1013904223
	return g.state
}

// park is the minimal standard generator by Schrage's method (Park and Miller,
// CACM 31, 1988).
func (g *generator) park() uint32 {
	s := int64(g.state%2147483646) + 1
	s = s * 16807 % 2147483647
	g.state = uint32(s)
	return g.state
}

// shift is a xorshift generator (Marsaglia 2003).
func (g *generator) shift() uint32 {
	if g.state == 0 {
		g.state = 1
	}
	g.state ^= g.state << 13
	g.state ^= g.state >> 17
	g.state ^= g.state << 5
	return g.state
}

// hash returns the MD5 of the seed and a counter.
func (g *generator) hash() [16]byte {
	g.count++
	var b [8]byte
	binary.LittleEndian.PutUint32(b[:], g.state)
	binary.LittleEndian.PutUint32(b[4:], g.count)
	return md5.Sum(b[:])
}

const (
	lower   = "abcdefghijklmnopqrstuvwxyz"
	noZ     = "abcdefghijklmnopqrstuvwxy"
	base36  = "abcdefghijklmnopqrstuvwxyz0123456789"
	vowels  = "aeiouy"
	harder  = "qwrtpsdfghjklzxcvbnm"
	nibbles = "abcdnfolmkeghijp"
)

// letters draws letters of an alphabet.
func letters(next func() uint32, set string, low, high uint32) string {
	n := low
	if high > low {
		n += (next() >> 8) % (high - low + 1)
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = set[(next()>>8)%uint32(len(set))]
	}
	return string(b)
}

// alternate draws consonants and vowels in turn.
func alternate(next func() uint32, low, high uint32) string {
	n := low + (next()>>8)%(high-low+1)
	b := make([]byte, n)
	turn := (next() >> 8) & 1
	for i := range b {
		set := harder
		if uint32(i)&1 == turn {
			set = vowels
		}
		b[i] = set[(next()>>8)%uint32(len(set))]
	}
	return string(b)
}

// families are classes of algorithms, with the families whose alphabet and lengths
// they have (Plohmann et al., A Comprehensive Measurement Study of Domain
// Generating Malware, USENIX Security 2016).
var families = []family{
	{name: "hexadecimal of a hash, 32 (Bamital)", class: "hash", make: func(g *generator) string { return fmt.Sprintf("%x", g.hash()) }},
	{name: "letter and hash, 34 (Dyre)", class: "hash", make: func(g *generator) string {
		h := g.hash()
		return fmt.Sprintf("%c%.33s", lower[h[0]%26], fmt.Sprintf("%x", sha256.Sum256(h[:])))
	}},
	{name: "hexadecimal of a hash, 12 to 16", class: "hash", held: true, make: func(g *generator) string { h := g.hash(); return fmt.Sprintf("%x", h[:6+h[15]%3]) }},
	{name: "base 36 of a hash, 22 to 28 (Gameover Zeus)", class: "hash", make: func(g *generator) string {
		h := g.hash()
		g.state ^= binary.LittleEndian.Uint32(h[:])
		return letters(g.shift, base36, 22, 28)
	}},
	{name: "letters of a hash, 12 to 16 (Murofet)", class: "hash", held: true, make: func(g *generator) string {
		h := g.hash()
		b := make([]byte, 12+h[15]%5)
		for i := range b {
			b[i] = lower[(h[i%16]+h[(i+5)%16])%26]
		}
		return string(b)
	}},
	{name: "letters, 5 to 11 (Conficker)", class: "congruential", make: func(g *generator) string { return letters(g.lcg, lower, 5, 11) }},
	{name: "letters, 12 to 15 (CryptoLocker)", class: "congruential", make: func(g *generator) string { return letters(g.shift, noZ, 12, 15) }},
	{name: "letters, 8 to 19 (Ramnit)", class: "congruential", make: func(g *generator) string { return letters(g.park, noZ, 8, 19) }},
	{name: "letters, 8 to 25 (QakBot)", class: "congruential", make: func(g *generator) string { return letters(g.shift, lower, 8, 25) }},
	{name: "letters, 12 (Tinba)", class: "congruential", make: func(g *generator) string { return letters(g.lcg, noZ, 12, 12) }},
	{name: "letters, 7 to 21 (Necurs)", class: "congruential", held: true, make: func(g *generator) string { return letters(g.park, noZ, 7, 21) }},
	{name: "letters, 14 (Ranbyus)", class: "congruential", held: true, make: func(g *generator) string { return letters(g.shift, noZ, 14, 14) }},
	{name: "letters, 8 to 17 (Locky)", class: "congruential", held: true, make: func(g *generator) string { return letters(g.lcg, noZ, 8, 17) }},
	{name: "letters and digits, 16 (Chinad)", class: "letters and digits", make: func(g *generator) string { return letters(g.lcg, base36, 16, 16) }},
	{name: "letters and digits, 14 to 19 (Shiotob)", class: "letters and digits", make: func(g *generator) string { return letters(g.park, "qwertyuiopasdfghjklzxcvbnm123945678", 14, 19) }},
	{name: "letters and digits, 12 to 23 (CoreBot)", class: "letters and digits", held: true, make: func(g *generator) string { return letters(g.lcg, base36, 12, 23) }},
	{name: "nibbles as letters, 16 (PadCrypt)", class: "arithmetic", make: func(g *generator) string { return translate(g, 8) }},
	{name: "nibbles as letters, 24 (PadCrypt)", class: "arithmetic", held: true, make: func(g *generator) string { return translate(g, 12) }},
	{name: "consonants and vowels, 5 to 11 (Simda)", class: "pronounceable", make: func(g *generator) string { return alternate(g.lcg, 5, 11) }},
	{name: "consonants and vowels, 8 to 15 (Symmi)", class: "pronounceable", held: true, make: func(g *generator) string { return alternate(g.shift, 8, 15) }},
	{name: "first four letters of words changed (Banjori)", class: "words", held: true, make: func(g *generator) string {
		return letters(g.lcg, lower, 4, 4) + g.word() + g.word() + g.word()
	}},
	{name: "two words (Suppobox)", class: "words", held: true, make: func(g *generator) string { return g.word() + g.word() }},
	{name: "words to 12 to 24 letters (Gozi)", class: "words", held: true, make: func(g *generator) string {
		s, n := "", int(12+(g.lcg()>>8)%13)
		for len(s) < n {
			s += g.word()
		}
		return s[:n]
	}},
	{name: "words with a hyphen (Nymaim, Matsnu)", class: "words", held: true, make: func(g *generator) string { return g.word() + "-" + g.word() }},
}

func (g *generator) word() string { return g.words[(g.lcg()>>8)%uint32(len(g.words))] }

// translate writes the nibbles of a hash as letters.
func translate(g *generator, n int) string {
	h := g.hash()
	var s strings.Builder
	for _, b := range h[:n] {
		s.WriteByte(nibbles[b>>4])
		s.WriteByte(nibbles[b&15])
	}
	return s.String()
}

// compose makes a name as people do: words, syllables, initials and numbers.
func compose(r *rand.Rand, words []string) string {
	word := func() string { return words[min(int(float64(len(words))*r.Float64()*r.Float64()), len(words)-1)] }
	switch x := r.Float64(); {
	case x < 0.25:
		return word() + word()
	case x < 0.33:
		return word() + "-" + word()
	case x < 0.40:
		return word() + word() + word()
	case x < 0.50:
		return word() + fmt.Sprint(r.IntN(1000))
	case x < 0.58:
		return []string{"my", "the", "get", "go", "e", "i", "web", "net", "cyber", "smart", "best", "top"}[r.IntN(12)] + word()
	case x < 0.66:
		return word() + []string{"ify", "ly", "hub", "lab", "labs", "io", "app", "tech", "soft", "shop", "online", "group", "cdn", "api"}[r.IntN(14)]
	case x < 0.80:
		return syllables(r, 2+r.IntN(3)) // brands, transliterations
	case x < 0.88:
		return initials(r, 2+r.IntN(3)) + word()
	case x < 0.93:
		return word() + initials(r, 2+r.IntN(2))
	}
	return word()
}

// syllables strings together syllables as in many languages' names.
func syllables(r *rand.Rand, n int) string {
	begin := strings.Fields("b c d f g h j k l m n p r s t v w y z ch sh th st br kr tr gr pl zh x qu sch")
	middle := strings.Fields("a e i o u a e i o ai ao ei ie ou ua oo ee io an in on en ar or")
	end := strings.Fields("- - - - n r s t l ng m k x")
	s := ""
	for range n {
		s += begin[r.IntN(len(begin))] + middle[r.IntN(len(middle))] + strings.Trim(end[r.IntN(len(end))], "-")
	}
	return s
}

func initials(r *rand.Rand, n int) string {
	s := ""
	for range n {
		s += string(lower[r.IntN(26)])
	}
	return s
}

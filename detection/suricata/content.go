package suricata

import (
	"bytes"
	"regexp"
	"unicode/utf8"
)

// check is one of the conditions on a buffer, in the order of the rule.
type check struct {
	text    []byte // of a content; in lower case if nocase
	nocase  bool
	negated bool

	offset, depth          int // depth 0: none
	distance, within       int // within 0: none
	relative               bool
	atEnd                  bool
	fast                   bool
	pattern                *regexp.Regexp // of a pcre: on bytes that became letters
	size                   *bounds        // bsize, urilen, dsize
	dataAt                 int            // isdataat; -1: none
	fastOffset, fastLength int            // part of the content that is looked for first
}

// bounds is a range of sizes, both ends included.
type bounds struct{ from, to int }

// maxSteps bounds what is tried for one rule in one buffer.
const maxSteps = 5000

// search looks for the checks of a rule in a buffer.
type search struct {
	data, lower []byte
	letters     []byte // data as UTF-8, each byte a letter; nil until needed
	steps       int
}

// matches reports whether all checks hold; lower is data in lower case.
func matches(checks []check, data, lower []byte) bool {
	s := search{data: data, lower: lower, steps: maxSteps}
	return s.from(checks, 0)
}

// from reports whether the checks hold after a match that ended at last.
func (s *search) from(checks []check, last int) bool {
	if len(checks) == 0 {
		return true
	}
	if s.steps--; s.steps <= 0 {
		return false
	}
	c, rest := &checks[0], checks[1:]
	switch {
	case c.size != nil:
		return len(s.data) >= c.size.from && len(s.data) <= c.size.to && s.from(rest, last)
	case c.dataAt >= 0:
		at := c.dataAt
		if c.relative {
			at += last
		}
		return (len(s.data) > at) != c.negated && s.from(rest, last)
	case c.pattern != nil:
		return s.expression(c, rest, last)
	}
	lo, hi := c.window(len(s.data), last)
	data := s.data
	if c.nocase {
		data = s.lower
	}
	if c.atEnd {
		lo = max(lo, len(data)-len(c.text))
	}
	again := len(rest) > 0 && rest[0].relative
	for lo <= hi-len(c.text) {
		i := bytes.Index(data[lo:hi], c.text)
		if i < 0 {
			break
		}
		if c.negated {
			return false
		}
		end := lo + i + len(c.text)
		if s.from(rest, end) {
			return true
		}
		if !again || s.steps <= 0 {
			return false
		}
		lo += i + 1
	}
	return c.negated && s.from(rest, last)
}

// window returns where a content may be.
func (c *check) window(n, last int) (lo, hi int) {
	hi = n
	if c.relative {
		lo = max(last+c.distance, 0)
		if c.within > 0 {
			hi = min(hi, last+c.distance+c.within)
		}
		return min(lo, n), max(hi, 0)
	}
	if c.depth > 0 {
		hi = min(hi, c.offset+c.depth)
	}
	return min(c.offset, n), hi
}

// expression looks for a pattern.
func (s *search) expression(c *check, rest []check, last int) bool {
	from := 0
	if c.relative {
		from = min(last, len(s.data))
	}
	if s.letters == nil {
		s.letters = appendLetters(make([]byte, 0, len(s.data)+len(s.data)/8), s.data)
	}
	text := s.letters
	ascii := len(text) == len(s.data)
	if from > 0 {
		text = text[lettersBefore(s.data[:from]):]
	}
	at := c.pattern.FindIndex(text)
	if c.negated {
		return at == nil && s.from(rest, last)
	}
	if at == nil {
		return false
	}
	end := at[1]
	if !ascii {
		end = utf8.RuneCount(text[:end])
	}
	return s.from(rest, from+end)
}

// appendLetters appends each byte as the letter of the same number: so that
// patterns, which know letters only, see bytes.
func appendLetters(b, data []byte) []byte {
	for _, c := range data {
		b = utf8.AppendRune(b, rune(c))
	}
	return b
}

// lettersBefore returns how long that is.
func lettersBefore(data []byte) int {
	n := len(data)
	for _, c := range data {
		if c >= utf8.RuneSelf {
			n++
		}
	}
	return n
}

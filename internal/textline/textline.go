// Package textline reads protocols that speak in lines of text.
//
// It holds what FTP, SMTP, POP3, IMAP, IRC and their kind have in common: lines
// of bounded length out of a byte stream, words and reply codes out of lines,
// comparisons that ignore case without allocating, the user name of a SASL
// PLAIN message, and the judgement whether two streams are a client's commands
// and a server's replies.
package textline

import (
	"bytes"
	"encoding/base64"
)

// MaxLine is the length after which a line is cut: eight times what RFC 5321
// section 4.5.3.1.4 wants SMTP servers to take.
const MaxLine = 8192

// Reader splits one direction of a stream into lines. The zero value is ready
// for use at the start of a line.
type Reader struct {
	skipping bool
}

// Next returns the first line of data without its end (LF, or CR and LF), and
// how many bytes it takes. Ok is false if the line is not complete; n may then
// still be above zero, for bytes that are passed over. Of a line longer than
// MaxLine the first MaxLine bytes are returned and the rest is passed over. The
// line points into data.
func (r *Reader) Next(data []byte) (line []byte, n int, ok bool) {
	if r.skipping {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			return nil, len(data), false
		}
		r.skipping = false
		line, k, ok := r.Next(data[i+1:])
		return line, i + 1 + k, ok
	}
	i := bytes.IndexByte(data[:min(len(data), MaxLine+1)], '\n')
	switch {
	case i >= 0:
		return trimCR(data[:i]), i + 1, true
	case len(data) > MaxLine:
		r.skipping = true
		return data[:MaxLine], MaxLine, true
	}
	return nil, 0, false
}

// Resync tells that bytes are missing: what follows up to the next line end is
// passed over.
func (r *Reader) Resync() { r.skipping = true }

func trimCR(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\r' {
		return b[:n-1]
	}
	return b
}

// First returns the first line of b without its end, and whether the end is
// there.
func First(b []byte) (line []byte, complete bool) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return trimCR(b[:i]), true
	}
	return trimCR(b), false
}

// Word returns the first word of a line, up to a space or tab, and what follows
// the spaces behind it.
func Word(line []byte) (word, rest []byte) {
	for i, c := range line {
		if c == ' ' || c == '\t' {
			return line[:i], bytes.TrimLeft(line[i:], " \t")
		}
	}
	return line, nil
}

// Code returns the three digits a reply line starts with, and whether another
// line of the same reply follows ("250-"). It is 0 if there are no such digits.
func Code(line []byte) (code int, more bool) {
	if len(line) < 3 {
		return 0, false
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, false
		}
		code = code*10 + int(c-'0')
	}
	if len(line) > 3 {
		if line[3] != ' ' && line[3] != '-' {
			return 0, false
		}
		more = line[3] == '-'
	}
	if code < 100 {
		return 0, false
	}
	return code, more
}

// Text returns what follows the code of a reply line.
func Text(line []byte) []byte { return line[min(len(line), 4):] }

// Upper returns c as a capital letter if it is an ASCII letter.
func Upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

// Equal reports whether b is s, which is in capitals, when case is ignored.
func Equal(b []byte, s string) bool { return len(b) == len(s) && HasPrefix(b, s) }

// HasPrefix reports whether b starts with s, which is in capitals, when case is
// ignored.
func HasPrefix(b []byte, s string) bool {
	if len(b) < len(s) {
		return false
	}
	for i := 0; i < len(s); i++ {
		if Upper(b[i]) != s[i] {
			return false
		}
	}
	return true
}

// Contains reports whether s, which is in capitals, is somewhere in b when case
// is ignored.
func Contains(b []byte, s string) bool {
	for i := 0; i+len(s) <= len(b); i++ {
		if Upper(b[i]) == s[0] && HasPrefix(b[i:], s) {
			return true
		}
	}
	return false
}

// OneOf reports whether word is one of a list of words in capitals when case is
// ignored.
func OneOf(word []byte, list []string) bool {
	for _, s := range list {
		if Equal(word, s) {
			return true
		}
	}
	return false
}

// PrefixOf reports whether word is the beginning of a word of a list in
// capitals: whether more bytes may make it one.
func PrefixOf(word []byte, list []string) bool {
	for _, s := range list {
		if len(word) <= len(s) && HasPrefix(word, s[:len(word)]) {
			return true
		}
	}
	return false
}

// Set makes dst a copy of at most limit bytes of src, in dst's memory if it is
// large enough.
func Set(dst, src []byte, limit int) []byte {
	return append(dst[:0], src[:min(len(src), limit)]...)
}

// AppendUpper appends at most limit bytes of src in capitals.
func AppendUpper(dst, src []byte, limit int) []byte {
	for _, c := range src[:min(len(src), limit)] {
		dst = append(dst, Upper(c))
	}
	return dst
}

// Uint returns the decimal number b consists of; ok is false if it is none or
// does not fit 32 bits.
func Uint(b []byte) (v uint64, ok bool) {
	if len(b) == 0 || len(b) > 10 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, v <= 0xffffffff
}

// Printable reports whether b holds no control characters but tabs and line
// ends.
func Printable(b []byte) bool {
	for _, c := range b {
		if c < 0x20 && c != '\t' && c != '\r' && c != '\n' || c == 0x7f {
			return false
		}
	}
	return true
}

// maxBase64 is the longest base64 text that is decoded, in bytes.
const maxBase64 = 1024

// Decode64 decodes base64 text of at most 1,024 bytes; ok is false for other
// text. A cut tail is left out.
func Decode64(b []byte) (out []byte, ok bool) {
	if len(b) == 0 || len(b) > maxBase64 {
		return nil, false
	}
	out = make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	n, err := base64.StdEncoding.Decode(out, b)
	return out[:n], err == nil
}

// PlainUser returns the authentication identity of a SASL PLAIN message
// (RFC 4616): authorization identity, NUL, authentication identity, NUL,
// password. It is nil if the message has another form.
func PlainUser(msg []byte) []byte {
	i := bytes.IndexByte(msg, 0)
	if i < 0 {
		return nil
	}
	msg = msg[i+1:]
	j := bytes.IndexByte(msg, 0)
	if j < 0 {
		return nil
	}
	return msg[:j]
}

// mechanisms are the beginnings of the names of SASL mechanisms in use.
var mechanisms = []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-", "NTLM", "GSSAPI", "GSS-SPNEGO", "KERBEROS_V", "EXTERNAL", "ANONYMOUS", "XOAUTH", "OAUTHBEARER", "OTP", "MSN"}

// Mechanism reports whether a word is the name of a SASL mechanism in use.
func Mechanism(word []byte) bool {
	for _, m := range mechanisms {
		if HasPrefix(word, m) {
			return true
		}
	}
	return false
}

// Verdict says what the first bytes of one direction look like; the values are
// those of protocol.Verdict.
type Verdict uint8

// Verdicts.
const (
	No     Verdict = iota // not this side of this protocol
	More                  // too few bytes to tell
	Likely                // could be it
	Sure                  // nothing else starts like this
)

// Ports says which of a session's ports, the originator's and the
// responder's, are among those that servers of a protocol usually have.
func Ports(orig, resp uint16, usual ...uint16) (has [2]bool) {
	for _, p := range usual {
		has[0] = has[0] || orig == p
		has[1] = has[1] || resp == p
	}
	return has
}

// Dialog judges two directions of a stream, the originator's first, as a client
// and a server of a protocol: proof from one side, or likeness on both, is Sure
// unless a side contradicts. Reversed is true if the originator's bytes are the
// server's. Likeness of one side alone, of which nothing is heard from the
// other, is Likely if the server's port is a usual one, else More.
func Dialog(data *[2][]byte, ports [2]bool, client, server func([]byte) Verdict) (v Verdict, reversed bool) {
	v = judge(data[0], data[1], ports[1], client, server)
	if v >= Likely {
		return v, false
	}
	if r := judge(data[1], data[0], ports[0], client, server); r > v {
		return r, r >= Likely
	}
	return v, false
}

func judge(c, s []byte, port bool, client, server func([]byte) Verdict) Verdict {
	vc, vs := More, More
	if len(c) > 0 {
		vc = client(c)
	}
	if len(s) > 0 && vc != No {
		vs = server(s)
	}
	switch {
	case vc == No || vs == No:
		return No
	case vc == Sure || vs == Sure || vc == Likely && vs == Likely:
		return Sure
	case (vc == Likely || vs == Likely) && port:
		return Likely
	}
	return More
}

package session

// History is the order in which things happened in a session, in Zeek's
// alphabet: upper case by the originator, lower case by the responder.
//
//	s  SYN without ACK            h  SYN with ACK (handshake)
//	a  pure ACK                   d  packet with payload
//	f  FIN                        r  RST
//	c  bad checksum               g  content gap
//	t  retransmitted payload      w  zero window
//	i  inconsistent packet (FIN and RST)   q  multi-flag packet (SYN and FIN, or SYN and RST)
//	^  direction was flipped
//
// A letter is noted when it is first seen from its side; c, g, t and w again
// each tenfold count. At most 24 letters are kept.
type History struct {
	letters [24]byte
	n       uint8
}

// String returns the letters.
func (h *History) String() string { return string(h.letters[:h.n]) }

// Bytes returns the letters; the slice is valid until h changes.
func (h *History) Bytes() []byte { return h.letters[:h.n] }

func (h *History) add(c byte) {
	if int(h.n) < len(h.letters) {
		h.letters[h.n] = c
		h.n++
	}
}

// flip exchanges the sides of all letters and notes it in front.
func (h *History) flip() {
	for i, c := range h.letters[:h.n] {
		switch {
		case c >= 'a' && c <= 'z':
			h.letters[i] = c - 'a' + 'A'
		case c >= 'A' && c <= 'Z':
			h.letters[i] = c - 'A' + 'a'
		}
	}
	if int(h.n) < len(h.letters) {
		h.n++
	}
	copy(h.letters[1:h.n], h.letters[:h.n-1])
	h.letters[0] = '^'
}

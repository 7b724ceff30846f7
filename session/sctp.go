package session

import "tyto/internal/wire"

// sctpMessages calls yield with the user messages in the chunks of an SCTP
// packet (RFC 9260 section 3.3.1). Messages that are spread over several chunks
// are told by their first chunk only.
func sctpMessages(chunks []byte, yield func([]byte) bool) {
	const (
		data      = 0
		beginning = 2
		header    = 16
	)
	c := wire.New(chunks)
	for c.Len() >= 4 {
		kind, flags, n := c.U8(), c.U8(), int(c.U16())
		body := c.Rest()
		body = body[:max(0, min(n-4, len(body)))]
		if kind == data && flags&beginning != 0 && len(body) > header-4 && !yield(body[header-4:]) {
			return
		}
		c.Skip(max(n-4, 0) + (4-n&3)&3)
	}
}

package c2

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// Where little fits into a packet, a message goes in parts, each with a header:
//
//	2 bytes  number of the exchange
//	2 bytes  number of the part, or fetch
//	2 bytes  how many parts there are, or of a fetch the number of the answer's part
//
// The answer to the last part and to each fetch begins with the length of the
// controller's message in 3 bytes, then a part of that follows. Others' answers
// have the length 0. A part may come twice.
const fetch = 0xffff

// mask makes a message look encrypted, and back.
func mask(p Plan, id uint16, b []byte) []byte {
	rng := rand.New(rand.NewPCG(p.Seed, uint64(id)))
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = c ^ byte(rng.Uint32())
	}
	return out
}

// sendParts sends a message by asking with parts of it, and returns the answer.
func sendParts(p Plan, id uint16, up []byte, ask func(part []byte) (answer []byte, err error)) ([]byte, error) {
	part := func(n, count uint16, data []byte) []byte {
		b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, id), n), count)
		return append(b, data...)
	}
	up = mask(p, id, up)
	count := (len(up) + p.Label - 1) / p.Label
	var answer []byte
	var err error
	for i := range count {
		if answer, err = ask(part(uint16(i), uint16(count), up[i*p.Label:min(len(up), (i+1)*p.Label)])); err != nil {
			return nil, err
		}
	}
	var down []byte
	for i := 1; ; i++ {
		if len(answer) < 3 {
			return nil, fmt.Errorf("an answer of %d bytes", len(answer))
		}
		length := int(answer[0])<<16 | int(answer[1])<<8 | int(answer[2])
		down = append(down, answer[3:min(len(answer), 3+length-len(down))]...)
		if len(down) >= length {
			return mask(p, id, down), nil
		}
		if answer, err = ask(part(fetch, uint16(i), nil)); err != nil {
			return nil, err
		}
	}
}

// exchange is what the controller knows of one: parts, then the answer.
type exchange struct {
	parts map[uint16][]byte
	down  []byte
}

// take takes a part and returns its answer, with at most so many bytes of the
// controller's message.
func (c *controller) take(exchanges map[uint16]*exchange, most int, b []byte) ([]byte, error) {
	if len(b) < 6 {
		return nil, fmt.Errorf("a part of %d bytes", len(b))
	}
	id, part, count := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint16(b[4:])
	x := exchanges[id]
	if x == nil {
		x = &exchange{parts: make(map[uint16][]byte)}
		exchanges[id] = x
	}
	at := 0
	if part == fetch {
		at = int(count)
	} else {
		x.parts[part] = append([]byte(nil), b[6:]...)
	}
	if x.down == nil && len(x.parts) == int(count) {
		var up []byte
		for i := range count {
			up = append(up, x.parts[i]...)
		}
		down, err := c.handle(mask(c.plan, id, up))
		if err != nil {
			return nil, err
		}
		x.down = mask(c.plan, id, down)
	}
	if part != fetch && part+1 != count {
		return []byte{0, 0, 0}, nil
	}
	length := len(x.down)
	from := min(length, at*most)
	return append([]byte{byte(length >> 16), byte(length >> 8), byte(length)}, x.down[from:min(length, from+most)]...), nil
}

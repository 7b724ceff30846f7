package c2

import (
	"bytes"
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"time"
)

// A message goes in the names of as many queries as it needs: the base32 of a
// part (parts.go) in labels, and the domain.

var nameEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

const (
	typeA   = 1
	typeTXT = 16
)

// answerPart is how much of a message an answer of a type has.
var answerPart = map[uint16]int{typeTXT: 150, typeA: 21}

// dnsName makes the name of a query.
func dnsName(domain string, part []byte) string {
	text := nameEncoding.EncodeToString(part)
	var name strings.Builder
	for len(text) > 0 {
		n := min(len(text), 60)
		name.WriteString(text[:n] + ".")
		text = text[n:]
	}
	return name.String() + domain
}

// dnsChannel sends messages in names of queries.
type dnsChannel struct {
	plan   Plan
	rng    *rand.Rand
	id     uint16
	kind   uint16
	conn   net.Conn // of the exchange, or nil
	events []Event
}

func openDNS(p Plan, rng *rand.Rand) (channel, error) {
	c := &dnsChannel{plan: p, rng: rng, id: uint16(rng.Uint32()), kind: typeTXT}
	if p.Record == "A" {
		c.kind = typeA
	}
	return c, nil
}

func (c *dnsChannel) limit() int { return 4 << 10 }

func (c *dnsChannel) close() {
	if c.conn != nil {
		c.conn.Close()
	}
}

func (c *dnsChannel) exchange(ctx context.Context, up []byte) ([]byte, []Event, error) {
	c.id++
	c.events = nil
	defer func() {
		c.close()
		c.conn = nil
	}()
	down, err := sendParts(c.plan, c.id, up, func(part []byte) ([]byte, error) { return c.query(ctx, dnsName(c.plan.Name, part)) })
	return down, c.events, err
}

// query asks for a name and returns what is in the answer.
func (c *dnsChannel) query(ctx context.Context, name string) ([]byte, error) {
	if len(c.events) > 0 {
		if err := sleep(ctx, time.Duration((.6+.8*c.rng.Float64())*float64(c.plan.Throttle))); err != nil {
			return nil, err
		}
	}
	if c.plan.Client == "dig" {
		return c.dig(ctx, name)
	}
	if c.conn != nil && c.plan.FreshPort {
		c.close()
		c.conn = nil
	}
	if c.conn == nil {
		var err error
		if c.conn, err = net.Dial("udp4", c.plan.Server.String()); err != nil {
			return nil, err
		}
	}
	id, began := uint16(c.rng.Uint32()), time.Now()
	buf := make([]byte, 4096)
	for range 6 {
		if _, err := c.conn.Write(encodeQuery(id, name, c.kind)); err != nil {
			return nil, err
		}
		c.conn.SetReadDeadline(time.Now().Add(2500 * time.Millisecond))
		n, err := c.conn.Read(buf)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			continue // lost: again
		}
		answers, err := decodeAnswer(buf[:n], id)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c.saw(began, c.conn.LocalAddr().String())
		return unpack(c.kind, answers)
	}
	return nil, fmt.Errorf("%s: no answer", name)
}

func (c *dnsChannel) saw(began time.Time, local string) {
	c.events = append(c.events, Event{T0: began.UnixNano(), T1: time.Now().UnixNano(), Proto: "udp", Local: local, Remote: c.plan.Server.String()})
}

// dig lets dig ask, from a port that is known.
func (c *dnsChannel) dig(ctx context.Context, name string) ([]byte, error) {
	kind := map[uint16]string{typeA: "A", typeTXT: "TXT"}[c.kind]
	local, began := fmt.Sprintf("%s#%d", c.plan.Local, 20000+c.rng.IntN(40000)), time.Now()
	out, err := exec.CommandContext(ctx, "dig", "-b", local, "@"+c.plan.Server.Addr().String(), "+short", "+tries=6", "+time=3", name, kind).Output()
	if err != nil {
		return nil, fmt.Errorf("dig %s: %w %s", name, err, out)
	}
	var answers [][]byte
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, `"`); ok {
			answers = append(answers, []byte(strings.TrimSuffix(text, `"`)))
		} else if ip := net.ParseIP(line); ip != nil {
			answers = append(answers, ip.To4())
		}
	}
	c.saw(began, strings.Replace(local, "#", ":", 1))
	return unpack(c.kind, answers)
}

// pack makes the records of an answer, unpack reads them: a TXT has base64,
// an A its number and three bytes.
func pack(kind uint16, b []byte) (records [][]byte) {
	if kind == typeTXT {
		text := base64.StdEncoding.EncodeToString(b)
		return [][]byte{append([]byte{byte(len(text))}, text...)}
	}
	for i := 0; len(b) > 0; i++ {
		r := []byte{byte(10 + i), 0, 0, 0}
		n := copy(r[1:], b)
		b = b[n:]
		records = append(records, r)
	}
	return records
}

func unpack(kind uint16, records [][]byte) ([]byte, error) {
	if len(records) == 0 {
		return nil, errors.New("no records in the answer")
	}
	if kind == typeTXT {
		return base64.StdEncoding.DecodeString(string(records[0]))
	}
	out := make([]byte, 3*len(records))
	for _, r := range records {
		if i := int(r[0]) - 10; i >= 0 && i < len(records) {
			copy(out[3*i:], r[1:])
		}
	}
	return out, nil
}

// encodeQuery makes a query for a name (RFC 1035, 4).
func encodeQuery(id uint16, name string, kind uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = append(b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	for l := range strings.SplitSeq(name, ".") {
		b = append(append(b, byte(len(l))), l...)
	}
	return append(b, 0, byte(kind>>8), byte(kind), 0, 1)
}

// question reads the question of a message; end is where it ends.
func question(b []byte) (name string, kind uint16, end int, err error) {
	bad := errors.New("a malformed DNS message")
	if len(b) < 12 || binary.BigEndian.Uint16(b[4:]) != 1 {
		return "", 0, 0, bad
	}
	var labels []string
	for at := 12; at < len(b); {
		n := int(b[at])
		if at++; n == 0 {
			if at+4 > len(b) {
				break
			}
			return strings.ToLower(strings.Join(labels, ".")), binary.BigEndian.Uint16(b[at:]), at + 4, nil
		}
		if n > 63 || at+n > len(b) {
			break
		}
		labels = append(labels, string(b[at:at+n]))
		at += n
	}
	return "", 0, 0, bad
}

// decodeAnswer returns the data of an answer's records; of a TXT the first
// string.
func decodeAnswer(b []byte, id uint16) (records [][]byte, err error) {
	_, _, at, err := question(b)
	if err != nil {
		return nil, err
	}
	if binary.BigEndian.Uint16(b) != id || b[3]&15 != 0 {
		return nil, fmt.Errorf("the answer has code %d", b[3]&15)
	}
	for range binary.BigEndian.Uint16(b[6:]) {
		if at+12 > len(b) || b[at] < 0xc0 {
			return nil, errors.New("a malformed record")
		}
		kind, n := binary.BigEndian.Uint16(b[at+2:]), int(binary.BigEndian.Uint16(b[at+10:]))
		if at += 12; at+n > len(b) || n == 0 {
			return nil, errors.New("a malformed record")
		}
		data := b[at : at+n]
		if kind == typeTXT {
			data = data[1:min(n, 1+int(data[0]))]
		}
		records = append(records, bytes.Clone(data))
		at += n
	}
	return records, nil
}

// encodeAnswer answers a query of which the question ends at end; a code says
// that there is no such name.
func encodeAnswer(q []byte, end int, kind uint16, records [][]byte, code byte) []byte {
	b := append([]byte(nil), q[:end]...)
	b[2], b[3] = 0x84|q[2]&1, code
	copy(b[6:], []byte{0, byte(len(records)), 0, 0, 0, 0})
	for _, r := range records {
		b = append(b, 0xc0, 12, byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 1)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(r))), r...)
	}
	return b
}

// serveDNS is the name server of the plan's domain.
func (c *controller) serveDNS(ctx context.Context) error {
	conn, err := net.ListenPacket("udp4", ":53")
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	c.most = 4 << 10
	exchanges := make(map[uint16]*exchange)
	buf := make([]byte, 4096)
	for {
		n, peer, err := conn.ReadFrom(buf)
		if err != nil {
			return nil // the end
		}
		name, kind, end, err := question(buf[:n])
		if err != nil {
			continue
		}
		text, inside := strings.CutSuffix(name, "."+c.plan.Name)
		var answer []byte
		if err = errors.New("another domain"); inside && answerPart[kind] > 0 {
			var b []byte
			if b, err = nameEncoding.DecodeString(strings.ReplaceAll(text, ".", "")); err == nil {
				answer, err = c.take(exchanges, answerPart[kind], b)
			}
		}
		if err != nil {
			conn.WriteTo(encodeAnswer(buf[:n], end, kind, nil, 3), peer)
			continue
		}
		conn.WriteTo(encodeAnswer(buf[:n], end, kind, pack(kind, answer), 0), peer)
	}
}

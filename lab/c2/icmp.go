package c2

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// icmpMagic begins the data of echo requests that are an agent's, and of their
// answers.
var icmpMagic = []byte("\x9e\x1b\x53\xc7")

// icmpChannel sends parts of messages in echo requests.
type icmpChannel struct {
	plan    Plan
	rng     *rand.Rand
	conn    net.PacketConn
	id, seq uint16
	to      net.Addr
}

// openICMP opens a raw socket, or a ping socket, whose identifier the kernel
// chooses.
func openICMP(p Plan, rng *rand.Rand) (channel, error) {
	c := &icmpChannel{plan: p, rng: rng, id: uint16(rng.Uint32()), to: &net.IPAddr{IP: p.Server.Addr().AsSlice()}}
	var err error
	if p.Client != "ping" {
		c.conn, err = net.ListenPacket("ip4:icmp", "0.0.0.0")
		return c, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "ping")
	defer f.Close()
	c.to = &net.UDPAddr{IP: p.Server.Addr().AsSlice()}
	c.conn, err = net.FilePacketConn(f)
	return c, err
}

func (c *icmpChannel) limit() int { return 16 << 10 }

func (c *icmpChannel) close() { c.conn.Close() }

func (c *icmpChannel) exchange(ctx context.Context, up []byte) (down []byte, events []Event, err error) {
	id := uint16(c.rng.Uint32())
	began := time.Now()
	first := true
	down, err = sendParts(c.plan, id, up, func(part []byte) ([]byte, error) {
		if !first {
			if err := sleep(ctx, time.Duration((.6+.8*c.rng.Float64())*float64(c.plan.Throttle))); err != nil {
				return nil, err
			}
		}
		first = false
		return c.ask(ctx, part)
	})
	return down, []Event{{T0: began.UnixNano(), T1: time.Now().UnixNano(), Proto: "icmp"}}, err
}

// ask sends an echo request and returns what the reply has.
func (c *icmpChannel) ask(ctx context.Context, part []byte) ([]byte, error) {
	buf := make([]byte, 64<<10)
	for range 6 {
		c.seq++
		if _, err := c.conn.WriteTo(echo(icmpEchoRequest, c.id, c.seq, append(bytes.Clone(icmpMagic), part...)), c.to); err != nil {
			return nil, err
		}
		c.conn.SetReadDeadline(time.Now().Add(2500 * time.Millisecond))
		for {
			n, _, err := c.conn.ReadFrom(buf)
			if err != nil {
				break // lost: again
			}
			b := buf[:n]
			if n >= 12 && b[0] == icmpEchoReply && binary.BigEndian.Uint16(b[6:]) == c.seq && bytes.Equal(b[8:12], icmpMagic) {
				return bytes.Clone(b[12:]), nil
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, errors.New("no echo reply came")
}

const (
	icmpEchoReply   = 0
	icmpEchoRequest = 8
)

// echo makes an ICMP message (RFC 792).
func echo(kind byte, id, seq uint16, data []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{kind, 0, 0, 0}, id)
	b = append(binary.BigEndian.AppendUint16(b, seq), data...)
	var sum uint32
	for i, v := range b {
		sum += uint32(v) << (8 * (1 - i%2))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum))
	return b
}

// serveICMP answers agents' echo requests; the host's kernel must not.
func (c *controller) serveICMP(ctx context.Context) error {
	if err := os.WriteFile("/proc/sys/net/ipv4/icmp_echo_ignore_all", []byte("1"), 0); err != nil {
		return err
	}
	conn, err := net.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	fmt.Fprintln(os.Stderr, "ready")
	c.most = 16 << 10
	exchanges := make(map[uint16]*exchange)
	buf := make([]byte, 64<<10)
	for {
		n, peer, err := conn.ReadFrom(buf)
		if err != nil {
			return nil // the end
		}
		b := buf[:n]
		if n < 12 || b[0] != icmpEchoRequest || !bytes.Equal(b[8:12], icmpMagic) {
			continue
		}
		answer, err := c.take(exchanges, c.plan.Label, b[12:])
		if err != nil {
			continue
		}
		conn.WriteTo(echo(icmpEchoReply, binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]), append(bytes.Clone(icmpMagic), answer...)), peer)
	}
}

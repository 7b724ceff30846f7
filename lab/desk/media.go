package desk

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"
)

// Media is what the program MediaProgram is told: one end of the voices of a
// call, by RTP (RFC 3550).
type Media struct {
	Port    int    // of this end
	Peer    string // where the first packet goes; empty at the end that waits for it
	Codec   string // a name in codecs
	Silence string // what is sent while the person listens: "all", "noise" now and then (RFC 3389), or "none"
	Secure  bool   // SRTP's sizes (RFC 3711): contents are random, and ten bytes longer
	Reports bool   // RTCP in the same flow (RFC 5761)
	Length  time.Duration
	Turns   uint64 // seed of who talks when: the same at both ends
	Caller  bool
}

// codec is how a voice becomes packets.
type codec struct {
	payload     byte          // RTP's number
	every       time.Duration // between packets
	tick        uint32        // of the clock between packets
	least, most int           // bytes
}

// codecs are those of telephones by name; g729 sends two frames a packet,
// opus as much as there is to say.
var codecs = map[string]codec{
	"pcmu": {0, 20 * time.Millisecond, 160, 160, 160}, "pcma30": {8, 30 * time.Millisecond, 240, 240, 240},
	"g729": {18, 20 * time.Millisecond, 160, 20, 20}, "opus": {111, 20 * time.Millisecond, 960, 38, 115},
}

// turn is a time in which a person talks.
type turn struct {
	from, to time.Duration
	caller   bool
}

// turns are who talks when: mostly one after the other, with pauses and
// interruptions.
func turns(length time.Duration, rng *rand.Rand) (all []turn) {
	caller := rng.IntN(2) == 0
	for at := time.Duration(0); at < length; {
		d := Pause(2.2, rng)
		all = append(all, turn{at, min(at+d, length), caller})
		at += max(d+time.Duration((rng.Float64()-.3)*float64(time.Second)), 200*time.Millisecond)
		if rng.IntN(5) > 0 {
			caller = !caller
		}
	}
	return all
}

// talks reports whether somebody talks at a time.
func talks(all []turn, at time.Duration, caller bool) bool {
	for _, t := range all {
		if t.caller == caller && at >= t.from && at < t.to {
			return true
		}
	}
	return false
}

// rtp makes packets of one source.
type rtp struct {
	ssrc, stamp uint32
	sequence    uint16
	sent, bytes uint32
}

// packet is an RTP packet; mark says that a person begins to talk.
func (s *rtp) packet(payload byte, mark bool, body []byte) []byte {
	p := make([]byte, 12, 12+len(body))
	p[0], p[1] = 2<<6, payload
	if mark {
		p[1] |= 0x80
	}
	binary.BigEndian.PutUint16(p[2:], s.sequence)
	binary.BigEndian.PutUint32(p[4:], s.stamp)
	binary.BigEndian.PutUint32(p[8:], s.ssrc)
	s.sequence++
	s.sent++
	s.bytes += uint32(len(body))
	return append(p, body...)
}

// report is an RTCP sender report without blocks.
func (s *rtp) report(now time.Time) []byte {
	const since1900 = 2208988800
	p := make([]byte, 28)
	p[0], p[1], p[3] = 2<<6, 200, 6
	binary.BigEndian.PutUint32(p[4:], s.ssrc)
	binary.BigEndian.PutUint32(p[8:], uint32(now.Unix()+since1900))
	binary.BigEndian.PutUint32(p[12:], uint32(int64(now.Nanosecond())<<32/1e9))
	binary.BigEndian.PutUint32(p[16:], s.stamp)
	binary.BigEndian.PutUint32(p[20:], s.sent)
	binary.BigEndian.PutUint32(p[24:], s.bytes)
	return p
}

// MediaProgram is a program of a scenario: one end of a call's voices. Its
// argument is a Media as JSON. At the end it writes how many packets it sent
// and received.
func MediaProgram(ctx context.Context, args []string) error {
	var m Media
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &m) != nil {
		return errors.New("want media as JSON")
	}
	if _, ok := codecs[m.Codec]; !ok {
		return fmt.Errorf("there is no codec %q", m.Codec)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: m.Port})
	if err != nil {
		return err
	}
	defer conn.Close()
	peer := make(chan *net.UDPAddr, 1)
	received := 0
	done := make(chan struct{})
	if m.Peer != "" {
		to, err := net.ResolveUDPAddr("udp4", m.Peer)
		if err != nil {
			return err
		}
		peer <- to
	}
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			_, from, err := conn.ReadFromUDP(buf)
			if err != nil {
				return
			}
			if received++; received == 1 && m.Peer == "" {
				peer <- from
			}
		}
	}()
	var to *net.UDPAddr
	select {
	case to = <-peer:
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(40 * time.Second):
		return errors.New("nobody sends")
	}
	sent, err := m.send(ctx, conn, to)
	time.Sleep(1200 * time.Millisecond) // what the other end still sends
	conn.Close()
	<-done
	fmt.Printf("media: sent %d, received %d\n", sent, received)
	return err
}

func (m *Media) send(ctx context.Context, conn *net.UDPConn, to *net.UDPAddr) (sent int, err error) {
	c, rng := codecs[m.Codec], rand.New(rand.NewPCG(m.Turns, map[bool]uint64{true: 1, false: 2}[m.Caller]))
	who := turns(m.Length, rand.New(rand.NewPCG(m.Turns, 0)))
	source := &rtp{ssrc: rng.Uint32(), stamp: rng.Uint32(), sequence: uint16(rng.Uint32())}
	start := time.Now()
	before, quiet := false, 0
	reported := start
	for n := range int(m.Length / c.every) {
		select {
		case <-ctx.Done():
			return sent, ctx.Err()
		case <-at(start.Add(time.Duration(n) * c.every)):
		}
		now := talks(who, time.Duration(n)*c.every, m.Caller)
		payload, size := c.payload, c.least+rng.IntN(c.most-c.least+1)
		quiet++
		if now {
			quiet = 0
		}
		switch {
		case now || m.Silence == "all" || n == 0: // the first one opens the way
		case m.Silence == "noise" && quiet%10 == 1:
			payload, size = 13, 1
		default:
			size = 0
		}
		if size > 0 {
			body := make([]byte, size+map[bool]int{true: 10}[m.Secure])
			for i := range body {
				body[i] = byte(rng.Uint32())
			}
			conn.WriteToUDP(source.packet(payload, now && !before, body), to) // it may be lost as others are
			sent++
		}
		before = now
		source.stamp += c.tick
		if m.Reports && time.Since(reported) > 5*time.Second {
			reported = time.Now()
			conn.WriteToUDP(source.report(reported), to)
		}
	}
	return sent, nil
}

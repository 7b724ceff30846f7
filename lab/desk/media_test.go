package desk

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

func TestTurnsAreMostlyOnePersonAtATime(t *testing.T) {
	const length = 2 * time.Minute
	all := turns(length, rand.New(rand.NewPCG(1, 1)))
	both, one := 0, 0
	for at := time.Duration(0); at < length; at += 20 * time.Millisecond {
		a, b := talks(all, at, true), talks(all, at, false)
		switch {
		case a && b:
			both++
		case a || b:
			one++
		}
	}
	if one < 3*both || one < 3000 {
		t.Errorf("one talks at %d moments of 6000, both at %d", one, both)
	}
	if last := all[len(all)-1]; last.to > length {
		t.Errorf("the last turn ends at %v", last.to)
	}
}

func TestPacketsOfASource(t *testing.T) {
	s := &rtp{ssrc: 7, stamp: 1000, sequence: 65535}
	p := s.packet(111, true, []byte("voice"))
	if p[0] != 0x80 || p[1] != 0x80|111 || binary.BigEndian.Uint16(p[2:]) != 65535 || string(p[12:]) != "voice" {
		t.Errorf("got %x", p)
	}
	if p := s.packet(0, false, nil); binary.BigEndian.Uint16(p[2:]) != 0 || p[1] != 0 {
		t.Errorf("the next has the header %x", p)
	}
	r := s.report(time.Unix(0, 0))
	if len(r) != 28 || int(r[3])*4+4 != len(r) || binary.BigEndian.Uint32(r[20:]) != 2 || binary.BigEndian.Uint32(r[24:]) != 5 {
		t.Errorf("got the report %x", r)
	}
}

package c2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
)

// TestOutside runs every program where the tests run: none may work there.
func TestOutside(t *testing.T) {
	all := Programs()
	maps.Copy(all, RelayPrograms())
	maps.Copy(all, DropPrograms())
	for name, program := range all {
		if err := program(context.Background(), []string{"http", "lines"}); !errors.Is(err, errOutside) {
			t.Errorf("%s: %v, want %v", name, err, errOutside)
		}
	}
}

func TestCheckAddr(t *testing.T) {
	for addr, ok := range map[string]bool{
		"10.1.2.3": true, "192.168.7.1": true, "203.0.113.9": true, "198.19.0.1": true, "127.0.0.1": true,
		"8.8.8.8": false, "172.32.0.1": false, "2001:db8::1": false, "0.0.0.0": false,
	} {
		if err := checkAddr(netip.MustParseAddr(addr)); (err == nil) != ok {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestRepertoireOnly(t *testing.T) {
	for _, name := range []string{"", "id", "rm -rf /tmp/x", "whoami; id", "sh"} {
		if _, err := perform(context.Background(), name); err == nil {
			t.Errorf("%q was run", name)
		}
	}
	for _, name := range []string{"", "../plan.json", "/etc/passwd", ".bashrc", "a/b"} {
		if checkName(name) == nil {
			t.Errorf("file %q is allowed", name)
		}
	}
}

// talk is messages of many sizes.
func talk(rng *rand.Rand) (all [][]byte) {
	for _, n := range []int{0, 1, 23, 150, 4096} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		all = append(all, message{Kind: "result", Agent: "a", ID: 3, Data: b}.encode())
	}
	return all
}

func TestShapes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, shape := range []string{"raw", "cookie", "json"} {
		for _, m := range talk(rng) {
			_, body := wrap(shape, m, rng)
			if got, err := unwrap(shape, body); err != nil || !bytes.Equal(got, m) {
				t.Errorf("%s: %d bytes came back as %d: %v", shape, len(m), len(got), err)
			}
		}
	}
}

func TestDNSMessages(t *testing.T) {
	for _, kind := range []uint16{typeA, typeTXT} {
		name := dnsName("t.example.net", bytes.Repeat([]byte{7}, 126))
		q := encodeQuery(99, name, kind)
		got, gotKind, end, err := question(q)
		if err != nil || got != name || gotKind != kind || len(name) > 253 {
			t.Fatalf("question %q of type %d: %v; want %q", got, gotKind, err, name)
		}
		data := []byte("\x00\x00\x15abcdefghijklmnopqrstu")
		records, err := decodeAnswer(encodeAnswer(q, end, kind, pack(kind, data), 0), 99)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := unpack(kind, records); err != nil || !bytes.HasPrefix(back, data) {
			t.Errorf("type %d: %q came back as %q: %v", kind, data, back, err)
		}
	}
}

// TestParts sends a message in parts, each of them twice.
func TestParts(t *testing.T) {
	p := Plan{Agent: "a", Label: 30, Seed: 5, Tasks: []Task{{ID: 1, Kind: "command", Arg: "whoami"}}}
	c := &controller{plan: p, checkins: make(map[string]int)}
	exchanges := make(map[uint16]*exchange)
	down, err := sendParts(p, 8, message{Kind: "checkin", Agent: "a"}.encode(), func(part []byte) ([]byte, error) {
		if _, err := c.take(exchanges, 9, part); err != nil {
			return nil, err
		}
		return c.take(exchanges, 9, part)
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := decode(down)
	if err != nil || m.Task == nil || m.Task.Arg != "whoami" || c.checkins["a"] != 1 {
		t.Errorf("the answer is %+v after %d check-ins: %v", m, c.checkins["a"], err)
	}
}

func TestWebSocket(t *testing.T) {
	client, server := net.Pipe()
	a, b := newWebSocket(client, rand.New(rand.NewPCG(1, 2))), newWebSocket(server, nil)
	messages := append(talk(rand.New(rand.NewPCG(1, 3))), make([]byte, 70000))
	go func() {
		a.send(opPing, []byte("x"))
		for _, m := range messages {
			a.send(opBinary, m)
		}
		a.bye()
	}()
	go a.receive() // the pong
	for _, want := range messages {
		if got, err := b.receive(); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes came as %d: %v", len(want), len(got), err)
		}
	}
	if _, err := b.receive(); err != io.EOF {
		t.Errorf("the end is %v, want EOF", err)
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(encodeQuery(1, "abc.example", typeTXT))
	f.Add(message{Kind: "checkin"}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		question(b)
		if len(b) > 1 {
			decodeAnswer(b, uint16(b[0])<<8|uint16(b[1]))
		}
		unpack(typeTXT, [][]byte{b})
		if len(b) > 3 {
			unpack(typeA, [][]byte{b})
		}
		decode(b)
		unwrap("cookie", b)
		c := &controller{plan: Plan{Agent: "a"}, checkins: make(map[string]int)}
		c.take(make(map[uint16]*exchange), 9, b)
	})
}

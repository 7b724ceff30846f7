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
	"time"
)

// TestOutside runs every program where the tests run: none may work there.
func TestOutside(t *testing.T) {
	all := Programs()
	maps.Copy(all, RelayPrograms())
	maps.Copy(all, DropPrograms())
	all["webshell"] = Webshell
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

func TestTrace(t *testing.T) {
	var said trace
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	// The line's text, when it came after now, and what its clock said: the
	// trace's clock is 12 hours ahead, and only the third line came at once.
	for _, l := range []struct {
		text string
		came time.Duration
	}{
		{"23:59:59.900000 *   Trying 10.1.2.3:443...\n", -20 * time.Millisecond},
		{"23:59:59.950000 { [5 bytes data]\n", 0},
		{"00:00:00.250000 > POST /x HTTP/1.1\n", 250 * time.Millisecond},
		{"00:00:00.400000 < HTTP/1.1 200 OK\n", 490 * time.Millisecond},
		{"00:00:00.400000 { [900 bytes data]\n", 490 * time.Millisecond},
		{"00:00:00.500000 * Connection #0 left intact\n\nflow 10.1.2.4:5 10.1.2.3:443", 590 * time.Millisecond},
	} {
		said.text = append(said.text, l.text...)
		for range l.text {
			said.at = append(said.at, now.Add(l.came))
		}
	}
	asked, over, err := said.times()
	if err != nil || asked.Sub(now) != 250*time.Millisecond || over.Sub(now) != 500*time.Millisecond {
		t.Errorf("asked after %s, over after %s: %v", asked.Sub(now), over.Sub(now), err)
	}
	var none trace
	none.Write([]byte("23:59:59.900000 *   Trying 10.1.2.3:443...\n"))
	if _, _, err := none.times(); err == nil {
		t.Error("there is a request in a trace without")
	}
}

func TestStreamMessages(t *testing.T) {
	var b bytes.Buffer
	all := talk(rand.New(rand.NewPCG(1, 1)))
	for _, m := range all {
		writeMessage(&b, m)
	}
	for _, m := range all {
		if got, err := readMessage(&b); err != nil || !bytes.Equal(got, m) {
			t.Errorf("%d bytes came back as %d: %v", len(m), len(got), err)
		}
	}
	if _, err := readMessage(bytes.NewReader([]byte{0, 255, 255, 255, 255})); err == nil {
		t.Error("a message of 4 GB was read")
	}
}

func TestShifts(t *testing.T) {
	if _, over := newShifts(nil).next(false); over {
		t.Error("without shifts it is over before it is done")
	}
	if _, over := newShifts(nil).next(true); !over {
		t.Error("without shifts it is not over when it is done")
	}
	s := newShifts([]Shift{{Work: time.Hour, Rest: time.Minute}, {Work: 0}})
	if rest, over := s.next(true); rest != 0 || over {
		t.Errorf("in a shift: rest %s, over %v", rest, over)
	}
	s = newShifts([]Shift{{Rest: time.Minute}, {}})
	if rest, over := s.next(true); rest != time.Minute || over {
		t.Errorf("after a shift: rest %s, over %v", rest, over)
	}
	s.end = time.Time{}
	if _, over := s.next(false); over {
		t.Error("the last shift is over before it is done")
	}
	if _, over := s.next(true); !over {
		t.Error("the last shift is not over when it is done")
	}
}

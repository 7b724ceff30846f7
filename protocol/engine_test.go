package protocol

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"tyto/packet"
	"tyto/session"
)

// lineDefinition is a protocol of lines that start with a word of its own:
// "NAME text\n". It can be told to hand over, to skip and to misbehave.
func lineDefinition(name string, ports ...uint16) Definition {
	return Definition{
		Name: name, Transports: TCP | UDP, Ports: ports,
		Probe: func(e *Evidence) Verdict {
			for d, b := range e.Data {
				if len(b) == 0 {
					continue
				}
				n := min(len(b), len(name))
				if string(b[:n]) != name[:n] {
					return No
				}
				if n < len(name) {
					return More
				}
				if bytes.HasPrefix(b[n:], []byte("!")) {
					e.Reversed = session.Direction(d) == session.Orig
				}
				if bytes.HasPrefix(b[n:], []byte("?")) {
					return Likely
				}
				return Sure
			}
			return More
		},
		New: func() Analyzer { return &lines{} },
	}
}

type lines struct{ n int }

func (a *lines) Parse(f *Flow, dir session.Direction, data []byte) int {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		return 0
	}
	word, rest, _ := strings.Cut(string(data[:i]), " ")
	f.Anomaly("line", dir.String()+" "+word+" "+rest)
	a.n++
	switch {
	case strings.HasPrefix(rest, "handover "):
		f.Handover(strings.TrimPrefix(rest, "handover "), true)
	case rest == "anything":
		f.Handover("", false)
	case strings.HasPrefix(rest, "skip "):
		var n int
		fmt.Sscan(rest[5:], &n)
		return i + 1 + n
	case rest == "stop":
		f.Finish()
	case rest == "panic":
		panic("told to")
	}
	return i + 1
}

func (a *lines) Gap(f *Flow, dir session.Direction, n int) bool {
	f.Anomaly("gap", fmt.Sprint(dir, " ", n))
	return true
}

func (a *lines) Close(f *Flow) { f.Anomaly("close", fmt.Sprint(a.n)) }

type told struct{ out []string }

func (s *told) Record(*Flow, Record) {}
func (s *told) Anomaly(f *Flow, a Anomaly) {
	s.out = append(s.out, a.Source+"/"+a.Name+" "+a.Detail)
}
func (s *told) Observe(*Flow, Observation) {}

func run(t *testing.T, strict bool, proto uint8, steps ...string) (*session.Session, []string, *Engine) {
	t.Helper()
	sink := &told{}
	var pool session.Pool
	e := NewEngine(NewSet(lineDefinition("ALPHA", 10), lineDefinition("BETA", 20), Definition{Name: "MUTE", Transports: TCP,
		Probe: func(e *Evidence) Verdict {
			if bytes.HasPrefix(e.Data[0], []byte("MUTE")) {
				return Sure
			}
			return No
		}}), sink, &pool)
	e.Strict = strict
	s := &session.Session{Tuple: session.Tuple{Orig: packet.Addr{15: 1}, Resp: packet.Addr{15: 2}, OrigPort: 1000, RespPort: 20, Proto: proto}}
	for _, st := range steps {
		dir := session.Orig
		if st[0] == '<' {
			dir = session.Resp
		}
		if s.Flags&session.Flipped != 0 {
			dir = dir.Other()
		}
		if rest, ok := strings.CutPrefix(st[1:], "gap "); ok {
			var n int
			fmt.Sscan(rest, &n)
			e.Gap(s, dir, n, 1)
			continue
		}
		e.Data(s, dir, []byte(st[1:]), 1)
	}
	e.Close(s, 2)
	e.Release(s)
	if e.Bytes() != 0 {
		t.Errorf("%d bytes held after the end", e.Bytes())
	}
	return s, sink.out, e
}

func TestEngine(t *testing.T) {
	tests := []struct {
		name  string
		steps []string
		app   string
		want  string
	}{
		{"whole", []string{">ALPHA one\nALPHA two\n"}, "ALPHA", "ALPHA/line orig ALPHA one; ALPHA/line orig ALPHA two; ALPHA/close 2"},
		{"in pieces", []string{">AL", ">PHA o", ">ne\n", "<BETA x\n"}, "ALPHA", "ALPHA/line orig ALPHA one; ALPHA/line resp BETA x; ALPHA/close 2"},
		{"responder first", []string{"<ALP", ">ALPHA one\n", "<HA two\n"}, "ALPHA", "ALPHA/line orig ALPHA one; ALPHA/line resp ALPHA two; ALPHA/close 2"},
		{"reversed", []string{">ALPHA! one\n", "<ALPHA two\n"}, "ALPHA", "ALPHA/line resp ALPHA! one; ALPHA/line orig ALPHA two; ALPHA/close 2"},
		{"likely", []string{">ALPHA? one\n"}, "ALPHA", "ALPHA/line orig ALPHA? one; ALPHA/close 1"},
		{"unknown", []string{">GAMMA one\n", "<DELTA\n"}, "unknown", ""},
		{"recognised, not read", []string{">MUTE\n", "<x"}, "MUTE", ""},
		{"handover", []string{">ALPHA handover BETA\nBETA in\n", "<BETA out\n"}, "ALPHA", "ALPHA/line orig ALPHA handover BETA; ALPHA/close 1; BETA/line orig BETA in; BETA/line resp BETA out; BETA/close 2"},
		{"handover to whatever follows", []string{">ALPHA anything\n", "<BETA out\n"}, "BETA", "ALPHA/line orig ALPHA anything; ALPHA/close 1; BETA/line resp BETA out; BETA/close 1"},
		{"skip", []string{">ALPHA skip 10\n123", ">4567890ALPHA two\n"}, "ALPHA", "ALPHA/line orig ALPHA skip 10; ALPHA/line orig ALPHA two; ALPHA/close 2"},
		{"gap inside what is skipped", []string{">ALPHA skip 10\n123", ">gap 5", ">90ALPHA two\n"}, "ALPHA", "ALPHA/line orig ALPHA skip 10; ALPHA/line orig ALPHA two; ALPHA/close 2"},
		{"gap", []string{">ALPHA one\nALP", ">gap 5", ">ALPHA two\n"}, "ALPHA", "ALPHA/line orig ALPHA one; ALPHA/gap orig 5; ALPHA/line orig ALPHA two; ALPHA/close 2"},
		{"finish", []string{">ALPHA stop\nALPHA two\n", ">ALPHA three\n"}, "ALPHA", "ALPHA/line orig ALPHA stop; ALPHA/close 1"},
		{"too long", []string{">ALPHA " + strings.Repeat("x", DefaultBuffer)}, "ALPHA", "ALPHA/message_too_long ; ALPHA/close 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, out, e := run(t, true, packet.ProtoTCP, tt.steps...)
			if got := strings.Join(out, "; "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if got := e.set.AppName(s.App); got != tt.app {
				t.Errorf("app %s, want %s", got, tt.app)
			}
		})
	}
}

// TestFault wants an analyzer's panic to be counted and the session to go on
// without it.
func TestFault(t *testing.T) {
	_, out, e := run(t, false, packet.ProtoTCP, ">ALPHA panic\n", ">ALPHA two\n")
	if e.Faults != 1 || !strings.Contains(e.LastFault, "told to") {
		t.Errorf("%d faults, last %q", e.Faults, e.LastFault)
	}
	if got := strings.Join(out, "; "); got != "ALPHA/line orig ALPHA panic" {
		t.Errorf("got %s", got)
	}
}

func TestNewSetRejectsTwins(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("two definitions of one name were accepted")
		}
	}()
	NewSet(lineDefinition("X"), lineDefinition("X"))
}

// FuzzEngine sends arbitrary bytes in arbitrary pieces; whatever they are, the
// engine holds nothing afterwards.
// TestHandoverInCircles has a datagram that its protocol hands over to whatever
// follows, which is the same protocol again.
func TestHandoverInCircles(t *testing.T) {
	_, got, _ := run(t, true, packet.ProtoUDP, ">ALPHA anything\nrest", ">ALPHA two\n")
	want := "ALPHA/line orig ALPHA anything; ALPHA/close 1; ALPHA/line orig ALPHA anything; ALPHA/close 1; ALPHA/line orig ALPHA two; ALPHA/close 1"
	if s := strings.Join(got, "; "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func FuzzEngine(f *testing.F) {
	f.Add([]byte("ALPHA handover \nETAB0"), []byte{0xe8})
	f.Add([]byte("ALPHA one\nBETA"), []byte{5, 3, 200})
	f.Add([]byte("ALPHA handover BETA\nBETA x\n"), []byte{7})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		var steps []string
		for i := 0; len(data) > 0 && i < 200; i++ {
			n, c := len(data), byte(0)
			if i < len(cuts) {
				c = cuts[i]
				n = min(int(c>>2)+1, n)
			}
			dir := ">"
			if c&1 != 0 {
				dir = "<"
			}
			if bytes.Contains(data[:n], []byte("panic")) {
				return
			}
			steps = append(steps, dir+string(data[:n]))
			if c&2 != 0 {
				steps = append(steps, dir+"gap 3")
			}
			data = data[n:]
		}
		for _, proto := range []uint8{packet.ProtoTCP, packet.ProtoUDP} {
			run(t, true, proto, steps...)
		}
	})
}

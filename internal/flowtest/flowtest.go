// Package flowtest tests protocol analyzers with conversations that people can
// read.
//
// A conversation is a text file, testdata/NAME.flow:
//
//	# A comment. The first line that is none names the session.
//	tcp 10.0.0.1:40000 > 10.0.0.2:25
//	< "220 mail ESMTP\r\n"
//	> "EHLO client\r\n"
//	> 16 03 01 00 05  "text and bytes" 00
//	wait 1.5
//	gap < 100
//
// ">" is what the originator sends and "<" what the responder sends: quoted Go
// strings and hexadecimal bytes; a line that ends in a backslash goes on in the
// next. On tcp, several lines of one direction are several segments; on udp each
// line is a datagram. "ip/50 10.0.0.1 > 10.0.0.2" is a session on an IP
// protocol, "sctp" messages.
//
// Golden compares what is read with testdata/NAME.golden; UPDATE=1 in the
// environment writes it. Fuzz feeds an analyzer arbitrary bytes.
package flowtest

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tyto/internal/record"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// start is the time of the first byte of every conversation.
const start = 1_700_000_000_000_000_000

// Step is one event of a conversation.
type Step struct {
	Dir  session.Direction
	Data []byte
	Gap  int   // bytes lost instead of Data
	Wait int64 // ns that pass before
}

// Conversation is a session's tuple and what is sent in it.
type Conversation struct {
	Tuple session.Tuple
	Steps []Step
}

// Parse reads a conversation.
func Parse(text string) (Conversation, error) {
	var c Conversation
	var wait int64
	text = strings.ReplaceAll(text, "\\\n", " ")
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		var err error
		switch {
		case line == "" || line[0] == '#':
			continue
		case c.Tuple == session.Tuple{}:
			c.Tuple, err = parseTuple(line)
		case strings.HasPrefix(line, "wait "):
			var s float64
			s, err = strconv.ParseFloat(strings.TrimSpace(line[5:]), 64)
			wait += int64(s * 1e9)
		case strings.HasPrefix(line, "gap "):
			f := strings.Fields(line)
			if len(f) != 3 {
				return c, fmt.Errorf("line %d: want gap DIRECTION BYTES", i+1)
			}
			st := Step{Wait: wait}
			if f[1] == "<" {
				st.Dir = session.Resp
			}
			st.Gap, err = strconv.Atoi(f[2])
			c.Steps, wait = append(c.Steps, st), 0
		case line[0] == '>' || line[0] == '<':
			st := Step{Wait: wait}
			if line[0] == '<' {
				st.Dir = session.Resp
			}
			st.Data, err = parseBytes(line[1:])
			c.Steps, wait = append(c.Steps, st), 0
		default:
			return c, fmt.Errorf("line %d: not understood: %s", i+1, line)
		}
		if err != nil {
			return c, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if (c.Tuple == session.Tuple{}) {
		return c, fmt.Errorf("no session line")
	}
	return c, nil
}

func parseTuple(line string) (session.Tuple, error) {
	var t session.Tuple
	f := strings.Fields(line)
	if len(f) != 4 || f[2] != ">" {
		return t, fmt.Errorf("want PROTO ADDR > ADDR")
	}
	switch {
	case f[0] == "tcp":
		t.Proto = packet.ProtoTCP
	case f[0] == "udp":
		t.Proto = packet.ProtoUDP
	case f[0] == "sctp":
		t.Proto = packet.ProtoSCTP
	case strings.HasPrefix(f[0], "ip/"):
		n, err := strconv.ParseUint(f[0][3:], 10, 8)
		if err != nil {
			return t, err
		}
		t.Proto = uint8(n)
		a, err := netip.ParseAddr(f[1])
		if err != nil {
			return t, err
		}
		b, err := netip.ParseAddr(f[3])
		if err != nil {
			return t, err
		}
		t.Orig, t.Resp = packet.AddrOf(a), packet.AddrOf(b)
		return t, nil
	default:
		return t, fmt.Errorf("unknown transport %q", f[0])
	}
	a, err := netip.ParseAddrPort(f[1])
	if err != nil {
		return t, err
	}
	b, err := netip.ParseAddrPort(f[3])
	if err != nil {
		return t, err
	}
	t.Orig, t.OrigPort = packet.AddrOf(a.Addr()), a.Port()
	t.Resp, t.RespPort = packet.AddrOf(b.Addr()), b.Port()
	return t, nil
}

func parseBytes(s string) ([]byte, error) {
	var out []byte
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		if s[0] == '"' || s[0] == '`' {
			q, err := strconv.QuotedPrefix(s)
			if err != nil {
				return nil, fmt.Errorf("bad string: %s", s)
			}
			u, err := strconv.Unquote(q)
			if err != nil {
				return nil, err
			}
			out = append(out, u...)
			s = s[len(q):]
			continue
		}
		word := s
		if i := strings.IndexAny(s, " \t\"`"); i >= 0 {
			word = s[:i]
		}
		if len(word)%2 != 0 {
			return nil, fmt.Errorf("odd number of hexadecimal digits: %s", word)
		}
		for i := 0; i < len(word); i += 2 {
			v, err := strconv.ParseUint(word[i:i+2], 16, 8)
			if err != nil {
				return nil, fmt.Errorf("not hexadecimal: %s", word)
			}
			out = append(out, byte(v))
		}
		s = s[len(word):]
	}
	return out, nil
}

// Run reads a conversation with the given protocols and returns a line for each
// record, anomaly and observation, and one for the session. Segments is how TCP
// data is cut: 0 as written in the conversation, n into pieces of n bytes.
func Run(c Conversation, segment int, defs ...protocol.Definition) string {
	s := &sink{}
	var pool session.Pool
	s.engine = protocol.NewEngine(protocol.NewSet(defs...), s, &pool)
	s.engine.Strict = true
	s.set = protocol.NewSet(defs...)
	now := int64(start)
	sess := &session.Session{Tuple: c.Tuple, First: now, Last: now}
	more := true
	for _, st := range c.Steps {
		now += st.Wait + 1_000_000
		sess.Last = now
		dir := st.Dir
		if sess.Flags&session.Flipped != 0 {
			dir = dir.Other()
		}
		if !more {
			break
		}
		if st.Gap > 0 {
			more = s.engine.Gap(sess, dir, st.Gap, now)
			continue
		}
		data := st.Data
		for segment > 0 && len(data) > segment && c.Tuple.Proto == packet.ProtoTCP && more {
			more = s.engine.Data(sess, dir, bytes.Clone(data[:segment]), now)
			data = data[segment:]
			dir = st.Dir
			if sess.Flags&session.Flipped != 0 {
				dir = dir.Other()
			}
		}
		if more {
			more = s.engine.Data(sess, dir, bytes.Clone(data), now)
		}
	}
	s.engine.Close(sess, now)
	s.finish(sess)
	s.engine.Release(sess)
	if n := s.engine.Bytes(); n != 0 {
		fmt.Fprintf(&s.out, "LEAK %d bytes held after the end\n", n)
	}
	return s.out.String()
}

// sink writes everything as text.
type sink struct {
	out    strings.Builder
	enc    record.Encoder
	engine *protocol.Engine
	set    *protocol.Set
}

func (s *sink) Record(f *protocol.Flow, r protocol.Record) {
	s.enc.Buf = s.enc.Buf[:0]
	s.enc.Begin(r.Schema())
	r.Append(&s.enc)
	s.enc.End()
	s.out.Write(s.enc.Buf)
	// The TSV form must work as well.
	tsv := record.Encoder{Format: record.TSV}
	tsv.Begin(r.Schema())
	r.Append(&tsv)
	tsv.End()
	if got, want := strings.Count(string(tsv.Buf), "\t"), len(r.Schema().Fields)-1; got != want && want >= 0 {
		fmt.Fprintf(&s.out, "BAD TSV %q has %d tabs, want %d\n", tsv.Buf, got, want)
	}
}

func (s *sink) Anomaly(f *protocol.Flow, a protocol.Anomaly) {
	fmt.Fprintf(&s.out, "anomaly %s %q (%s)\n", a.Name, a.Detail, a.Source)
}

func (s *sink) Observe(f *protocol.Flow, o protocol.Observation) {
	addr := ""
	if !o.Addr.IsZero() {
		addr = " at " + o.Addr.String()
	}
	fmt.Fprintf(&s.out, "observe %s %q%s (%s)\n", o.Kind, o.Value, addr, o.Source)
}

func (s *sink) finish(sess *session.Session) {
	var services []string
	for _, i := range sess.Services {
		if i > 0 {
			services = append(services, s.set.ServiceName(i))
		}
	}
	fmt.Fprintf(&s.out, "session app=%s service=%s", s.set.AppName(sess.App), strings.Join(services, ","))
	if f := s.engine.Flow(sess); f != nil {
		if name, source := f.Domain(); name != "" {
			fmt.Fprintf(&s.out, " domain=%s (%s)", name, source)
		}
	}
	if sess.Flags&session.Encrypted != 0 {
		fmt.Fprintf(&s.out, " encrypted")
	}
	if sess.Flags&session.Guessed != 0 {
		fmt.Fprintf(&s.out, " guessed")
	}
	if sess.Flags&session.Flipped != 0 {
		fmt.Fprintf(&s.out, " flipped")
	}
	s.out.WriteByte('\n')
}

// Golden reads every testdata/*.flow with the given protocols and compares with
// the .golden file beside it. What is read must be the same when TCP data
// arrives in pieces of one, seven and 100 bytes; only how sure the engine is may
// depend on it, as it asks no more than a few hundred times.
func Golden(t *testing.T, defs ...protocol.Definition) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.flow")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata/*.flow (%v)", err)
	}
	for _, name := range files {
		base := strings.TrimSuffix(filepath.Base(name), ".flow")
		t.Run(base, func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse(string(text))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got := Run(c, 0, defs...)
			for _, n := range []int{1, 7, 100} {
				if again := Run(c, n, defs...); unguessed(again) != unguessed(got) {
					t.Errorf("in pieces of %d bytes it reads differently:\n%s\nwhole:\n%s", n, again, got)
				}
			}
			golden := strings.TrimSuffix(name, ".flow") + ".golden"
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v (UPDATE=1 go test writes it)", err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func unguessed(text string) string { return strings.ReplaceAll(text, " guessed", "") }

// Fuzz feeds arbitrary conversations to the protocols, seeded with
// testdata/*.flow. The input is a run of steps: one byte of direction and gap
// (bit 0: responder, bit 1: gap), two bytes of length, then the bytes.
func Fuzz(f *testing.F, transport uint8, port uint16, defs ...protocol.Definition) {
	f.Helper()
	files, _ := filepath.Glob("testdata/*.flow")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		c, err := Parse(string(text))
		if err != nil {
			f.Fatal(err)
		}
		var seed []byte
		for _, st := range c.Steps {
			n := len(st.Data)
			h := byte(st.Dir)
			if st.Gap > 0 {
				n, h = 0, h|2
			}
			seed = append(seed, h, byte(n>>8), byte(n))
			seed = append(seed, st.Data[:min(n, len(st.Data))]...)
		}
		f.Add(seed)
	}
	tuple, _ := parseTuple("tcp 10.0.0.1:40000 > 10.0.0.2:1")
	tuple.Proto, tuple.RespPort = transport, port
	f.Fuzz(func(t *testing.T, in []byte) {
		c := Conversation{Tuple: tuple}
		for len(in) >= 3 && len(c.Steps) < 512 {
			st := Step{Dir: session.Direction(in[0] & 1)}
			n := int(in[1])<<8 | int(in[2])
			gap := in[0]&2 != 0
			in = in[3:]
			if gap {
				st.Gap = n + 1
			} else {
				n = min(n, len(in))
				st.Data, in = in[:n], in[n:]
			}
			c.Steps = append(c.Steps, st)
		}
		if out := Run(c, 0, defs...); strings.Contains(out, "LEAK") || strings.Contains(out, "BAD TSV") {
			t.Error(out)
		}
	})
}

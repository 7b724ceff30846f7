package lead

import (
	"math/rand/v2"
	"testing"

	"tyto/behavior"
	"tyto/sequence"
	"tyto/session"
)

const ms = int64(1e6)

// talk makes a sequence of messages.
type talk struct {
	sequence.Sequence
	now int64
}

func (t *talk) say(after int64, dir session.Direction, bytes uint32) {
	t.now += after
	t.Messages = append(t.Messages, sequence.Message{Time: t.now, Dir: dir, Bytes: bytes + 24, Content: bytes, Parts: 1})
}

// line lets a side type a line of n keys that the other side echoes, and be
// answered.
func (t *talk) line(r *rand.Rand, dir session.Direction, n int, echo int64) {
	for range n {
		t.say(80*ms+r.Int64N(250*ms), dir, 1)
		t.say(echo, dir.Other(), 1)
	}
	t.say(200*ms, dir, 1)
	t.say(20*ms, dir.Other(), 900)
	t.now += 2000*ms + r.Int64N(4000*ms)
}

func shell(dir session.Direction, rtt, echo int64) *Measure {
	r := rand.New(rand.NewPCG(3, 4))
	t := &talk{Sequence: sequence.Sequence{RTT: rtt}}
	t.say(0, session.Orig, 200)
	t.say(ms, session.Resp, 200)
	for range 12 {
		t.line(r, dir, 10, echo)
	}
	return Of(&t.Sequence, 1000)
}

// TestShell wants the side that types to lead, whoever opened the session and
// however long the way to the other is.
func TestShell(t *testing.T) {
	for _, c := range []struct {
		name      string
		dir       session.Direction
		rtt, echo int64
		want      behavior.Control
	}{
		{"opened forwards", session.Orig, ms, ms, behavior.ControlOrig},
		{"opened backwards", session.Resp, ms, ms, behavior.ControlResp},
		{"backwards, far away", session.Resp, 40 * ms, ms, behavior.ControlResp},
		{"backwards over a satellite", session.Resp, 600 * ms, ms, behavior.ControlResp},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := shell(c.dir, c.rtt, c.echo)
			got, share := m.Control()
			if got != c.want || share < 0.8 {
				t.Errorf("control: got %v with %.2f, want %v", got, share, c.want)
			}
			if m.Keys[c.dir] < 70 || m.Keys[c.dir.Other()] > 8 {
				t.Errorf("keys: got %v, want most of 120 of %v", m.Keys, c.dir)
			}
			if cv := m.Rhythm[c.dir].CV(); cv < 0.2 {
				t.Errorf("rhythm of keys: variation %.2f, want that of fingers", cv)
			}
			if n := len(m.Bursts[c.dir]); n < 10 || n > 30 {
				t.Errorf("bursts: got %d, want about one a line", n)
			}
		})
	}
}

// TestPoll is the benign twin: a server that pushes, and a client that polls at a
// machine's rhythm.
func TestPoll(t *testing.T) {
	push := &talk{Sequence: sequence.Sequence{RTT: ms}}
	poll := &talk{Sequence: sequence.Sequence{RTT: ms}}
	for range 100 {
		push.say(3000*ms, session.Resp, 300)
		push.say(ms, session.Orig, 250)
		poll.say(1000*ms, session.Orig, 12)
		poll.say(ms, session.Resp, 12)
	}
	if m := Of(&push.Sequence, 0); m.Keys[session.Resp] != 0 {
		t.Errorf("push: %d keys of the server, want none", m.Keys[session.Resp])
	}
	if m := Of(&poll.Sequence, 0); m.Rhythm[session.Orig].CV() > 0.05 {
		t.Errorf("poll: variation %.2f, want that of a clock", m.Rhythm[session.Orig].CV())
	}
}

// TestBounds wants bursts bounded and nothing to be told of nothing.
func TestBounds(t *testing.T) {
	long := &talk{}
	for range 4 * MaxBursts {
		long.say(5000*ms, session.Resp, 10)
	}
	if n := len(Of(&long.Sequence, 0).Bursts[session.Resp]); n != MaxBursts {
		t.Errorf("bursts: got %d, want %d", n, MaxBursts)
	}
	if c, _ := Of(&sequence.Sequence{}, 0).Control(); c != behavior.ControlUnknown {
		t.Errorf("control of nothing: got %v", c)
	}
}

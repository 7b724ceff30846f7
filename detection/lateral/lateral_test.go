package lateral

import (
	"testing"

	"tyto/behavior/lead"
	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

const second = int64(1e9)

func host(i byte) packet.Addr { return packet.Addr4([]byte{10, 0, 0, i}) }

var outside = packet.Addr4([]byte{192, 0, 2, 9})

// scene is sessions of a story, by seconds.
type scene struct {
	Detector
	uid uint64
}

// add tells a session; keys are when its leading side typed, for a second each.
func (c *scene) add(from, to packet.Addr, t0, t1 int64, app string, sheet *detection.Sheet, side session.Direction, keys ...int64) {
	c.uid++
	s := detection.Session{UID: session.UID{c.uid, 1}, First: t0 * second, Last: t1 * second, App: app, State: "SF", Sheet: sheet,
		Bytes: [2]uint64{9000, 9000}, Packets: [2]uint64{40, 40}, Home: [2]bool{from != outside, to != outside}}
	s.Tuple = session.Tuple{Orig: from, Resp: to, Proto: packet.ProtoTCP, RespPort: 1}
	if len(keys) > 0 {
		m := &lead.Measure{}
		m.Keys[side], m.Leads[side] = 5*len(keys), 5*len(keys)
		m.Rhythm[side] = lead.Moments{Mean: 2e8, SD: 1e8}
		for _, k := range keys {
			m.Bursts[side] = append(m.Bursts[side], lead.Burst{From: k * second, To: (k + 1) * second})
		}
		s.Lead = m
	}
	c.Session(&s, nil)
}

func service() *detection.Sheet {
	return &detection.Sheet{Calls: []detection.Call{{Interface: "svcctl", Operation: "CreateServiceW"}}}
}

func login() *detection.Sheet { return &detection.Sheet{Authentic: true} }

// path returns the machines of the only finding, and it.
func (c *scene) path(t *testing.T) (*detection.Finding, []string) {
	t.Helper()
	var l detection.Ledger
	c.Finish(&l)
	if len(l.All()) != 1 {
		t.Fatalf("got %d findings, want 1", len(l.All()))
	}
	var hops []string
	for _, h := range l.All()[0].Path {
		hops = append(hops, h.From.String()+">"+h.To.String())
	}
	return l.All()[0], hops
}

// hops are those of the intruder and of the administrator alike: a service is
// made on a second machine, one on a third from there, and a login follows.
func (c *scene) hops() {
	c.add(host(1), host(2), 62, 66, "smb", service(), 0)
	c.add(host(2), host(3), 100, 104, "smb", service(), 0)
	c.add(host(1), host(4), 152, 190, "ssh", login(), session.Orig, 155, 160)
}

// TestIntruder wants the path from who leads outside over the pivot to the last
// machine, and who leads to be named.
func TestIntruder(t *testing.T) {
	c := &scene{}
	c.hops()
	c.add(host(1), outside, 10, 300, "tls", nil, session.Resp, 20, 40, 60, 90, 150, 220)
	f, hops := c.path(t)
	want := []string{"10.0.0.1>10.0.0.2", "10.0.0.2>10.0.0.3", "10.0.0.1>10.0.0.4"}
	if len(hops) != 4 || hops[0] != "192.0.2.9>10.0.0.1" || hops[1] != want[0] || hops[2] != want[1] || hops[3] != want[2] {
		t.Errorf("path: got %v, want from outside and %v", hops, want)
	}
	if !f.Controls || f.Outside.Addr != outside || f.Outcome != detection.Attack {
		t.Errorf("got led by %v (%v), %v; want %v, attack", f.Outside, f.Controls, f.Outcome, outside)
	}
	if f.Score() < 3 {
		t.Errorf("score: got %.1f, want at least 3", f.Score())
	}
}

// TestAdministrator is the benign twin: he logged in, and makes the same hops.
func TestAdministrator(t *testing.T) {
	c := &scene{}
	c.hops()
	c.add(outside, host(1), 10, 300, "ssh", login(), session.Orig, 20, 40, 60, 90, 150, 220)
	f, hops := c.path(t)
	if f.Outcome != detection.Benign || f.Controls || f.Score() > 0 {
		t.Errorf("got %v with %.1f, led from outside: %v; want a benign trigger with less than 0", f.Outcome, f.Score(), f.Controls)
	}
	if len(hops) != 4 || len(f.Explains) < 4 {
		t.Errorf("got %d hops and %d sessions explained, want 4 and at least 4", len(hops), len(f.Explains))
	}
}

// TestUnrelated wants what happens while a leader types something else, and
// before he came, not to be his.
func TestUnrelated(t *testing.T) {
	c := &scene{}
	c.add(host(1), host(2), 5, 9, "smb", service(), 0)
	c.add(host(1), outside, 10, 300, "tls", nil, session.Resp, 20, 40, 60)
	f, hops := c.path(t)
	if f.Controls || len(hops) != 1 {
		t.Errorf("a hop before the session: got %v, led from outside: %v", hops, f.Controls)
	}
}

// TestChance wants a coincidence to say less the more of the time the leader acts.
func TestChance(t *testing.T) {
	var sparse, dense []lead.Burst
	for i := range int64(3) {
		sparse = append(sparse, lead.Burst{From: i * 100 * second, To: (i*100 + 1) * second})
	}
	for i := range int64(100) {
		dense = append(dense, lead.Burst{From: i * 3 * second, To: (i*3 + 1) * second})
	}
	a, b := actsOf(sparse, 0, 300*second), actsOf(dense, 0, 300*second)
	la, _, _ := a.follows(101*second + second/2)
	lb, _, _ := b.follows(100*second + second/2)
	if la < 2 || lb > la/2 {
		t.Errorf("half a second after one burst of three: %.2f; of a hundred: %.2f", la, lb)
	}
	if typing, _, _ := b.follows(99*second + second/2); typing > -1 {
		t.Errorf("while the leader types: got %.2f, want below -1", typing)
	}
	if _, _, ok := a.follows(400 * second); ok {
		t.Error("after the session ended something follows from it")
	}
}

// TestLate wants a hop that comes late after its leader acted to be his all the
// same: nobody else works at the machine.
func TestLate(t *testing.T) {
	c := &scene{}
	c.add(host(1), host(2), 85, 89, "smb", service(), 0)
	c.add(outside, host(1), 10, 300, "ssh", login(), session.Orig, 20, 40, 60, 150, 220)
	f, _ := c.path(t)
	if f.Outcome != detection.Benign || len(f.Explains) < 2 {
		t.Errorf("got %v with %d sessions explained, want a benign trigger with 2", f.Outcome, len(f.Explains))
	}
}

package lateral

import (
	"testing"

	"tyto/behavior/lead"
	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// checkIns lets a machine come back to outside every ten minutes, a second each.
func (c *scene) checkIns(at packet.Addr, n int) {
	for i := range n {
		t := int64(i) * 600
		c.add(at, outside, t, t+1, "tls", nil, session.Orig)
	}
}

func (c *scene) findings() []*detection.Finding {
	var l detection.Ledger
	c.Finish(&l)
	return l.All()
}

// TestCheckIns wants hops that begin just after check-ins to be led by whoever is
// asked there; hops at any other time not, and not where many come back to him.
func TestCheckIns(t *testing.T) {
	for _, v := range []struct {
		name   string
		after  int64
		others int
		want   bool
	}{{"after check-ins", 2, 0, true}, {"in between", 250, 0, false}, {"to everybody's server", 2, 12, false}} {
		t.Run(v.name, func(t *testing.T) {
			c := &scene{}
			c.checkIns(host(1), 30)
			for i := range v.others {
				c.checkIns(host(byte(100+i)), 2)
			}
			c.add(host(1), host(2), 6001+v.after, 6010+v.after, "smb", service(), session.Orig)
			c.add(host(1), host(3), 9001+v.after, 9010+v.after, "smb", service(), session.Orig)
			led := false
			for _, f := range c.findings() {
				led = led || f.Controls && f.Outside.Addr == outside
			}
			if led != v.want {
				t.Errorf("led from outside: got %v, want %v", led, v.want)
			}
		})
	}
}

// TestOneLeader wants what one leader does on two machines to be one path, also
// where he leads the second through the first.
func TestOneLeader(t *testing.T) {
	for _, through := range []bool{false, true} {
		c := &scene{}
		far := outside
		if through {
			far = host(1)
		}
		c.add(host(1), host(2), 62, 66, "smb", service(), session.Orig)
		c.add(host(2), host(3), 4000, 4010, "smb", service(), session.Orig)
		c.add(host(1), outside, 10, 300, "tls", nil, session.Resp, 20, 40, 60, 90, 150, 220)
		c.add(host(2), far, 3900, 4100, "unknown", nil, session.Resp, 3920, 3940, 3960, 3998, 4050)
		list := c.findings()
		if len(list) != 1 {
			t.Fatalf("through the first: %v: got %d findings, want one", through, len(list))
		}
		if f := list[0]; len(f.Hosts) != 3 || f.Outside.Addr != outside || !f.Controls {
			t.Errorf("through the first: %v: got %v, led by %v", through, f.Hosts, f.Outside)
		}
	}
}

// TestAgain wants Finish to tell the same again, and what is old to be forgotten.
func TestAgain(t *testing.T) {
	c := &scene{}
	c.hops()
	c.add(host(1), outside, 10, 300, "tls", nil, session.Resp, 20, 40, 60, 90, 150, 220)
	one := c.findings()
	two := c.findings()
	if len(one) != 1 || len(two) != 1 || one[0].Score() != two[0].Score() || len(one[0].Path) != len(two[0].Path) {
		t.Fatalf("got %d and then %d findings", len(one), len(two))
	}
	later := 300 + Horizon/second + 10
	c.add(host(8), host(9), later, later+1, "dns", nil, session.Orig)
	if list := c.findings(); len(list) != 0 || len(c.accesses)+len(c.controls)+len(c.contacts.pairs) != 0 {
		t.Errorf("after the horizon: %d findings, %d accesses, %d controls", len(list), len(c.accesses), len(c.controls))
	}
}

// TestMayLead wants somebody whose session shows only that he acted to be found to
// lead by what follows: hops just after he did. A server that pushes is the twin.
func TestMayLead(t *testing.T) {
	for _, follows := range []bool{true, false} {
		c := &scene{}
		c.add(host(1), outside, 10, 900, "tls", nil, session.Resp, 200, 500)
		c.controls = nil // as if keys and lines were too few
		s := &c.possible
		*s = append(*s, &control{at: host(1), leader: detection.Party{Addr: outside}, first: 10 * second, last: 900 * second, reverse: true, weak: true,
			acts: actsOf([]lead.Burst{{From: 200 * second, To: 201 * second}, {From: 500 * second, To: 501 * second}}, 10*second, 900*second)})
		at := int64(202)
		if !follows {
			at = 380
		}
		c.add(host(1), host(2), at, at+4, "smb", service(), session.Orig)
		led := false
		for _, f := range c.findings() {
			led = led || f.Controls
		}
		if led != follows {
			t.Errorf("a hop at %d s: led from outside: got %v, want %v", at, led, follows)
		}
	}
}

// TestRound wants a tool that does the same on many machines to be one finding that
// weighs less than the same on two.
func TestRound(t *testing.T) {
	scores := make(map[int]float64)
	for _, n := range []int{2, 20} {
		c := &scene{}
		for i := range n {
			at := int64(100 + 20*i)
			c.add(host(200), host(byte(1+i)), at, at+4, "smb", service(), session.Orig)
		}
		list := c.findings()
		if len(list) != 1 {
			t.Fatalf("%d machines: got %d findings, want one", n, len(list))
		}
		scores[n] = list[0].Score()
	}
	if scores[20] > scores[2]-2 {
		t.Errorf("on 2 machines %.1f, on 20 %.1f: want two nats less", scores[2], scores[20])
	}
}

package beacon

import (
	"math/rand/v2"
	"testing"

	"tyto/behavior"
	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

type scene struct {
	*Detector
	r   *rand.Rand
	uid uint64
}

func (c *scene) contact(from, to byte, domain, app, flaw string, at float64, up, down uint64) {
	c.uid++
	s := &detection.Session{UID: session.UID{c.uid, 1}, First: int64(at * 1e9), Last: int64(at*1e9) + 1e8, App: app, Domain: domain, State: "SF",
		Bytes: [2]uint64{up, down}, Packets: [2]uint64{5, 5}, Home: [2]bool{true, false}, Sheet: &detection.Sheet{Flaw: flaw}}
	s.Tuple = session.Tuple{Orig: packet.Addr4([]byte{10, 0, 0, from}), Resp: packet.Addr4([]byte{192, 0, 2, to}), RespPort: 443, Proto: 6}
	c.Session(s, nil)
}

// others are devices that browse.
func (c *scene) others() {
	for from := byte(10); from < 18; from++ {
		for range 30 {
			c.contact(from, 50+from, "news.example", "tls", "", 3600*c.r.Float64(), uint64(500+c.r.IntN(9000)), uint64(900+c.r.IntN(90000)))
		}
	}
}

// rhythm comes back every period seconds with a jitter.
func (c *scene) rhythm(from, to byte, domain, flaw string, period, jitter float64, tasks bool) {
	at := 1.0
	for i := range 60 {
		down := uint64(300)
		if tasks && i%20 == 7 {
			down = 9000
		}
		c.contact(from, to, domain, "tls", flaw, at, 700, down)
		at += period * (1 - jitter*c.r.Float64())
	}
}

// TestBeacon wants an agent to weigh more than any telemetry, and telemetry that
// many devices send not to be told.
func TestBeacon(t *testing.T) {
	for _, c := range []struct {
		name        string
		fill        func(c *scene)
		least, most float64
	}{
		{"agent, half jitter, given work", func(c *scene) { c.rhythm(1, 9, "", "self-signed", 60, 0.5, true) }, 4.5, 12},
		{"agent by name, given work", func(c *scene) { c.rhythm(1, 9, "cdn-sync.example", "", 60, 0.3, true) }, 2, 12},
		{"four places watched at one pace", func(c *scene) {
			for to := byte(30); to < 34; to++ {
				c.rhythm(1, to, "", "", 60, 0, false)
			}
		}, 0, 8}, // of four findings together
		{"telemetry of one device", func(c *scene) { c.rhythm(1, 9, "telemetry.example", "", 300, 0.02, false) }, 0, 3},
		{"telemetry of all", func(c *scene) {
			for from := byte(1); from < 9; from++ {
				c.rhythm(from, 9, "telemetry.example", "", 300, 0.02, false)
			}
		}, 0, 0},
		{"browsing", func(*scene) {}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &scene{Detector: New().(*Detector), r: rand.New(rand.NewPCG(1, 2))}
			s.others()
			c.fill(s)
			var l detection.Ledger
			s.Finish(&l)
			score := 0.0
			for _, f := range l.All() {
				score += f.Score()
			}
			if score < c.least || score > c.most {
				t.Errorf("got %.1f, want %.1f to %.1f", score, c.least, c.most)
			}
		})
	}
}

// TestModel wants what the model hears to count where there is no rhythm yet.
func TestModel(t *testing.T) {
	s := &scene{Detector: New().(*Detector), r: rand.New(rand.NewPCG(1, 2))}
	s.others()
	x := &detection.Session{UID: session.UID{9, 9}, First: 1e9, Last: 90e9, App: "tls", State: "SF", Bytes: [2]uint64{900, 900}, Packets: [2]uint64{50, 50}, Home: [2]bool{true, false},
		Heard: behavior.Heard{Labels: []behavior.Label{{Name: "tasked-beacon", P: 0.99}}}}
	x.Tuple = session.Tuple{Orig: packet.Addr4([]byte{10, 0, 0, 1}), Resp: packet.Addr4([]byte{192, 0, 2, 1}), RespPort: 8443, Proto: 6}
	s.Session(x, nil)
	var l detection.Ledger
	s.Finish(&l)
	if len(l.All()) != 1 || l.All()[0].Score() < 3 || !l.All()[0].Has("model") || l.All()[0].Has("rhythm") {
		t.Errorf("got %d findings, want one by what is heard alone", len(l.All()))
	}
}

// TestOdd wants a server that nobody vouches for told after one contact, and a
// person's own server under such a name not.
func TestOdd(t *testing.T) {
	for _, c := range []struct {
		name, flaw string
		want       int
	}{{"sync.duckdns.org", "self-signed", 1}, {"home.duckdns.org", "", 0}, {"www.example.com", "self-signed", 0}} {
		s := &scene{Detector: New().(*Detector), r: rand.New(rand.NewPCG(1, 2))}
		s.contact(1, 9, c.name, "tls", c.flaw, 5, 900, 900)
		var l detection.Ledger
		s.Finish(&l)
		if len(l.All()) != c.want {
			t.Errorf("%s, certificate %q: got %d findings, want %d", c.name, c.flaw, len(l.All()), c.want)
		}
	}
}

// TestForget wants a beacon found although the site has more destinations than are
// kept.
func TestForget(t *testing.T) {
	s := &scene{Detector: New().(*Detector), r: rand.New(rand.NewPCG(1, 2))}
	s.others()
	s.rhythm(1, 9, "", "self-signed", 60, 0.5, true)
	for i := range maxSeries + 10 {
		s.uid++
		x := &detection.Session{UID: session.UID{s.uid, 1}, First: int64(i) * 1e9, Last: int64(i) * 1e9, App: "tls", State: "SF", Bytes: [2]uint64{900, 900}, Packets: [2]uint64{5, 5}, Home: [2]bool{true, false}}
		x.Tuple = session.Tuple{Orig: packet.Addr4([]byte{10, 0, 0, byte(i)}), Resp: packet.Addr4([]byte{198, 51, byte(i >> 8), byte(i)}), RespPort: 443, Proto: 6}
		s.Session(x, nil)
	}
	if len(s.all) > maxSeries || len(s.order) != len(s.all) || s.dropped == 0 {
		t.Errorf("got %d series, %d in order, %d forgotten", len(s.all), len(s.order), s.dropped)
	}
	var l detection.Ledger
	s.Finish(&l)
	if len(l.All()) != 1 || l.All()[0].Score() < -detection.Prior {
		t.Errorf("got %d findings, want the beacon", len(l.All()))
	}
}

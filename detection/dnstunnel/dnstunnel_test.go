package dnstunnel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// TestTunnel holds tunnels against lookups that look alike.
func TestTunnel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	letters := func(set string, n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = set[r.IntN(len(set))]
		}
		return string(b)
	}
	const base32, hexadecimal = "abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdef"
	for _, c := range []struct {
		name  string
		query func(i int) detection.Query
		alert bool
	}{
		{"base 32 in TXT", func(int) detection.Query {
			return detection.Query{Name: letters(base32, 50) + ".t.example.com", Type: "TXT", Answer: 200}
		}, true},
		{"hexadecimal in addresses", func(int) detection.Query {
			return detection.Query{Name: letters(hexadecimal, 60) + ".x.example.com", Type: "A", Answer: 90}
		}, true},
		{"content network", func(i int) detection.Query {
			return detection.Query{Name: fmt.Sprintf("img%d.cdn.example.net", i%40), Type: "A", Answer: 90}
		}, false},
		{"block list", func(i int) detection.Query {
			return detection.Query{Name: fmt.Sprintf("%d.%d.0.10.bl.example.org", i%200, i/200), Type: "A", Missing: true, Answer: 100}
		}, false},
		{"hashes of files", func(i int) detection.Query {
			return detection.Query{Name: letters(hexadecimal, 12) + ".av.example.org", Type: "A", Missing: i%10 != 0, Answer: 90}
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &detection.Session{UID: session.UID{1, 2}, First: 1, Last: 9e9, App: "dns", Home: [2]bool{true, true}, Sheet: &detection.Sheet{}}
			s.Tuple = session.Tuple{Orig: packet.Addr4([]byte{10, 0, 0, 1}), Resp: packet.Addr4([]byte{10, 0, 0, 2})}
			for i := range 400 {
				q := c.query(i)
				q.At = int64(i) * 1e8
				s.Sheet.Query(q)
			}
			var l detection.Ledger
			New().Session(s, &l)
			score := 0.0
			for _, f := range l.All() {
				score += f.Score()
			}
			if got := detection.P(score) > 0.5; got != c.alert {
				t.Errorf("got %.1f (alert: %v), want alert: %v", score, got, c.alert)
			}
		})
	}
}

// TestShared wants lookups that many clients make told less of than those of one.
func TestShared(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 2))
	score := func(clients int) float64 {
		d, worst := New(), 0.0
		var l detection.Ledger
		for k := range clients {
			s := &detection.Session{UID: session.UID{1, uint64(k)}, First: 1, Last: 9e9, App: "dns", Home: [2]bool{true, true}, Sheet: &detection.Sheet{}}
			s.Tuple = session.Tuple{Orig: packet.Addr4([]byte{10, 0, 0, byte(k)}), Resp: packet.Addr4([]byte{10, 0, 1, 2})}
			for i := range 200 {
				s.Sheet.Query(detection.Query{At: int64(i), Name: fmt.Sprintf("%016x%016x.av.example.org", r.Uint64(), r.Uint64()), Type: "A", Answer: 90})
			}
			d.Session(s, &l)
		}
		d.Finish(&l)
		for _, f := range l.All() {
			worst = max(worst, f.Score())
		}
		return worst
	}
	if one, ten := score(1), score(10); one < -detection.Prior || ten > one-3 {
		t.Errorf("got %.1f of one client, %.1f of ten; want an alert, and at least 3 less", one, ten)
	}
}

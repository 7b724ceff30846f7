package dga

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// TestNames holds a client that computes names against what looks alike.
func TestNames(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	letters := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + r.IntN(26))
		}
		return string(b)
	}
	advertisers := make([]string, 30)
	for i := range advertisers {
		advertisers[i] = letters(14) + ".com"
	}
	words := []string{"river", "market", "green", "studio", "north", "paper", "cloud", "garden", "silver", "coffee"}
	for _, c := range []struct {
		name       string
		clients, n int
		query      func(i int) detection.Query
		alert      bool
		outside    string
	}{
		{"names of letters", 1, 40, func(int) detection.Query { return detection.Query{Name: letters(16) + ".net", Missing: true} }, true, ""},
		{"twelve, and one that exists", 1, 13, func(i int) detection.Query {
			if i == 12 {
				return detection.Query{Name: "xkqjzvwprtbdhg.net"}
			}
			return detection.Query{Name: letters(16) + ".net", Missing: true}
		}, true, "xkqjzvwprtbdhg.net"},
		{"mistyped names", 1, 12, func(i int) detection.Query {
			return detection.Query{Name: words[i%10] + words[i/2] + "x.com", Missing: true}
		}, false, ""},
		{"filtered advertisers", 12, 30, func(i int) detection.Query { return detection.Query{Name: advertisers[i%30], Missing: true} }, false, ""},
		{"browsers' probes", 1, 60, func(int) detection.Query { return detection.Query{Name: letters(12), Missing: true} }, false, ""},
		{"senders of mail", 1, 250, func(i int) detection.Query {
			if i%12 == 0 {
				return detection.Query{Name: letters(9) + ".com", Missing: true}
			}
			return detection.Query{Name: fmt.Sprintf("%s%s%d.com", words[i%10], words[i/10%10], i), Missing: true}
		}, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l detection.Ledger
			d := New()
			for k := range c.clients {
				s := &detection.Session{UID: session.UID{1, uint64(k)}, First: 1, Last: 9e9, App: "dns", Home: [2]bool{true, true}, Sheet: &detection.Sheet{}}
				s.Tuple = session.Tuple{Orig: packet.Addr4([]byte{10, 0, 0, byte(1 + k)}), Resp: packet.Addr4([]byte{10, 0, 0, 250})}
				for i := range c.n {
					q := c.query(i)
					q.At = int64(i) * 1e9
					s.Sheet.Query(q)
				}
				d.Session(s, &l)
			}
			d.Finish(&l)
			alerts, outside := 0, ""
			for _, f := range l.All() {
				if detection.P(f.Score()) > 0.5 {
					alerts++
					outside = f.Outside.Domain
				}
			}
			if (alerts > 0) != c.alert || outside != c.outside {
				t.Errorf("got %d alerts about %q, want alert: %v about %q", alerts, outside, c.alert, c.outside)
			}
		})
	}
}

package exfil

import (
	"testing"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

var pivot, server, store = packet.Addr4([]byte{10, 0, 0, 9}), packet.Addr4([]byte{10, 0, 0, 1}), packet.Addr4([]byte{192, 0, 2, 1})

func moved(from, to packet.Addr, t0 int64, out, in uint64, app string) *detection.Session {
	s := &detection.Session{UID: session.UID{uint64(t0), 1}, First: t0 * 1e9, Last: (t0 + 5) * 1e9, App: app, State: "SF", Bytes: [2]uint64{out, in}, Packets: [2]uint64{9, 9}, Home: [2]bool{true, to != store}}
	s.Tuple = session.Tuple{Orig: from, Resp: to, Proto: 6, RespPort: 443}
	return s
}

// TestExfiltration holds what was fetched and sent on against a backup that many
// make, and against reading.
func TestExfiltration(t *testing.T) {
	var backup []*detection.Session
	for i := range byte(12) {
		s := moved(packet.Addr4([]byte{10, 0, 0, 20 + i}), store, int64(i), 5_000_000, 4000, "tls")
		s.Domain = "backup.example"
		backup = append(backup, s)
	}
	for _, c := range []struct {
		name        string
		list        []*detection.Session
		least, most float64 // of the latest
	}{
		{"fetched and sent on", []*detection.Session{moved(pivot, server, 1, 3000, 900_000, "ssh"), moved(pivot, store, 60, 910_000, 5000, "tls")}, 2.5, 6},
		{"100 MB", []*detection.Session{moved(pivot, store, 60, 100_000_000, 5000, "tls")}, 2.5, 6},
		{"everybody's backup", backup, -9, 0.5},
		{"reading", []*detection.Session{moved(pivot, store, 60, 5000, 900_000, "tls")}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l detection.Ledger
			d := New()
			for _, s := range c.list {
				d.Session(s, &l)
			}
			score := 0.0
			if n := len(l.All()); n > 0 {
				score = l.All()[n-1].Score()
			}
			if score < c.least || score > c.most {
				t.Errorf("got %.1f, want %.1f to %.1f", score, c.least, c.most)
			}
		})
	}
}

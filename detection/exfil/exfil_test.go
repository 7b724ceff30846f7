package exfil

import (
	"testing"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// store is outside, as is 198.51.100.
var pivot, server, store = packet.Addr4([]byte{10, 0, 0, 9}), packet.Addr4([]byte{10, 0, 0, 1}), packet.Addr4([]byte{192, 0, 2, 1})

func moved(from, to packet.Addr, t0 int64, out, in uint64, app string) *detection.Session {
	s := &detection.Session{UID: session.UID{uint64(t0), 1}, First: t0 * 1e9, Last: (t0 + 5) * 1e9, App: app, State: "SF", Bytes: [2]uint64{out, in}, Packets: [2]uint64{9, 9}, Home: [2]bool{true, to == server || to == pivot}}
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

// TestStaged wants what was fetched hours ago and leaves in parts told as one.
func TestStaged(t *testing.T) {
	var l detection.Ledger
	d := New()
	d.Session(moved(pivot, server, 1, 3000, 90_000_000, "smb"), &l)
	for i := range int64(10) {
		d.Session(moved(pivot, store, 9000+600*i, 5_000_000, 4000, "tls"), &l)
	}
	if f := l.All()[0]; !f.Has("staged") || f.Score() < 4 {
		t.Errorf("got %.1f, staged: %v", f.Score(), f.Has("staged"))
	}
}

// TestHabits holds the same upload against what the device did on days before, and
// against where others go.
func TestHabits(t *testing.T) {
	const day = 86400
	for _, c := range []struct {
		name        string
		before      uint64 // bytes sent there on each of five days
		visitors    byte
		least, most float64
	}{
		{"never before, and nobody else", 0, 0, 5, 9},
		{"each day", 60_000_000, 0, -9, 3},
		{"where many go", 0, 40, 0, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l detection.Ledger
			d := New()
			send := func(from packet.Addr, to packet.Addr, at int64, out uint64) {
				s := moved(from, to, at, out, 9000, "tls")
				d.Session(s, &l)
			}
			for i := range byte(30) {
				send(packet.Addr4([]byte{10, 0, 0, 100 + i}), packet.Addr4([]byte{198, 51, 100, i}), day, 5000)
			}
			for i := range c.visitors {
				send(packet.Addr4([]byte{10, 0, 0, 100 + i}), store, day, 5000)
			}
			for i := range int64(5) {
				send(pivot, packet.Addr4([]byte{198, 51, 100, 1}), (1+i)*day, 200_000)
				if c.before > 0 {
					send(pivot, store, (1+i)*day, c.before)
				}
			}
			send(pivot, store, 6*day+3600, 60_000_000)
			got := 0.0
			for _, f := range l.All() {
				if f.Key == pivot.String()+">"+store.String() {
					got = f.Score()
				}
			}
			if got < c.least || got > c.most {
				t.Errorf("got %.1f, want %.1f to %.1f", got, c.least, c.most)
			}
		})
	}
}

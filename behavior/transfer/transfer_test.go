package transfer

import (
	"testing"

	"tyto/packet"
)

var pivot, db, outside = packet.Addr4([]byte{10, 0, 0, 9}), packet.Addr4([]byte{10, 0, 0, 1}), packet.Addr4([]byte{192, 0, 2, 1})

const minute = int64(60e9)

// TestStaging wants what came from inside and left to be told together, and what
// has another size, or came long before, not to be.
func TestStaging(t *testing.T) {
	for _, c := range []struct {
		name   string
		inside uint64
		out    uint64
		after  int64
		want   bool
	}{
		{"as much, at once", 300_000, 305_000, minute, true},
		{"compressed", 1_000_000, 300_000, minute, true},
		{"much more", 300_000, 3_000_000, minute, false},
		{"much less", 3_000_000, 30_000, minute, false},
		{"long after", 300_000, 300_000, 3 * Before, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var table Table
			table.Add(&Flow{First: 1, Last: minute, From: pivot, To: db, In: c.inside, Inside: true})
			u := table.Add(&Flow{First: minute + c.after, Last: 2*minute + c.after, From: pivot, To: outside, Group: "store", Out: c.out, In: 4000})
			if got := u.Conserved(); got != c.want {
				t.Errorf("staged %d, sent %d: got %v, want %v", u.Staged, u.Out, got, c.want)
			}
			if c.want && u.StagedFrom != db {
				t.Errorf("staged from %v, want %v", u.StagedFrom, db)
			}
		})
	}
}

// TestRatio is one who sends beside one who reads.
func TestRatio(t *testing.T) {
	var table Table
	u := table.Add(&Flow{From: pivot, To: outside, Group: "a", Out: 990, In: 10})
	if got := u.Ratio(); got != 0.98 {
		t.Errorf("sender: got %.2f, want 0.98", got)
	}
	u = table.Add(&Flow{From: pivot, To: outside, Group: "b", Out: 10, In: 990})
	if got := u.Ratio(); got != -0.98 {
		t.Errorf("reader: got %.2f, want -0.98", got)
	}
}

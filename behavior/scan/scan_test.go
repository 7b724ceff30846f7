package scan

import (
	"testing"

	"tyto/packet"
)

func addr(i int) packet.Addr { return packet.Addr4([]byte{10, 0, byte(i >> 8), byte(i)}) }

// TestHorizontal wants addresses counted once, and those that spoke taken out of
// what was in vain.
func TestHorizontal(t *testing.T) {
	var table Table
	var got *Count
	for round := range 2 {
		for i := range 50 {
			if h, _ := table.Add(Try{At: int64(i + 1), From: addr(1), To: addr(100 + i), Port: 445, Failed: round == 0}); h != nil {
				got = h
			}
		}
	}
	if got.Distinct != 50 || got.Vain != 0 || got.Kind != Horizontal {
		t.Errorf("got %+v, want 50 addresses, none in vain", *got)
	}
}

// TestVertical is the ports of one address.
func TestVertical(t *testing.T) {
	var table Table
	var got *Count
	for port := range 100 {
		_, got = table.Add(Try{At: 1, From: addr(1), To: addr(2), Port: uint16(port), Failed: port%10 != 0})
	}
	if got.Distinct != 100 || got.Share() != 0.9 {
		t.Errorf("got %+v, want 100 ports, 90 in vain", *got)
	}
}

// TestClient is the benign twin: one that uses many servers reaches them.
func TestClient(t *testing.T) {
	var table Table
	var got *Count
	for i := range 200 {
		got, _ = table.Add(Try{At: int64(i), From: addr(1), To: addr(i + 10), Port: 443})
	}
	if got.Share() != 0 {
		t.Errorf("share in vain: got %.2f, want 0", got.Share())
	}
}

// TestExpiry wants what is long ago forgotten.
func TestExpiry(t *testing.T) {
	var table Table
	table.Add(Try{At: 1, From: addr(1), To: addr(2), Port: 1, Failed: true})
	h, _ := table.Add(Try{At: 3 * Window, From: addr(1), To: addr(3), Port: 1, Failed: true})
	if h.Distinct != 1 {
		t.Errorf("addresses after two windows of silence: got %d, want 1", h.Distinct)
	}
}

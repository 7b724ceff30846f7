package stun

import (
	"encoding/hex"
	"testing"
)

// The XOR-mapped addresses of RFC 5769 sections 2.2 and 2.3.
func TestAddress(t *testing.T) {
	id, _ := hex.DecodeString("b7e7a701bc34d686fa87dfae")
	for value, want := range map[string]string{
		"0001a147e112a643":                         "192.0.2.1:32853",
		"0002a1470113a9faa5d3f179bc25f4b5bed2b9d9": "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
		"0003a147e112a643":                         "invalid AddrPort",
		"0001a147e1":                               "invalid AddrPort",
	} {
		v, _ := hex.DecodeString(value)
		if got := address(v, true, id).String(); got != want {
			t.Errorf("%s: got %s, want %s", value, got, want)
		}
	}
}

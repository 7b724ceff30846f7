package c37118

import "testing"

// The check value of CRC-16 with polynomial 1021 and initial value ffff.
func TestChecksum(t *testing.T) {
	if got, want := checksum([]byte("123456789")), uint16(0x29b1); got != want {
		t.Errorf("got %04x, want %04x", got, want)
	}
}

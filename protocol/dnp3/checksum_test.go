package dnp3

import "testing"

// The check value of CRC-16/DNP, from the catalogue of parametrised CRC
// algorithms.
func TestChecksum(t *testing.T) {
	if got, want := checksum([]byte("123456789")), uint16(0xea82); got != want {
		t.Errorf("got %04x, want %04x", got, want)
	}
}

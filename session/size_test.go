package session

import (
	"testing"
	"unsafe"
)

func TestSessionBytes(t *testing.T) {
	if got := unsafe.Sizeof(Session{}); got != sessionBytes {
		t.Errorf("Session has %d bytes; sessionBytes says %d", got, sessionBytes)
	}
}

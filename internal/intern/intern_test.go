package intern

import (
	"strconv"
	"testing"
	"unsafe"
)

func TestStrings(t *testing.T) {
	var table Strings
	text := []byte("www.example.org")
	first := table.Bytes(text)
	text[0] = 'x'
	if first != "www.example.org" || table.Bytes([]byte("www.example.org")) != first {
		t.Errorf("got %q", first)
	}
	if again := table.Clone("www." + string([]byte("example.org"))); unsafe.StringData(again) != unsafe.StringData(first) {
		t.Error("the same string was kept twice")
	}
	for i := range 10 * slots {
		want := strconv.Itoa(i)
		if got := table.Bytes([]byte(want)); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		if got := table.Clone(want); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { table.Bytes(text) }); n != 0 {
		t.Errorf("%v allocations for a string that is known", n)
	}
}

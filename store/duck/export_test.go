//go:build cgo && (linux || darwin || (windows && amd64))

package duck

import (
	"strings"
	"testing"

	"tyto/store"
)

// Exec changes the day files of a store in ways that its methods do not;
// $DAY is each file's name.
func Exec(t *testing.T, dir, text string) {
	t.Helper()
	ks, err := store.NewKinds()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, ks, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range s.parts {
		if err := s.attach(s.write, p, writable); err != nil {
			t.Fatal(err)
		}
		if err := s.write.exec(strings.ReplaceAll(text, "$DAY", quote(name))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

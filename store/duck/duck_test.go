//go:build cgo && (linux || darwin || (windows && amd64))

package duck_test

import (
	"testing"

	"tyto/store"
	"tyto/store/duck"
	"tyto/store/storetest"
)

func open(t testing.TB, dir string, ks *store.Kinds, o duck.Options) *duck.Store {
	t.Helper()
	s, err := duck.Open(dir, ks, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T, dir string, ks *store.Kinds) store.Store {
		return open(t, dir, ks, duck.Options{Memory: 128 << 20})
	})
}

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestUpToDate holds that the assembly of nn/kernel is what this program writes.
func TestUpToDate(t *testing.T) {
	for _, isa := range []string{"avx2", "avx512"} {
		source, stubs := filepath.Join(t.TempDir(), "out.s"), filepath.Join(t.TempDir(), "out.go")
		out, err := exec.Command("go", "run", ".", "-isa", isa, "-out", source, "-stubs", stubs, "-pkg", "kernel").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for made, checkedIn := range map[string]string{source: isa + "_amd64.s", stubs: isa + "_amd64.go"} {
			if !bytes.Equal(body(t, made), body(t, filepath.Join("../../nn/kernel", checkedIn))) {
				t.Errorf("nn/kernel/%s is not what this program writes: run go generate ./nn/kernel", checkedIn)
			}
		}
	}
}

// body returns a file without its first line, which holds the command.
func body(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	_, b, _ = bytes.Cut(b, []byte("\n"))
	return b
}

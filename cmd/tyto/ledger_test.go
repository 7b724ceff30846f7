package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tyto/sensor"
)

// TestLedger claims captures for a store: new ones are stored, those it has are
// not, and what would be there twice is refused unless it is wanted.
func TestLedger(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	large := bytes.Repeat([]byte("packets "), 1<<19) // 4 MiB
	a := file("a.pcap", large)
	large[len(large)-1]++ // in its last packet
	b := file("b.pcap", large)
	same := file("renamed\x1b.pcap", bytes.Repeat([]byte("packets "), 1<<19))
	db := t.TempDir()
	take := func(again bool, paths ...string) (*claim, string) {
		t.Helper()
		k, err := claimCaptures(db, paths, again)
		if err != nil {
			return nil, err.Error()
		}
		return k, ""
	}
	first, _ := take(false, a)
	if first == nil || first.stored() {
		t.Fatalf("a new capture: got %v", first)
	}
	if err := first.begin(); err != nil {
		t.Fatal(err)
	}
	if _, err := take(false, a); !strings.Contains(err, "not to its end") || !strings.Contains(err, "--again") {
		t.Errorf("a part of it is there: got %q", err)
	}
	if err := first.end(&sensor.Stats{Sessions: 1234}); err != nil {
		t.Fatal(err)
	}
	if k, err := take(false, a); k == nil || !k.stored() || !strings.Contains(k.String(), "a.pcap (1,234 sessions)") {
		t.Errorf("it is there: got %v, %s", k, err)
	}
	if k, err := take(false, same); k == nil || !k.stored() {
		t.Errorf("it is there under another name: got %v, %s", k, err)
	}
	if k, err := take(true, a); k == nil || k.stored() || len(k.fresh) != 1 {
		t.Errorf("once more: got %v, %s", k, err)
	}
	if k, err := take(false, b); k == nil || k.stored() {
		t.Errorf("another capture: got %v, %s", k, err)
	}
	if _, err := take(false, b, a); !strings.Contains(err, "already has a.pcap") || !strings.Contains(err, "not b.pcap") {
		t.Errorf("one of two: got %q", err)
	}
	if k, err := take(false, "-", filepath.Join(dir, "none")); k == nil || k.stored() || len(k.fresh) != 0 {
		t.Errorf("what has no identity: got %v, %s", k, err)
	}
	// A line that was cut short is passed over.
	f, err := os.OpenFile(filepath.Join(db, ledgerFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"digest":"00`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if k, err := take(false, a); k == nil || !k.stored() {
		t.Errorf("after a crash: got %v, %s", k, err)
	}
	next, _ := take(false, b)
	if err := next.end(new(sensor.Stats)); err != nil {
		t.Fatal(err)
	}
	if k, err := take(false, a, b); k == nil || !k.stored() {
		t.Errorf("after a crash and another capture: got %v, %s", k, err)
	}
}

package textline

import (
	"bytes"
	"testing"
)

func TestReader(t *testing.T) {
	long := bytes.Repeat([]byte("x"), MaxLine+5)
	in := append(append([]byte("one\r\ntwo\n"), long...), "\nthree\r\npart"...)
	for _, step := range []int{1, 7, 100, len(in)} {
		var r Reader
		var got []string
		var buf []byte
		for off := 0; off < len(in); off += step {
			buf = append(buf, in[off:min(off+step, len(in))]...)
			for {
				line, n, ok := r.Next(buf)
				if ok {
					got = append(got, string(line[:min(len(line), 8)]))
				}
				buf = buf[n:]
				if !ok {
					break
				}
			}
		}
		want := []string{"one", "two", "xxxxxxxx", "three"}
		if len(got) != len(want) {
			t.Fatalf("step %d: got %q, want %q", step, got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("step %d: got %q, want %q", step, got, want)
			}
		}
		if string(buf) != "part" {
			t.Errorf("step %d: left %q, want part", step, buf)
		}
	}
}

func TestCode(t *testing.T) {
	for _, c := range []struct {
		line string
		code int
		more bool
	}{{"220 hello", 220, false}, {"250-x", 250, true}, {"250", 250, false}, {"25", 0, false}, {"2500", 0, false}, {"abc ", 0, false}, {"099 ", 0, false}} {
		if code, more := Code([]byte(c.line)); code != c.code || more != c.more {
			t.Errorf("Code(%q) = %d, %v, want %d, %v", c.line, code, more, c.code, c.more)
		}
	}
}

func TestPlainUser(t *testing.T) {
	// RFC 4616 section 4.
	for in, want := range map[string]string{"\x00tim\x00tanstaaftanstaaf": "tim", "Ursel\x00Kurt\x00xipj3plmq": "Kurt", "tim": "", "a\x00tim": ""} {
		if got := string(PlainUser([]byte(in))); got != want {
			t.Errorf("PlainUser(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDialog(t *testing.T) {
	client := func(b []byte) Verdict {
		if HasPrefix(b, "C") {
			return Likely
		}
		return No
	}
	server := func(b []byte) Verdict {
		if HasPrefix(b, "S") {
			return Likely
		}
		return No
	}
	for _, c := range []struct {
		orig, resp string
		ports      [2]bool
		v          Verdict
		reversed   bool
	}{
		{"c", "s", [2]bool{}, Sure, false},
		{"s", "c", [2]bool{}, Sure, true},
		{"", "s", [2]bool{false, true}, Likely, false},
		{"", "s", [2]bool{true, false}, More, false},
		{"s", "", [2]bool{true, false}, Likely, true},
		{"x", "s", [2]bool{true, true}, No, false},
	} {
		v, r := Dialog(&[2][]byte{[]byte(c.orig), []byte(c.resp)}, c.ports, client, server)
		if v != c.v || r != c.reversed {
			t.Errorf("Dialog(%q, %q, %v) = %v, %v, want %v, %v", c.orig, c.resp, c.ports, v, r, c.v, c.reversed)
		}
	}
}

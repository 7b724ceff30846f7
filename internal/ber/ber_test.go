package ber

import (
	"bytes"
	"testing"
)

func TestReader(t *testing.T) {
	// SEQUENCE { INTEGER 5, [1] { OCTET STRING "ab" }, BIT STRING 40800000, INTEGER -2 }
	b := []byte{0x30, 0x13, 2, 1, 5, 0xa1, 4, 4, 2, 'a', 'b', 3, 5, 0, 0x40, 0x80, 0, 0, 2, 1, 0xfe}
	r := New(b)
	s := r.Enter(Sequence)
	if got := s.Int(); got != 5 {
		t.Errorf("first integer: got %d, want 5", got)
	}
	if _, ok := s.Optional(Context(0)); ok {
		t.Error("an element that is not there was read")
	}
	e, ok := s.Optional(Context(1))
	if !ok || string(e.Explicit().Body) != "ab" {
		t.Errorf("[1]: got %q, %v", e.Explicit().Body, ok)
	}
	if got := s.Want(BitString).Bits32(); got != 0x40800000 {
		t.Errorf("bit string: got %#x", got)
	}
	if got := s.Int(); got != -2 {
		t.Errorf("negative integer: got %d, want -2", got)
	}
	if s.More() || r.More() || !s.OK() || !r.OK() {
		t.Error("not all was read")
	}
	if s.Int(); s.OK() {
		t.Error("reading past the end did not fail")
	}
}

func TestIndefinite(t *testing.T) {
	b := []byte{0x30, 0x80, 0x30, 0x80, 4, 2, 0, 0, 0, 0, 2, 1, 7, 0, 0, 2, 1, 9}
	r := New(b)
	s := r.Enter(Sequence)
	in := s.Enter(Sequence)
	if got := in.Bytes(); !bytes.Equal(got, []byte{0, 0}) {
		t.Errorf("got % x", got)
	}
	if got := s.Int(); got != 7 {
		t.Errorf("got %d, want 7", got)
	}
	if got := r.Int(); got != 9 || !r.OK() {
		t.Errorf("after it: got %d, want 9", got)
	}
	if r := New(b[:8]); r.Next().Raw != nil || r.OK() {
		t.Error("an element without its end was read")
	}
}

func TestDepth(t *testing.T) {
	for _, b := range [][]byte{
		bytes.Repeat([]byte{0x30, 0x80}, 100_000),
		append([]byte{0x30, 0x84, 0, 1, 0, 0}, bytes.Repeat([]byte{0x30, 0x82, 0xff, 0xff}, 16384)...),
	} {
		r := New(b)
		for n := 0; r.OK(); n++ {
			if n > MaxDepth+1 {
				t.Fatal("nesting is not limited")
			}
			r = r.Enter(Sequence)
		}
	}
}

func TestSize(t *testing.T) {
	for _, c := range []struct {
		in   []byte
		want int
	}{
		{nil, 0},
		{[]byte{0x30}, 0},
		{[]byte{0x30, 0x05}, 7},
		{[]byte{0x30, 0x84, 0, 0, 1}, 0},
		{[]byte{0x30, 0x84, 0, 0, 1, 0}, 262},
		{[]byte{0x30, 0x80}, -1},
		{[]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, -1},
		{[]byte{0x30, 0x89}, -1},
		{[]byte{0x7f, 0x65, 0x82, 0x01, 0x00}, 261},
	} {
		if got := Size(c.in); got != c.want {
			t.Errorf("Size(% x): got %d, want %d", c.in, got, c.want)
		}
	}
}

func TestOID(t *testing.T) {
	for want, in := range map[string][]byte{
		"1.2.840.113554.1.2.2":    {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2},
		"2.5.4.3":                 {0x55, 4, 3},
		"1.3.6.1.4.1.1466.20037":  {0x2b, 6, 1, 4, 1, 0x8b, 0x3a, 0x81, 0x9c, 0x45},
		"2.999":                   {0x88, 0x37},
		"1.3.6.1.2.1.2.2.1.22.65": {0x2b, 6, 1, 2, 1, 2, 2, 1, 22, 65},
	} {
		if got := string(AppendOID(nil, in)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	b := []byte{0x30, 0x13, 2, 1, 5, 0xa1, 4, 4, 2, 'a', 'b', 3, 5, 0, 0x40, 0x80, 0, 0, 2, 1, 0xfe}
	if n := testing.AllocsPerRun(100, func() {
		r := New(b)
		s := r.Enter(Sequence)
		for s.More() {
			s.Next()
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte{0x30, 0x80, 0x30, 0x80, 4, 2, 0, 0, 0, 0, 2, 1, 7, 0, 0, 2, 1, 9})
	f.Add([]byte{0x7f, 0x65, 0x02, 0xa0, 0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		left := 10_000
		var walk func(r Reader)
		walk = func(r Reader) {
			for r.More() && left > 0 {
				left--
				e := r.Next()
				e.Int()
				e.Bits32()
				AppendOID(nil, e.Body)
				if e.Tag.Constructed() {
					walk(e.Reader())
				}
			}
		}
		walk(New(b))
		if n := Size(b); n > 0 && n <= len(b) {
			r := New(b)
			if got := len(r.Next().Raw); got != n {
				t.Errorf("Size is %d, Next read %d", n, got)
			}
		}
	})
}

package wire

import "testing"

func TestCursor(t *testing.T) {
	c := New([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 2, 0xaa, 0xbb, 0, 1, 0xcc})
	if v := c.U8(); v != 1 {
		t.Errorf("U8 %x", v)
	}
	if v := c.U16(); v != 0x0203 {
		t.Errorf("U16 %x", v)
	}
	if v := c.LE16(); v != 0x0504 {
		t.Errorf("LE16 %x", v)
	}
	if v := c.U24(); v != 0x060708 {
		t.Errorf("U24 %x", v)
	}
	if v := c.LE32(); v != 0x0c0b0a09 {
		t.Errorf("LE32 %x", v)
	}
	if v := c.U32(); v != 0x0d0e0f10 {
		t.Errorf("U32 %x", v)
	}
	c.Skip(1)
	v := c.Vec8()
	if b := v.Rest(); len(b) != 2 || b[0] != 0xaa {
		t.Errorf("Vec8 %x", b)
	}
	if w := c.Vec16(); w.U8() != 0xcc || !w.OK() || c.Len() != 0 || !c.OK() {
		t.Error("Vec16")
	}
}

// TestStickyFailure reads past the end and wants everything after it to be zero.
func TestStickyFailure(t *testing.T) {
	c := New([]byte{1, 2, 3})
	if v := c.U32(); v != 0 || c.OK() {
		t.Errorf("U32 of three bytes: %x, OK %v", v, c.OK())
	}
	if v := c.U8(); v != 0 || c.Len() != 0 {
		t.Errorf("after a failure U8 is %x, Len %d", v, c.Len())
	}
	sub := c.Sub(0)
	if sub.OK() {
		t.Error("a cursor out of a failed one is OK")
	}
	for _, n := range []int{-1, 4, 1 << 62} {
		c := New([]byte{1, 2, 3})
		if b := c.Bytes(n); b != nil || c.OK() {
			t.Errorf("Bytes(%d) of three: %x", n, b)
		}
		c = New([]byte{1, 2, 3})
		if c.Skip(n); c.OK() {
			t.Errorf("Skip(%d) of three is OK", n)
		}
		c = New([]byte{1, 2, 3})
		if c.Seek(n); c.OK() {
			t.Errorf("Seek(%d) of three is OK", n)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add([]byte("hello, world"), []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Fuzz(func(t *testing.T, data, ops []byte) {
		c := New(data)
		for _, op := range ops {
			switch op % 12 {
			case 0:
				c.U8()
			case 1:
				c.U16()
			case 2:
				c.U24()
			case 3:
				c.U32()
			case 4:
				c.U64()
			case 5:
				c.LE64()
			case 6:
				c.Bytes(int(op))
			case 7:
				c.Skip(int(int8(op)))
			case 8:
				c = c.Vec8()
			case 9:
				c = c.Vec16()
			case 10:
				c = c.Vec24()
			case 11:
				c.Seek(int(int8(op)))
			}
			if c.Len() < 0 || c.Offset() > len(data) {
				t.Fatalf("offset %d, length %d of %d", c.Offset(), c.Len(), len(data))
			}
		}
	})
}

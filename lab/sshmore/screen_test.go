package sshmore

import "testing"

func TestScreen(t *testing.T) {
	for _, c := range []struct{ name, data, text, before string }{
		{"plain", "a\r\nbc", "a\nbc\n\n", "bc"},
		{"scroll", "a\r\nb\r\nc\r\nd$ ", "b\nc\nd$\n", "d$ "},
		{"wrap", "abcdefghijk", "abcdefghij\nk\n\n", "k"},
		{"only what differs", "12345\x1b[1;2H9\x1b[1;4H8", "19385\n\n\n", "1938"},
		{"colours, title and modes", "\x1b]0;t\a\x1b[0;1;32mok\x1b[?25h\x1b(B", "ok\n\n\n", "ok"},
		{"erase", "abc\x1b[2D\x1b[K", "a\n\n\n", "a"},
		{"clear", "a\r\nb\x1b[H\x1b[J", "\n\n\n", ""},
		{"region", "a\r\nb\r\nc\x1b[1;2r\x1b[2;1H\nx", "b\nx\nc\n", "x"},
		{"out of bounds", "\x1b[99;99HZ\x1b[9;1r\x1b[99A\x1b[99D", "\n\n         Z\n", ""},
		{"two bytes", "h\xc3\xa9", "hé\n\n\n", "hé"},
	} {
		// In one piece, and byte by byte.
		for _, step := range []int{len(c.data), 1} {
			s, err := NewScreen("10x3")
			if err != nil {
				t.Fatal(err)
			}
			var rest []byte
			for i := 0; i < len(c.data); i += step {
				rest = append(rest, c.data[i:min(i+step, len(c.data))]...)
				rest = rest[s.Write(rest):]
			}
			if got := s.Text(); got != c.text || s.Before() != c.before || len(rest) > 0 {
				t.Errorf("%s, step %d: %q, before the cursor %q, rest %q, want %q and %q", c.name, step, got, s.Before(), rest, c.text, c.before)
			}
		}
	}
}

func FuzzScreen(f *testing.F) {
	f.Add([]byte("\x1b[3;2Ha\x1b[1;2r\n\x1b[J\x1b]0;x\a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := NewScreen("7x3")
		if err != nil {
			t.Fatal(err)
		}
		if n := s.Write(data); n > len(data) {
			t.Errorf("wrote %d of %d bytes", n, len(data))
		}
		s.Before()
	})
}

package desk

import "testing"

func TestTelnetReader(t *testing.T) {
	var r telnetReader
	in := "a\xff\xfd\x01b\xff\xffc\r\x00d\r\ne\xff\xfa\x1f\x00\x84\x00\x2b\xff\xf0f"
	var got []byte
	for i := range len(in) { // however it is cut
		got = append(got, r.Read([]byte{in[i]})...)
	}
	if want := "ab\xffc\rd\ref"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !r.negotiatedSize || r.columns != 132 || r.rows != 43 {
		t.Errorf("got a window of %dx%d, want 132x43", r.columns, r.rows)
	}
}

func FuzzTelnetReader(f *testing.F) {
	f.Add([]byte("a\xff\xfa\x1f\x00\x84\x00\x2b\xff\xf0f"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var whole, cut telnetReader
		want := string(whole.Read(in))
		got := string(cut.Read(in[:len(in)/2])) + string(cut.Read(in[len(in)/2:]))
		if got != want {
			t.Errorf("cut in two it is %q, whole %q", got, want)
		}
		if len(whole.option) > telnetMostOpt {
			t.Errorf("%d bytes of an option are kept", len(whole.option))
		}
	})
}

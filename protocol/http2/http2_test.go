package http2

import (
	"encoding/hex"
	"strings"
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
	"tyto/protocol/http"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition, http.Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoTCP, 80, Definition, http.Definition) }

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDecode reads the examples of RFC 7541 appendix C.
func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		name   string
		size   int
		blocks []string
		want   []string
		used   int
	}{
		{"C.2.1", defaultTable, []string{"400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"}, []string{"custom-key: custom-header"}, 55},
		{"C.2.2", defaultTable, []string{"040c 2f73 616d 706c 652f 7061 7468"}, []string{":path: /sample/path"}, 0},
		{"C.2.3", defaultTable, []string{"1008 7061 7373 776f 7264 0673 6563 7265 74"}, []string{"password: secret"}, 0},
		{"C.3", defaultTable, []string{
			"8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
			"8286 84be 5808 6e6f 2d63 6163 6865",
			"8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
		}, []string{
			":method: GET, :scheme: http, :path: /, :authority: www.example.com",
			":method: GET, :scheme: http, :path: /, :authority: www.example.com, cache-control: no-cache",
			":method: GET, :scheme: https, :path: /index.html, :authority: www.example.com, custom-key: custom-value",
		}, 164},
		{"C.4", defaultTable, []string{
			"8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
			"8286 84be 5886 a8eb 1064 9cbf",
			"8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
		}, []string{
			":method: GET, :scheme: http, :path: /, :authority: www.example.com",
			":method: GET, :scheme: http, :path: /, :authority: www.example.com, cache-control: no-cache",
			":method: GET, :scheme: https, :path: /index.html, :authority: www.example.com, custom-key: custom-value",
		}, 164},
		{"C.6", 256, []string{
			"4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
			"4883 640e ffc1 c0bf",
			"88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
		}, []string{
			":status: 302, cache-control: private, date: Mon, 21 Oct 2013 20:13:21 GMT, location: https://www.example.com",
			":status: 307, cache-control: private, date: Mon, 21 Oct 2013 20:13:21 GMT, location: https://www.example.com",
			":status: 200, cache-control: private, date: Mon, 21 Oct 2013 20:13:22 GMT, location: https://www.example.com, content-encoding: gzip, " +
				"set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
		}, 215},
	} {
		d := newDecoder()
		d.size = tt.size
		for i, block := range tt.blocks {
			var got []string
			if !d.decode(unhex(t, block), func(name, value string) { got = append(got, name+": "+value) }) {
				t.Errorf("%s: block %d is said to be malformed", tt.name, i)
			}
			if got := strings.Join(got, ", "); got != tt.want[i] {
				t.Errorf("%s: block %d is\n%s\nwant\n%s", tt.name, i, got, tt.want[i])
			}
		}
		if d.used != tt.used {
			t.Errorf("%s: the table has %d bytes, want %d", tt.name, d.used, tt.used)
		}
	}
}

func TestMalformedBlocks(t *testing.T) {
	for _, block := range []string{
		"80",               // index 0
		"be",               // beyond the tables
		"ffffffffff",       // an integer that does not end
		"ff80808080808080", // or is too large
		"40",               // no name
		"400a61",           // a name shorter than it says
		"3fe21f",           // a table larger than allowed
		"0081ff01",         // padding of a whole byte
	} {
		d := newDecoder()
		if d.decode(unhex(t, block), func(string, string) {}) {
			t.Errorf("block %s is accepted", block)
		}
	}
}

// TestBomb holds a block that names a long entry again and again to a bound.
func TestBomb(t *testing.T) {
	d := newDecoder()
	b := append([]byte("\x40\x01a\x7f\xe1\x1e"), make([]byte, 4000)...)
	for range 60000 {
		b = append(b, 0xbe)
	}
	n := 0
	if d.decode(b, func(string, string) { n++ }) || n > 70 {
		t.Errorf("%d fields were told of a decompression bomb", n)
	}
}

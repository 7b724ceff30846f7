package record

import (
	"encoding/json"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

var schema = New("thing", "thing", "A test.",
	Field{"when", Time, "time"}, Field{"took", Interval, "interval"}, Field{"name", String, "string"}, Field{"n", Count, "count"},
	Field{"i", Int, "int"}, Field{"f", Double, "double"}, Field{"ok", Bool, "bool"}, Field{"addr", Addr, "addr"},
	Field{"list", Strings, "list"}, Field{"nums", Counts, "numbers"}, Field{"gone", String, "unset"})

func write(e *Encoder, name string) {
	e.Begin(schema)
	e.Time(1_500_000_000_123_456_000)
	e.Interval(1_000_000_001)
	e.Str(name)
	e.Uint(math.MaxUint64)
	e.Int(-5)
	e.Float(0.25)
	e.Bool(true)
	e.Addr(netip.MustParseAddr("2001:db8::1"))
	e.Strs([]string{name, "b,c", ""})
	e.Uints([]uint64{1, 2})
	e.Unset()
	e.End()
}

func TestFormats(t *testing.T) {
	for _, tt := range []struct {
		format Format
		want   string
	}{
		{JSON, `{"record":"thing","when":1500000000.123456,"took":1.000000001,"name":"a\"b\\c","n":18446744073709551615,"i":-5,"f":0.25,"ok":true,"addr":"2001:db8::1","list":["a\"b\\c","b,c",""],"nums":[1,2]}` + "\n"},
		{ZeekJSON, `{"when":1500000000.123456,"took":1.000000001,"name":"a\"b\\c","n":18446744073709551615,"i":-5,"f":0.25,"ok":true,"addr":"2001:db8::1","list":["a\"b\\c","b,c",""],"nums":[1,2]}` + "\n"},
		{TSV, "1500000000.123456\t1.000000001\ta\"b\\\\c\t18446744073709551615\t-5\t0.25\tT\t2001:db8::1\ta\"b\\\\c,b\\x2cc,(empty)\t1,2\t-\n"},
	} {
		e := Encoder{Format: tt.format}
		write(&e, `a"b\c`)
		if got := string(e.Buf); got != tt.want {
			t.Errorf("got  %swant %s", got, tt.want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0.000000", 1: "0.000000001", -1500: "-0.000001500", 1_000_000: "0.001000", math.MaxInt64: "9223372036.854775807", math.MinInt64: "-9223372036.854775807",
	} {
		if got := string(appendSeconds(nil, ns)); got != want {
			t.Errorf("%d: got %s, want %s", ns, got, want)
		}
	}
}

func TestWrongFieldCountPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a record with too few fields was written")
		}
	}()
	var e Encoder
	e.Begin(schema)
	e.Time(1)
	e.End()
}

func TestNoAllocations(t *testing.T) {
	e := Encoder{Buf: make([]byte, 0, 4096)}
	if n := testing.AllocsPerRun(100, func() {
		e.Buf = e.Buf[:0]
		e.Begin(schema)
		e.Time(1_500_000_000_123_456_000)
		e.Interval(5)
		e.Str("naïve\x01")
		for range 3 {
			e.Uint(7)
		}
		e.Bytes([]byte("\xff\xfe plain"))
		for range 3 {
			e.Unset()
		}
		e.Uints(nil)
		e.End()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzText wants every string to be a valid JSON line that holds it, and a valid
// TSV line with the right number of columns.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "-", "(empty)", "a\tb\nc", "\x00\x7f\xff", "é\u2028", "\xed\xa0\x80", `\x41`, ","} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e := Encoder{}
		write(&e, s)
		var got map[string]any
		if err := json.Unmarshal(e.Buf, &got); err != nil {
			t.Fatalf("%q: %v: %s", s, err, e.Buf)
		}
		if name, _ := got["name"].(string); utf8.ValidString(s) && name != s {
			t.Errorf("got %q, want %q", name, s)
		}
		e = Encoder{Format: TSV}
		write(&e, s)
		line := string(e.Buf)
		if n := strings.Count(line, "\t"); n != len(schema.Fields)-1 || strings.Count(line, "\n") != 1 {
			t.Errorf("%q: %d tabs: %q", s, n, line)
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	e := Encoder{}
	b.ReportAllocs()
	for b.Loop() {
		e.Buf = e.Buf[:0]
		write(&e, "www.example.com")
	}
	b.SetBytes(int64(len(e.Buf)))
}

func TestUint(t *testing.T) {
	for _, v := range []uint64{0, 9, 10, 99, 100, 101, 999, 1000, 1010, 9999, 10000, 10001, 65535, 99999, 100000, math.MaxUint64} {
		e := Encoder{Format: TSV, schema: &Schema{}, first: true}
		e.Uint(v)
		if got, want := string(e.Buf), strconv.FormatUint(v, 10); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"tyto/internal/record"
	"tyto/store"
	"tyto/store/storetest"
)

// memory is a Store that keeps what is appended as text. It answers nothing.
type memory struct {
	store.Store
	rows []string
	fail error
}

func (m *memory) Append(_ context.Context, batches ...*store.Batch) error {
	for _, b := range batches {
		for row := range b.Rows {
			values := []string{b.Kind}
			for i := range b.Columns {
				values = append(values, storetest.Text(b.Value(row, i)))
			}
			m.rows = append(m.rows, strings.Join(values, " "))
		}
	}
	return m.fail
}

func load(t testing.TB, m *memory, writes ...string) (*store.Loader, error) {
	l := store.NewLoader(context.Background(), m, storetest.Kinds(t))
	for _, w := range writes {
		if _, err := l.Write([]byte(w)); err != nil {
			return l, err
		}
	}
	return l, l.Close()
}

func TestLoader(t *testing.T) {
	const a, b = `{"record":"dns","ts":1.5,"uid":"C1","query":"a"}`, `{"record":"session","ts":2,"app":"ssh","id.orig_p":22}`
	for _, c := range []struct {
		name   string
		writes []string
		want   []string
	}{
		{"lines", []string{a + "\n" + b + "\n"}, []string{"dns 1500000000 C1 - - - - a -", "session 2000000000 - - 22 - - ssh - - - -"}},
		{"no end", []string{a}, []string{"dns 1500000000 C1 - - - - a -"}},
		{"empty lines", []string{"\n\r\n" + a + "\r\n\n"}, []string{"dns 1500000000 C1 - - - - a -"}},
		{"cut anywhere", strings.SplitAfter(a+"\n"+b+"\n", ""), []string{"dns 1500000000 C1 - - - - a -", "session 2000000000 - - 22 - - ssh - - - -"}},
		{"other order", []string{`{"record":"dns","answers":["x"],"query":"a","ts":1}`}, []string{"dns 1000000000 - - - - - a [x]"}},
		{"spaces", []string{"{ \"record\" : \"dns\" ,\t\"ts\" : 1 , \"answers\" : [ \"x\" , \"y\" ] } "}, []string{"dns 1000000000 - - - - - - [x y]"}},
		{"null", []string{`{"record":"dns","ts":1,"query":null}`}, []string{"dns 1000000000 - - - - - - -"}},
		{"escapes", []string{`{"record":"dns","ts":1,"query":"\"\\\/\b\f\n\r\t\u00e9\ud83e\udd89\ud83eA\\x00"}`}, []string{"dns 1000000000 - - - - - \"\\/\b\f\n\r\té🦉\ufffdA\\x00 -"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := new(memory)
			l, err := load(t, m, c.writes...)
			if err != nil || !slices.Equal(m.rows, c.want) || l.Loaded != uint64(len(c.want)) {
				t.Errorf("got %q, %d loaded, %v\nwant %q", m.rows, l.Loaded, err, c.want)
			}
		})
	}
}

// TestLoaderNewKinds loads kinds that the store never heard of before, of all
// shapes: about a session, with a time of another name, with none, and with
// values that have parts.
func TestLoaderNewKinds(t *testing.T) {
	text := func(name string) record.Field { return record.Field{Name: name, Type: record.String} }
	kinds, err := store.NewKinds(
		record.New("probe", "", "", record.Field{Name: "t0", Type: record.Time}, text("what")),
		record.New("segment", "", "", text("uid"), record.Field{Name: "t0", Type: record.Time}, record.Field{Name: "t1", Type: record.Time}, text("state")),
		record.New("case", "", "", text("id"), record.Field{Name: "p", Type: record.Double}, record.Field{Name: "path", Type: record.Strings}, text("controller")),
	)
	if err != nil {
		t.Fatal(err)
	}
	m := new(memory)
	l := store.NewLoader(context.Background(), m, kinds)
	in := l.Beside()
	for _, w := range []struct {
		to   io.Writer
		text string
	}{
		{l, `{"record":"probe","ts":2,"uid":"C1","t0":2.5,"what":"x"}` + "\n" + `{"record":"pro`},
		{in, `{"record":"segment","uid":"C1","t0":9,"t1":9.5,"sta`},
		{l, `be","ts":1,"uid":"C2","what":[1,{"a":"]"}]}` + "\n"},
		{in, `te":"idle"}`},
		{l, `{"record":"case","id":"C-1","p":0.5,"path":[{"from":"a","ts":1},"b"],"controller":{"domain":"x.example","p":0.9}}`},
	} {
		if _, err := io.WriteString(w.to, w.text); err != nil {
			t.Fatal(err)
		}
	}
	err = l.Close()
	want := []string{
		`case 2000000000 C-1 0.5 [{"from":"a","ts":1} b] {"domain":"x.example","p":0.9}`,
		`probe 2000000000 C1 - - - - 2500000000 x`, `probe 1000000000 C2 - - - - - [1,{"a":"]"}]`,
		`segment 9000000000 C1 9500000000 idle`,
	}
	if err != nil || !slices.Equal(m.rows, want) || len(l.Unknown) > 0 {
		t.Errorf("got %q, unknown %v, %v\nwant %q", m.rows, l.Unknown, err, want)
	}
}

func TestLoaderUnknown(t *testing.T) {
	m := new(memory)
	l, err := load(t, m, `{"record":"other","ts":1,"x":{"deep":[1,"2",null,true,{}]}}
{"record":"dns","ts":1,"new":{"deep":[1,"2",null,true,{}]},"query":"a","ts2":[]}
`)
	want := map[string]uint64{"other": 1, "dns.new": 1, "dns.ts2": 1}
	if err != nil || !maps.Equal(l.Unknown, want) || len(m.rows) != 1 || l.Loaded != 1 {
		t.Errorf("unknown %v, rows %q, %v", l.Unknown, m.rows, err)
	}
	var b strings.Builder
	for i := range 3 * store.MaxUnknown {
		fmt.Fprintf(&b, "{\"record\":\"other %d\"}\n", i)
	}
	if l, err = load(t, new(memory), b.String()); err != nil || len(l.Unknown) > store.MaxUnknown+1 || l.Unknown[""] != 2*store.MaxUnknown {
		t.Errorf("%d names of unknown kinds are kept, %v", len(l.Unknown), err)
	}
}

func TestLoaderErrors(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`hello`, "no record"},
		{`{"ts":1}`, "no record"},
		{`{"record":7}`, "kind is no string"},
		{`{"record":"dns"}`, "has no ts"},
		{`{"record":"dns","ts":null}`, "has no ts"},
		{`{"record":"dns","ts":1`, "has no end"},
		{`{"record":"dns","ts":1}x`, "has no end"},
		{`{"record":"dns","ts":1,}`, "a field has no name"},
		{`{"record":"dns","ts":"1"}`, "field ts is no time"},
		{`{"record":"dns","ts":1e3}`, "field ts is no time"},
		{`{"record":"dns","ts":1.0123456789}`, "field ts is no time"},
		{`{"record":"dns","ts":99999999999}`, "field ts is no time"},
		{`{"record":"dns","ts":1,"id.orig_p":65536}`, "field id.orig_p is no port"},
		{`{"record":"dns","ts":1,"query":5}`, "field query is no string"},
		{`{"record":"dns","ts":1,"query":"a","query":"b"}`, "twice"},
		{`{"record":"dns","ts":1,"query":"` + "\xff" + `"}`, "field query is no string"},
		{`{"record":"dns","ts":1,"query":"` + "\x01" + `"}`, "field query is no string"},
		{`{"record":"dns","ts":1,"query":"\q"}`, "field query is no string"},
		{`{"record":"dns","ts":1,"answers":["a",7]}`, "field answers is no"},
		{`{"record":"session","ts":1,"orig_bytes":-1}`, "field orig_bytes is no count"},
		{`{"record":"session","ts":1,"orig_bytes":18446744073709551616}`, "field orig_bytes is no count"},
		{`{"record":"session","ts":1,"local_orig":1}`, "field local_orig is no bool"},
		{`{"record":"session","ts":1,"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "not JSON that records have"},
	} {
		m := new(memory)
		_, err := load(t, m, `{"record":"dns","ts":1,"query":"good"}`+"\n"+c.line+"\n")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: got %v, want line 2 and %q", c.line, err, c.want)
		}
		if len(m.rows) != 0 {
			t.Errorf("%s: %q was appended after the error", c.line, m.rows)
		}
	}
	full := errors.New("disk full")
	if _, err := load(t, &memory{fail: full}, `{"record":"dns","ts":1}`); !errors.Is(err, full) {
		t.Errorf("a store that fails gave %v", err)
	}
}

// FuzzLoader loads any bytes, whole and cut in two: what is stored is the same,
// and every text is UTF-8.
func FuzzLoader(f *testing.F) {
	for _, s := range []string{
		`{"record":"dns","ts":1.5,"uid":"C1","query":"a\u0041","answers":["x"]}` + "\n" + `{"record":"session","ts":2,"duration":-0.5,"x":{"y":[]}}`,
		`{"record":"every-type","time":1,"interval":-1,"count":2,"int":-3,"double":1e5,"bool":true,"strings":[],"counts":[1],"intervals":[0.1]}`,
	} {
		f.Add(s, 10)
	}
	f.Fuzz(func(t *testing.T, text string, cut int) {
		whole, parts := new(memory), new(memory)
		_, err := load(t, whole, text)
		cut = max(0, min(cut, len(text)))
		_, err2 := load(t, parts, text[:cut], text[cut:])
		if fmt.Sprint(err) != fmt.Sprint(err2) || !slices.Equal(whole.rows, parts.rows) {
			t.Fatalf("whole: %q %v\nin two: %q %v", whole.rows, err, parts.rows, err2)
		}
		for _, r := range whole.rows {
			if strings.ToValidUTF8(r, "") != r {
				t.Fatalf("not UTF-8: %q", r)
			}
		}
	})
}

// BenchmarkLoader measures what reading JSON lines costs, without a store.
func BenchmarkLoader(b *testing.B) {
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, `{"record":"session","ts":17%08d.123456,"uid":"Cabcdefghijklmnop%d","id.orig_h":"10.0.0.1","id.orig_p":40000,"id.resp_h":"203.0.113.9","id.resp_p":443,"app":"tls","duration":1.500000,"orig_bytes":1234,"local_orig":true,"notes":["cut"]}`+"\n", i, i%10)
	}
	data := []byte(text.String())
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	l := store.NewLoader(context.Background(), discard{}, storetest.Kinds(b))
	for b.Loop() {
		if _, err := l.Write(data); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{ store.Store }

func (discard) Append(context.Context, ...*store.Batch) error { return nil }

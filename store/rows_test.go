package store_test

import (
	"bytes"
	"context"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"tyto/internal/record"
	"tyto/store"
)

// allTypes has a field of every type, under a session's identity.
var allTypes = record.New("all", "", "",
	record.Field{Name: "took", Type: record.Interval}, record.Field{Name: "s", Type: record.String}, record.Field{Name: "n", Type: record.Count},
	record.Field{Name: "i", Type: record.Int}, record.Field{Name: "f", Type: record.Double}, record.Field{Name: "b", Type: record.Bool},
	record.Field{Name: "a", Type: record.Addr}, record.Field{Name: "p", Type: record.Port}, record.Field{Name: "list", Type: record.Strings},
	record.Field{Name: "nums", Type: record.Counts}, record.Field{Name: "gaps", Type: record.Intervals}, record.Field{Name: "parts", Type: record.String})

// own has its time and no session.
var own = record.New("own", "", "", record.Field{Name: "id", Type: record.String}, record.Field{Name: "p", Type: record.Double})

type values struct {
	text string
	n    uint64
	i    int64
	f    float64
	list []string
}

func encode(e *record.Encoder, v values) {
	e.Begin2(allTypes, record.Identity)
	e.Time(1_700_000_000_000_000_001 + v.i)
	e.Raw([]byte("CabcdefAb"))
	e.Addr(netip.MustParseAddr("10.0.0.1"))
	e.Uint(1)
	e.Addr(netip.MustParseAddr("2001:db8::2"))
	e.Uint(65535)
	e.Sub(allTypes)
	e.Interval(v.i)
	e.Str(v.text)
	e.Uint(v.n)
	e.Int(v.i)
	e.Float(v.f)
	e.Bool(v.n%2 == 0)
	e.Addr(netip.Addr{})
	e.Uint(v.n & 0xffff)
	e.Strs(v.list)
	e.Uints([]uint64{v.n, 0})
	e.Intervals([]int64{v.i, -1, 5})
	e.JSON([]byte(`[{"a":1}]`))
	e.End()
	e.Begin(own)
	e.Bytes([]byte(v.text + "-1"))
	e.Unset()
	e.End()
}

// TestRows holds rows against the JSON of the same records.
func TestRows(t *testing.T) {
	kinds, err := store.NewKinds(allTypes, own)
	if err != nil {
		t.Fatal(err)
	}
	cases := []values{
		{"", 0, 0, 0, nil}, {"a", 1, -1, 0.1234567, []string{"x", "", "é"}}, {"\xff\x00\"\\ü\xe2\x28", math.MaxUint64, math.MinInt32, -1e5, []string{"\xc3"}},
		{strings.Repeat("long ", 1000), 1 << 40, math.MaxInt32, math.NaN(), []string{"1"}}, {"\\x41", 7, 1, math.Inf(1), []string{}},
	}
	var want, got memory
	lines, rows := store.NewLoader(context.Background(), &want, kinds), store.NewLoader(context.Background(), &got, kinds)
	in := rows.Rows([]*record.Schema{allTypes, own})
	for _, v := range cases {
		var text, row record.Encoder
		row.Format = record.Row
		encode(&text, v)
		encode(&row, v)
		if _, err := lines.Write(text.Buf); err != nil {
			t.Fatal(err)
		}
		second := bytes.LastIndex(row.Buf, head(own))
		for _, r := range [][]byte{row.Buf[:second], row.Buf[second:]} {
			if err := in.Add(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := lines.Close(); err != nil {
		t.Fatal(err)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.rows, want.rows) || len(got.rows) != 2*len(cases) {
		t.Errorf("got  %q\nwant %q", got.rows, want.rows)
	}
}

func head(s *record.Schema) []byte {
	e := record.Encoder{Format: record.Row}
	e.Begin(s)
	return e.Buf
}

// TestRowsOdd adds what is no row of the schemas.
func TestRowsOdd(t *testing.T) {
	other := record.New("other", "", "", record.Field{Name: "x", Type: record.Count})
	kinds, err := store.NewKinds(allTypes, own)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, row, want string }{
		{"another schema", string(head(other)), ""},
		{"empty", "", "not in the form"},
		{"cut short", string(head(own)) + "\x07\xff\x00\x00\x00a", "cut short"},
		{"missing field", string(head(own)) + "\x00", "cut short"},
		{"no UTF-8", string(head(own)) + "\x07\x01\x00\x00\x00\xff\x00", "no UTF-8"},
		{"wrong type", string(head(own)) + "\x01\x00", "another type"},
		{"unknown tag", string(head(own)) + "\x50\x00\x00\x00\x00\x00", "no tag"},
		{"too long", string(head(own)) + "\x00\x00\x00", "goes on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := store.NewLoader(context.Background(), new(memory), kinds)
			err := l.Rows([]*record.Schema{allTypes, own}).Add([]byte(c.row))
			if c.want == "" && (err != nil || len(l.Unknown) != 1) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, unknown %v, want %q", err, l.Unknown, c.want)
			}
		})
	}
}

func FuzzRows(f *testing.F) {
	e := record.Encoder{Format: record.Row}
	encode(&e, values{"a", 1, -1, 0.5, []string{"x"}})
	at := bytes.LastIndex(e.Buf, head(own))
	f.Add(e.Buf[:at])
	f.Add(e.Buf[at:])
	f.Add([]byte{1, 0})
	kinds, err := store.NewKinds(allTypes, own)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, row []byte) {
		m := new(memory)
		l := store.NewLoader(context.Background(), m, kinds)
		in := l.Rows([]*record.Schema{allTypes, own})
		_ = in.Add(row)
		added := in.Add(e.Buf[:at]) == nil
		if err := l.Flush(); err == nil && added && len(m.rows) == 0 {
			t.Error("a row was added and is not there")
		}
	})
}

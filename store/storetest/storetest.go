// Package storetest holds implementations of [store.Store] against its
// contract. A test of an implementation calls [Run].
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"tyto/internal/record"
	"tyto/store"
)

// Open opens the store in a directory, which holds nothing, or what a store
// that was closed left there. The suite closes it.
type Open func(t *testing.T, dir string, kinds *store.Kinds) store.Store

// Session is a schema about sessions, Every one with fields of all types.
var (
	Session = record.New("session", "conn", "A conversation.",
		record.Field{Name: "app", Type: record.String}, record.Field{Name: "duration", Type: record.Interval},
		record.Field{Name: "orig_bytes", Type: record.Count}, record.Field{Name: "local_orig", Type: record.Bool}, record.Field{Name: "notes", Type: record.Set})
	DNS   = record.New("dns", "dns", "A lookup.", record.Field{Name: "query", Type: record.String}, record.Field{Name: "answers", Type: record.Strings})
	Every = record.New("every-type", "", "All types.",
		record.Field{Name: "time", Type: record.Time}, record.Field{Name: "interval", Type: record.Interval}, record.Field{Name: "string", Type: record.String},
		record.Field{Name: "count", Type: record.Count}, record.Field{Name: "int", Type: record.Int}, record.Field{Name: "double", Type: record.Double},
		record.Field{Name: "bool", Type: record.Bool}, record.Field{Name: "addr", Type: record.Addr}, record.Field{Name: "port", Type: record.Port},
		record.Field{Name: "enum", Type: record.Enum}, record.Field{Name: "strings", Type: record.Strings}, record.Field{Name: "set", Type: record.Set},
		record.Field{Name: "counts", Type: record.Counts}, record.Field{Name: "intervals", Type: record.Intervals}, record.Field{Name: "addrs", Type: record.Addrs},
		record.Field{Name: `odd "name'; --`, Type: record.String})
)

// Kinds returns the tables of the suite's schemas.
func Kinds(t testing.TB) *store.Kinds {
	t.Helper()
	ks, err := store.NewKinds(Session, DNS, Every)
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

// Load puts JSON lines into a store.
func Load(t testing.TB, s store.Store, ks *store.Kinds, lines string) {
	t.Helper()
	l := store.NewLoader(context.Background(), s, ks)
	if _, err := l.Write([]byte(lines)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if len(l.Unknown) > 0 {
		t.Fatalf("unknown: %v", l.Unknown)
	}
}

// Rows returns the result of a query as text: a line a row, values separated by
// spaces, - for null.
func Rows(t testing.TB, s store.Store, q *store.Query) string {
	t.Helper()
	var b strings.Builder
	err := s.Query(context.Background(), q, func(batch *store.Batch) error {
		for row := range batch.Rows {
			for i := range batch.Columns {
				if i > 0 {
					b.WriteByte(' ')
				}
				b.WriteString(Text(batch.Value(row, i)))
			}
			b.WriteByte('\n')
		}
		return nil
	})
	if err != nil {
		t.Fatalf("query: %v", err)
	}
	return b.String()
}

// Text is a value as text.
func Text(v any) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprint(v)
}

// Run runs the suite.
func Run(t *testing.T, open Open) {
	t.Run("types", func(t *testing.T) { testTypes(t, open) })
	t.Run("queries", func(t *testing.T) { testQueries(t, open) })
	t.Run("partitions", func(t *testing.T) { testPartitions(t, open) })
	t.Run("retention", func(t *testing.T) { testRetention(t, open) })
	t.Run("large", func(t *testing.T) { testLarge(t, open) })
	t.Run("readers", func(t *testing.T) { testReaders(t, open) })
	t.Run("errors", func(t *testing.T) { testErrors(t, open) })
}

// testTypes stores values at the edge of every type and reads them back, also
// after the store was opened again.
func testTypes(t *testing.T, open Open) {
	long := strings.Repeat("0123456789", 50_000)
	lines := []string{
		`{"record":"every-type","time":1700000000.000000001,"interval":-0.000000001,"string":"a","count":18446744073709551615,"int":-9223372036854775808,"double":-1.5e300,"bool":true,"addr":"2001:db8::1","port":65535,"enum":"x","strings":["a","","c"],"set":["z"],"counts":[0,18446744073709551615],"intervals":[-1.5,0.000001],"addrs":["10.0.0.1"],"odd \"name'; --":"it's \"odd\""}`,
		`{"record":"every-type","time":1700000001}`,
		`{"record":"every-type","time":1700000002.5,"string":"","bool":false,"count":0,"strings":[],"counts":[],"intervals":[]}`,
		`{"record":"every-type","time":1700000003,"string":"ünïcödé 日本 \ud83e\udd89","enum":"nul \u0000 tab \t","set":["twelve bytes","thirteen byte"]}`,
		`{"record":"every-type","time":1700000004,"string":"` + long + `"}`,
	}
	want := []string{
		"1700000000000000001 -1 a 18446744073709551615 -9223372036854775808 -1.5e+300 true 2001:db8::1 65535 x [a  c] [z] [0 18446744073709551615] [-1500000000 1000] [10.0.0.1] it's \"odd\"",
		"1700000001000000000 - - - - - - - - - - - - - - -",
		"1700000002500000000 -  0 - - false - - - [] - [] [] - -",
		"1700000003000000000 - ünïcödé 日本 🦉 - - - - - - nul \x00 tab \t - [twelve bytes thirteen byte] - - - -",
		"1700000004000000000 - " + long + " - - - - - - - - - - - - -",
	}
	dir, ks := t.TempDir(), Kinds(t)
	s := open(t, dir, ks)
	Load(t, s, ks, strings.Join(lines, "\n"))
	q := &store.Query{Kind: "every-type", Steps: []store.Step{store.Sort{Keys: []store.Key{{Field: "time"}}}}}
	for _, when := range []string{"before", "after"} {
		got := strings.Split(strings.TrimSuffix(Rows(t, s, q), "\n"), "\n")
		if !slices.Equal(got, want) {
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || got[i] != want[i] {
					t.Errorf("%s it was opened again, row %d:\n got %.300q\nwant %.300q", when, i, at(got, i), at(want, i))
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, ks)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "(none)"
}

const dayOne, dayTwo = 1_700_000_000_000_000_000, dayOne + 86_400_000_000_000

func testPartitions(t *testing.T, open Open) {
	dir, ks := t.TempDir(), Kinds(t)
	s := open(t, dir, ks)
	defer func() { s.Close() }()
	// One batch whose rows are of three days, out of order, and of no day.
	Load(t, s, ks, `{"record":"dns","ts":1700086400,"uid":"C2","query":"two"}
{"record":"dns","ts":1700000000,"uid":"C1","query":"one"}
{"record":"dns","ts":-5,"uid":"C0","query":"none"}
{"record":"dns","ts":1700172800,"uid":"C3","query":"three"}
{"record":"dns","ts":9000000000,"uid":"C9","query":"far"}
{"record":"session","ts":1700000000,"uid":"C1","app":"dns"}
`)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, ks)
	parts, err := s.Partitions()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range parts {
		names = append(names, p.Name)
		if p.Bytes <= 0 || p.First >= p.Last {
			t.Errorf("partition %+v", p)
		}
	}
	if got, want := strings.Join(names, " "), "undated 2023-11-14 2023-11-15 2023-11-16"; got != want {
		t.Errorf("partitions %s, want %s", got, want)
	}
	for _, c := range []struct {
		after, before int64
		want          string
	}{
		{0, 0, "none one two three far"},
		{dayOne, dayTwo, "one"},
		{dayOne, dayTwo + 1, "one two"},
		{dayTwo, 0, "two three far"},
		{0, dayOne, "none"},
	} {
		q := &store.Query{Kind: "dns", After: c.after, Before: c.before, Steps: []store.Step{
			store.Sort{Keys: []store.Key{{Field: "ts"}}}, store.Select{Columns: []store.Named{{Name: "query", Expr: store.Field("query")}}}}}
		if got := strings.Join(strings.Fields(Rows(t, s, q)), " "); got != c.want {
			t.Errorf("from %d to %d: %s, want %s", c.after, c.before, got, c.want)
		}
	}
}

func testRetention(t *testing.T, open Open) {
	dir, ks := t.TempDir(), Kinds(t)
	s := open(t, dir, ks)
	defer s.Close()
	for day := range 5 {
		Load(t, s, ks, fmt.Sprintf(`{"record":"dns","ts":%d,"uid":"C%d","query":"q"}`, 1_700_000_000+86_400*day, day))
	}
	removed := func(k store.Keep) string {
		list, err := s.Retain(context.Background(), k)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range list {
			names = append(names, p.Name)
		}
		return strings.Join(names, " ")
	}
	count := &store.Query{Kind: "dns", Steps: []store.Step{store.Group{Aggregates: []store.Aggregate{{Name: "n", Func: store.Count}}}}}
	for _, c := range []struct {
		keep store.Keep
		want string
		left string
	}{
		{store.Keep{}, "", "5\n"},
		{store.Keep{Before: dayOne}, "", "5\n"},                           // the first day is not wholly older
		{store.Keep{Before: dayTwo}, "2023-11-14", "4\n"},                 // now it is
		{store.Keep{Bytes: 1 << 40}, "", "4\n"},                           // there is room
		{store.Keep{Bytes: 1}, "2023-11-15 2023-11-16 2023-11-17", "1\n"}, // the newest stays
	} {
		if got := removed(c.keep); got != c.want {
			t.Errorf("%+v removed %q, want %q", c.keep, got, c.want)
		}
		if got := Rows(t, s, count); got != c.left {
			t.Errorf("%+v: %s rows are left, want %s", c.keep, got, c.left)
		}
	}
	Load(t, s, ks, `{"record":"dns","ts":1700000000,"uid":"C0","query":"again"}`)
	if got := Rows(t, s, count); got != "2\n" {
		t.Errorf("a day that was removed holds %s rows with the newest, want 2", got)
	}
}

// testLarge appends more rows than any buffer holds, with lists of many sizes.
func testLarge(t *testing.T, open Open) {
	const rows = 150_000
	ks := Kinds(t)
	s := open(t, t.TempDir(), ks)
	defer s.Close()
	b := store.NewBatch(ks.Find("dns"))
	k := ks.Find("dns")
	query, answers := k.Field("query"), k.Field("answers")
	elements := 0
	for i := range rows {
		b.Columns[0].AppendInt(dayOne + int64(i))
		b.Columns[1].AppendText(fmt.Sprintf("C%d", i))
		b.Columns[query].AppendText(strings.Repeat("x", i%300))
		if i%7 != 0 {
			for j := range i % 5 {
				b.Columns[answers].Text = append(b.Columns[answers].Text, fmt.Sprintf("answer number %d", j)...)
				b.Columns[answers].EndElement()
				elements++
			}
			b.Columns[answers].EndList()
		}
		b.EndRow()
	}
	if err := s.Append(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	got := Rows(t, s, &store.Query{Kind: "dns", Steps: []store.Step{store.Group{Aggregates: []store.Aggregate{
		{Name: "n", Func: store.Count}, {Name: "uids", Func: store.Distinct, Expr: store.Field("uid")},
		{Name: "letters", Func: store.Sum, Expr: store.Call{Op: store.Length, Args: []store.Expr{store.Field("query")}}},
		{Name: "elements", Func: store.Sum, Expr: store.Call{Op: store.Length, Args: []store.Expr{store.Field("answers")}}},
		{Name: "lists", Func: store.Count, Expr: store.Field("answers")}}}}})
	want := fmt.Sprintf("%d %d %d %d %d\n", rows, rows, rows/300*(299*300/2), elements, rows-(rows+6)/7)
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	i := 0
	err := s.Query(context.Background(), &store.Query{Kind: "dns"}, func(batch *store.Batch) error {
		for row := range batch.Rows {
			if uid := fmt.Sprintf("C%d", i); string(batch.Columns[1].TextAt(row)) != uid || len(batch.Columns[query].TextAt(row)) != i%300 {
				return fmt.Errorf("row %d is %v", i, batch.Value(row, 1))
			}
			i++
		}
		return nil
	})
	if err != nil || i != rows {
		t.Errorf("a scan gave %d rows in the order of appending, %v", i, err)
	}
}

// testReaders reads from several goroutines while batches of 100 rows are
// appended to two tables: none may see a part of one.
func testReaders(t *testing.T, open Open) {
	ks := Kinds(t)
	s := open(t, t.TempDir(), ks)
	defer s.Close()
	var lines strings.Builder
	for i := range 100 {
		fmt.Fprintf(&lines, "{\"record\":\"dns\",\"ts\":1700000000,\"uid\":\"C%d\",\"query\":\"q\"}\n", i)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			last := uint64(0)
			for {
				n, err := countOf(s, "dns")
				if err != nil || n%100 != 0 || n < last {
					t.Errorf("%d rows after %d, %v", n, last, err)
					return
				}
				last = n
				select {
				case <-done:
					return
				default:
				}
			}
		}()
	}
	for range 20 {
		Load(t, s, ks, lines.String())
	}
	close(done)
	wg.Wait()
	if n, err := countOf(s, "dns"); n != 2000 || err != nil {
		t.Errorf("%d rows at the end, %v", n, err)
	}
}

func countOf(s store.Store, kind string) (n uint64, err error) {
	q := &store.Query{Kind: kind, Steps: []store.Step{store.Group{Aggregates: []store.Aggregate{{Name: "n", Func: store.Count}}}}}
	err = s.Query(context.Background(), q, func(b *store.Batch) error {
		n = b.Value(0, 0).(uint64)
		return nil
	})
	return n, err
}

func testErrors(t *testing.T, open Open) {
	ks := Kinds(t)
	s := open(t, t.TempDir(), ks)
	Load(t, s, ks, `{"record":"dns","ts":1700000000,"uid":"C1","query":"q"}`)
	all := &store.Query{Kind: "dns"}
	stop := errors.New("stop")
	if err := s.Query(context.Background(), all, func(*store.Batch) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an error of yield became %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Query(ended, all, func(*store.Batch) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended gave %v", err)
	}
	var unknown *store.NameError
	for _, q := range []*store.Query{
		{Kind: `dns" --`},
		{Kind: "dns", Steps: []store.Step{store.Sort{Keys: []store.Key{{Field: `query" --`}}}}},
		{Kind: "dns", Steps: []store.Step{store.Filter{Where: store.Call{Op: store.Exists, Args: []store.Expr{store.Field("nothing")}}}}},
	} {
		if err := s.Query(context.Background(), q, func(*store.Batch) error { return nil }); !errors.As(err, &unknown) {
			t.Errorf("%+v gave %v, want a NameError", q, err)
		}
	}
	if err := s.Append(context.Background(), &store.Batch{Kind: "nothing"}); err == nil {
		t.Error("rows of a table that is not there were taken")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Query(context.Background(), all, func(*store.Batch) error { return nil }); err == nil {
		t.Error("a closed store answered")
	}
}

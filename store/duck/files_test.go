//go:build cgo && (linux || darwin || (windows && amd64))

package duck_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tyto/internal/record"
	"tyto/store"
	"tyto/store/duck"
	"tyto/store/storetest"
)

const line = `{"record":"dns","ts":1700000000,"uid":"C1","query":"a.example"}` + "\n"

var all = &store.Query{Kind: "dns", Steps: []store.Step{store.Select{Columns: []store.Named{{Name: "query", Expr: store.Field("query")}}}}}

func query(s store.Store, q *store.Query) (rows int, err error) {
	err = s.Query(context.Background(), q, func(b *store.Batch) error {
		rows += b.Rows
		return nil
	})
	return rows, err
}

// made returns a directory with the file of one day, and the file.
func made(t *testing.T) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	ks := storetest.Kinds(t)
	s := open(t, dir, ks, duck.Options{})
	storetest.Load(t, s, ks, line)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(dir, "2023-11-14.duckdb")
}

// same fails if a file is not what it was.
func same(t *testing.T, file string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s was changed: %d bytes, were %d, %v", file, len(got), len(want), err)
	}
}

// TestForeign puts files of other origin where a day should be: they are told
// apart, and stay as they are.
func TestForeign(t *testing.T) {
	_, ours := made(t)
	good, err := os.ReadFile(ours)
	if err != nil {
		t.Fatal(err)
	}
	truncated := bytes.Clone(good[:len(good)/2])
	flipped := bytes.Clone(good)
	for i := 4096; i < len(flipped); i += 97 {
		flipped[i] ^= 0x55
	}
	other := otherDatabase(t)
	for _, c := range []struct {
		name    string
		content []byte
		want    error
	}{
		{"text", []byte("these are notes of mine, and no database"), store.ErrForeign},
		{"empty", nil, store.ErrForeign},
		{"short", []byte("DUCK"), store.ErrForeign},
		{"header", append([]byte("12345678DUCK"), make([]byte, 5000)...), store.ErrDamaged},
		{"truncated", truncated, store.ErrDamaged},
		{"flipped", flipped, store.ErrDamaged},
		{"other", other, store.ErrForeign},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "2023-11-14.duckdb")
			if err := os.WriteFile(file, c.content, 0o644); err != nil {
				t.Fatal(err)
			}
			ks := storetest.Kinds(t)
			s, err := duck.Open(dir, ks, duck.Options{})
			if err == nil {
				if _, err = query(s, all); !errors.Is(err, c.want) {
					t.Errorf("a query gave %v, want %v", err, c.want)
				}
				l := store.NewLoader(context.Background(), s, ks)
				if _, err := l.Write([]byte(line)); err != nil {
					t.Fatal(err)
				}
				if err = l.Close(); !errors.Is(err, c.want) {
					t.Errorf("appending gave %v, want %v", err, c.want)
				}
				storetest.Load(t, s, ks, strings.Replace(line, "1700000000", "1800000000", 1)) // other days still work
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), "2023-11-14.duckdb") {
				t.Errorf("got %v, want %v with the file's name", err, c.want)
			}
			same(t, file, c.content)
		})
	}
}

// otherDatabase is a DuckDB database that is no store: an exported table.
func otherDatabase(t *testing.T) []byte {
	t.Helper()
	dir, file := made(t)
	duck.Exec(t, dir, "DROP SCHEMA $DAY.meta CASCADE")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNewer(t *testing.T) {
	dir, file := made(t)
	duck.Exec(t, dir, "UPDATE $DAY.meta.tyto SET value = '99'")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, storetest.Kinds(t), duck.Options{})
	if _, err := query(s, all); !errors.Is(err, store.ErrNewer) {
		t.Errorf("got %v, want ErrNewer", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	same(t, file, before)
}

// TestSchemaChange opens a store with other schemas than it was written with:
// fields that are new, gone, of another type, and a kind that is gone.
func TestSchemaChange(t *testing.T) {
	dir := t.TempDir()
	older, err := store.NewKinds(storetest.Session, record.New("dns", "", "", record.Field{Name: "query", Type: record.String}, record.Field{Name: "ttl", Type: record.String}, record.Field{Name: "gone", Type: record.Count}))
	if err != nil {
		t.Fatal(err)
	}
	newer, err := store.NewKinds(record.New("dns", "", "", record.Field{Name: "answers", Type: record.Strings}, record.Field{Name: "query", Type: record.String}, record.Field{Name: "ttl", Type: record.Count}))
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, older, duck.Options{})
	storetest.Load(t, s, older, `{"record":"dns","ts":1700000000,"uid":"C1","query":"a","ttl":"60","gone":7}
{"record":"dns","ts":1700000001,"uid":"C2","query":"b","ttl":"no number"}
{"record":"session","ts":1700000001,"uid":"C2"}
`)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	q := &store.Query{Kind: "dns", Steps: []store.Step{store.Select{Columns: []store.Named{
		{Name: "answers", Expr: store.Field("answers")}, {Name: "query", Expr: store.Field("query")}, {Name: "ttl", Expr: store.Field("ttl")}}}}}
	s = open(t, dir, newer, duck.Options{})
	if got, want := storetest.Rows(t, s, q), "- a 60\n- b -\n"; got != want {
		t.Errorf("read with the newer schema: %q, want %q", got, want)
	}
	storetest.Load(t, s, newer, `{"record":"dns","ts":1700000002,"uid":"C3","answers":["x"],"query":"c","ttl":5}`)
	want := "- a 60\n- b -\n[x] c 5\n"
	if got := storetest.Rows(t, s, q); got != want {
		t.Errorf("written with the newer schema: %q, want %q", got, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, newer, duck.Options{ReadOnly: true})
	if got := storetest.Rows(t, s, q); got != want {
		t.Errorf("opened again: %q, want %q", got, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, older, duck.Options{}) // the field that was gone has its values still
	defer s.Close()
	gone := &store.Query{Kind: "dns", Steps: []store.Step{store.Select{Columns: []store.Named{{Name: "gone", Expr: store.Field("gone")}}}}}
	if got := storetest.Rows(t, s, gone); got != "7\n-\n-\n" {
		t.Errorf("a field that is back: %q", got)
	}
}

// TestHostileTimes stores rows at random times: no more files than allowed are
// made, and no row is lost.
func TestHostileTimes(t *testing.T) {
	dir, ks := t.TempDir(), storetest.Kinds(t)
	s := open(t, dir, ks, duck.Options{MaxDays: 20})
	defer s.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for range 2 {
		b.Reset()
		for range 1000 {
			fmt.Fprintf(&b, "{\"record\":\"dns\",\"ts\":%d,\"uid\":\"C1\",\"query\":\"q\"}\n", rng.Int64N(9_000_000_000))
		}
		b.WriteString(strings.Repeat(line, 10)) // the day with most rows gets its file
		storetest.Load(t, s, ks, b.String())
	}
	parts, err := s.Partitions()
	if err != nil || len(parts) > 21 {
		t.Errorf("%d partitions, %v", len(parts), err)
	}
	if n, err := query(s, all); n != 2020 || err != nil {
		t.Errorf("%d rows, %v, want 2020", n, err)
	}
	day := *all
	day.After, day.Before = 1_700_000_000_000_000_000, 1_700_000_000_000_000_001
	if n, err := query(s, &day); n != 20 || err != nil {
		t.Errorf("%d rows of the day, %v, want 20", n, err)
	}
}

func TestSQL(t *testing.T) {
	dir, _ := made(t)
	secret := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(secret, []byte("a,b\n1,2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, storetest.Kinds(t), duck.Options{})
	defer s.Close()
	for _, c := range []struct{ text, want string }{
		{"SELECT ts, query, length(answers), 1.5, 3::TINYINT, [1,2], DATE '2024-01-01' FROM dns -- end", "1700000000000000000 a.example - 1.5 3 [1, 2] 1704067200000000000\n"},
		{"SELECT count(*) FROM session;", "0\n"},
		{"WITH x AS (SELECT 1 AS a) SELECT a, a FROM x", "1 1\n"},
		{"SELECT nothing FROM dns", "error"},
		{"DELETE FROM dns", "error"},
		{`DELETE FROM "2023-11-14".main.dns`, "error"},
		{"SELECT 1; DELETE FROM dns", "error"},
		{"SELECT 1) AS q(c0); DROP TABLE dns --", "error"},
		{"COPY dns TO '" + filepath.Join(t.TempDir(), "x.csv") + "'", "error"},
		{"SELECT * FROM read_csv('" + secret + "')", "error"},
		{"ATTACH '" + secret + "'", "error"},
		{"SET enable_external_access = true", "error"},
		{"PRAGMA database_list", "error"},
		{"", "error"},
	} {
		got := ""
		err := s.SQL(context.Background(), c.text, func(b *store.Batch) error {
			for row := range b.Rows {
				for i := range b.Columns {
					got += storetest.Text(b.Value(row, i)) + " "
				}
				got = strings.TrimSuffix(got, " ") + "\n"
			}
			return nil
		})
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q (%v)", c.text, got, c.want, err)
		}
	}
	if n, err := query(s, all); n != 1 || err != nil {
		t.Errorf("%d rows are left, %v", n, err)
	}
}

func TestExport(t *testing.T) {
	dir, _ := made(t)
	s := open(t, dir, storetest.Kinds(t), duck.Options{})
	defer s.Close()
	path := filepath.Join(t.TempDir(), "it's.parquet")
	if err := s.Export("dns", 1, 1_800_000_000_000_000_000, path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(b, []byte("PAR1")) || !bytes.HasSuffix(b, []byte("PAR1")) {
		t.Errorf("%d bytes that are no Parquet, %v", len(b), err)
	}
	if err := s.Export("dns", 0, 0, path); err == nil {
		t.Error("a file that was there was written over")
	}
	if err := s.Export("nothing", 0, 0, path+"2"); err == nil {
		t.Error("a table that is not there was exported")
	}
	left, err := filepath.Glob(filepath.Join(dir, "export*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestMemory sorts more than DuckDB may hold.
func TestMemory(t *testing.T) {
	ks := storetest.Kinds(t)
	s := open(t, t.TempDir(), ks, duck.Options{Memory: 96 << 20, Threads: 1})
	defer s.Close()
	b := store.NewBatch(ks.Find("dns"))
	query := ks.Find("dns").Field("query")
	for round := range 8 {
		b.Reset()
		for i := range 50_000 {
			b.Columns[0].AppendInt(1_700_000_000_000_000_000 + int64(i))
			b.Columns[query].AppendText(fmt.Sprintf("%0400d", (i*7919+round)%50_000))
			b.EndRow()
		}
		if err := s.Append(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	q := &store.Query{Kind: "dns", Steps: []store.Step{store.Sort{Keys: []store.Key{{Field: "query"}}}}}
	rows, last := 0, ""
	err := s.Query(context.Background(), q, func(b *store.Batch) error {
		for row := range b.Rows {
			if v := string(b.Columns[query].TextAt(row)); v < last {
				return fmt.Errorf("row %d is not in order", rows)
			} else {
				last = v
			}
			rows++
		}
		return nil
	})
	if err != nil || rows != 400_000 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

func TestReadOnly(t *testing.T) {
	dir, file := made(t)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ks := storetest.Kinds(t)
	s := open(t, dir, ks, duck.Options{ReadOnly: true})
	if n, err := query(s, all); n != 1 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
	if err := s.Append(context.Background(), store.NewBatch(ks.Find("dns"))); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("append gave %v", err)
	}
	if _, err := s.Retain(context.Background(), store.Keep{Bytes: 1}); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("retain gave %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	same(t, file, before)
	if _, err := duck.Open(filepath.Join(dir, "nothing"), ks, duck.Options{ReadOnly: true}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there gave %v", err)
	}
}

func TestOneWriter(t *testing.T) {
	dir, ks := t.TempDir(), storetest.Kinds(t)
	s := open(t, dir, ks, duck.Options{})
	defer s.Close()
	if _, err := duck.Open(dir, ks, duck.Options{}); !errors.Is(err, store.ErrBusy) {
		t.Errorf("a second writer gave %v", err)
	}
}

// TestGather gathers rows of more days than have transactions at a time: queries
// see a day's rows when they are durable, and what was not appended is gone.
func TestGather(t *testing.T) {
	ks := storetest.Kinds(t)
	dir := t.TempDir()
	s := open(t, dir, ks, duck.Options{Threads: 1})
	ctx := context.Background()
	batch := func(day int64, rows int) *store.Batch {
		b := store.NewBatch(ks.Find("dns"))
		for i := range rows {
			b.Columns[0].AppendInt((1_700_000_000+86400*day)*1e9 + int64(i))
			b.EndRow()
		}
		return b
	}
	count := func(want int) {
		t.Helper()
		if got, err := query(s, all); err != nil || got != want {
			t.Fatalf("%d rows, %v, want %d", got, err, want)
		}
	}
	for day := range int64(3) {
		for range 3 {
			if err := s.Gather(ctx, batch(day, 5000)); err != nil {
				t.Fatal(err)
			}
		}
	}
	count(0)
	if err := s.Append(ctx, batch(1, 7)); err != nil {
		t.Fatal(err)
	}
	count(45_007)
	// Many days in one go: those beyond what one Append may make are undated.
	for day := range int64(60) {
		if err := s.Gather(ctx, batch(day, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Append(ctx); err != nil {
		t.Fatal(err)
	}
	count(45_067)
	if parts, err := s.Partitions(); err != nil || len(parts) != 3+16+1 {
		t.Errorf("%d partitions, %v, want 20", len(parts), err)
	}
	if err := s.Gather(ctx, batch(0, 9)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, ks, duck.Options{})
	count(45_067)
	if err := s.Gather(ctx, &store.Batch{Kind: "no such kind"}); err == nil {
		t.Error("rows of no table were taken")
	}
}

//go:build cgo && (linux || darwin)

package duck_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"tyto/store"
	"tyto/store/duck"
	"tyto/store/storetest"
)

// writerDir, in the environment, makes this test program the writer that
// TestCrash kills.
const writerDir = "TYTO_STORE_WRITER"

// writerOpen is what the writer says when it begins to append.
const writerOpen = "open"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		if err := writeForever(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// writeForever appends numbered batches, each to two tables, and tells the
// number of a batch when it is in the store. Days pass as it goes, and batches
// are of all sizes up to several row groups' worth of work.
func writeForever(dir string) error {
	ks, err := store.NewKinds(storetest.Session, storetest.DNS)
	if err != nil {
		return err
	}
	s, err := duck.Open(dir, ks, duck.Options{Memory: 128 << 20, Threads: 1})
	if err != nil {
		return err
	}
	first, err := strconv.Atoi(os.Getenv("TYTO_STORE_FIRST"))
	if err != nil {
		return err
	}
	fmt.Println(writerOpen)
	sessions, lookups := store.NewBatch(ks.Find("session")), store.NewBatch(ks.Find("dns"))
	app, query := ks.Find("session").Field("app"), ks.Find("dns").Field("query")
	for n := first; ; n++ {
		sessions.Reset()
		lookups.Reset()
		for i := range batchRows(n) {
			ts := 1_700_000_000_000_000_000 + int64(n/10)*86_400_000_000_000 + int64(i)
			sessions.Columns[0].AppendInt(ts)
			sessions.Columns[app].AppendText(strconv.Itoa(n))
			sessions.EndRow()
			lookups.Columns[0].AppendInt(ts)
			lookups.Columns[query].AppendText(fmt.Sprintf("%d of batch %d", i, n))
			lookups.EndRow()
		}
		if err := s.Append(context.Background(), sessions, lookups); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

func batchRows(n int) int { return []int{1, 10, 3000, 100, 20_000, 1, 130_000, 10}[n%8] }

// TestCrash kills a writer at random moments: every time the store opens, has
// all batches that were acknowledged, at most one more, and each whole. KILLS in
// the environment says how often; 50 take a few minutes.
func TestCrash(t *testing.T) {
	kills := 8
	if n, err := strconv.Atoi(os.Getenv("KILLS")); err == nil {
		kills = n
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(3, 4))
	next := 0
	for kill := range kills {
		told := runAndKill(t, dir, next, next+rng.IntN(4), time.Duration(rng.Int64N(int64(200*time.Millisecond))))
		have := batchesOf(t, dir)
		if have < told || have > told+1 {
			t.Fatalf("kill %d: %d batches are stored, %d were acknowledged", kill, have, told)
		}
		next = have
	}
	t.Logf("%d batches after %d kills", next, kills)
}

// runAndKill starts the writer and kills it some time after so many batches in
// all were acknowledged. It returns how many were acknowledged in the end.
func runAndKill(t *testing.T, dir string, first, batches int, after time.Duration) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerDir+"="+dir, "TYTO_STORE_FIRST="+strconv.Itoa(first))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := first
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() != writerOpen {
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatal(err)
			}
			told = n + 1
		}
		if told == batches {
			timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
		}
	}
	_, _ = io.Copy(io.Discard, out)
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the writer ended by itself: %v", err)
	}
	return told
}

// batchesOf opens the store and returns how many batches it has, from 0, each
// whole in both tables.
func batchesOf(t *testing.T, dir string) int {
	t.Helper()
	ks := storetest.Kinds(t)
	s := open(t, dir, ks, duck.Options{Memory: 128 << 20})
	defer func() {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	number := store.Call{Op: store.Item, Args: []store.Expr{store.Field("query"), store.Literal{Value: " "}, store.Literal{Value: int64(-1)}}}
	seen := make(map[string]int)
	n := 0
	for _, q := range []*store.Query{
		{Kind: "session", Steps: []store.Step{store.Group{By: []store.Named{{Name: "n", Expr: store.Field("app")}}, Aggregates: []store.Aggregate{{Name: "rows", Func: store.Count}}}}},
		{Kind: "dns", Steps: []store.Step{store.Group{By: []store.Named{{Name: "n", Expr: number}}, Aggregates: []store.Aggregate{{Name: "rows", Func: store.Count}}}}},
	} {
		err := s.Query(context.Background(), q, func(b *store.Batch) error {
			for row := range b.Rows {
				batch, err := strconv.Atoi(b.Value(row, 0).(string))
				if err != nil {
					return err
				}
				if rows := int(b.Value(row, 1).(uint64)); rows != batchRows(batch) {
					return fmt.Errorf("batch %d has %d rows in %s, not %d", batch, rows, q.Kind, batchRows(batch))
				}
				seen[q.Kind]++
				n = max(n, batch+1)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen["session"] != n || seen["dns"] != n {
		t.Fatalf("%d batches up to %d in sessions, %d in lookups", seen["session"], n, seen["dns"])
	}
	return n
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"tyto/store"
	"tyto/store/duck"
)

// way is a way to keep what a capture shows.
type way struct {
	name string
	args []string // of analyze; DIR is replaced
}

var ways = []way{
	{"--json", []string{"--json"}},
	{"--json --entities", []string{"--json", "--entities"}},
	{"--db --no-packets", []string{"--db", "DIR", "--no-packets"}},
	{"--db", []string{"--db", "DIR"}},
}

// cost is what a run took.
type cost struct {
	cpu, wall time.Duration
	peak      int64 // bytes
}

// ingest runs tyto analyze on a capture in each way in turn, rounds times, and
// tells the medians, and by which factor the processor time is that of --json,
// pair by pair.
func ingest(kinds *store.Kinds, tyto, capture string, rounds int, more []string) error {
	dir, err := os.MkdirTemp("", "tyto-bench-ingest")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db := filepath.Join(dir, "db")
	costs := make([][]cost, len(ways))
	for range rounds {
		for i, w := range ways {
			if err := os.RemoveAll(db); err != nil {
				return err
			}
			c, err := analyze(tyto, capture, filepath.Join(dir, "out"), db, append(w.args[:len(w.args):len(w.args)], more...))
			if err != nil {
				return fmt.Errorf("tyto analyze %s: %w", w.name, err)
			}
			costs[i] = append(costs[i], c)
		}
	}
	for i, w := range ways {
		var ratios []float64
		for round, c := range costs[i] {
			ratios = append(ratios, c.cpu.Seconds()/costs[0][round].cpu.Seconds())
		}
		fmt.Printf("ingest %-18s %6.2f s of processor, %6.2f s, %5.0f MiB at most, %.2f times --json\n", w.name,
			median(costs[i], func(c cost) float64 { return c.cpu.Seconds() }), median(costs[i], func(c cost) float64 { return c.wall.Seconds() }),
			median(costs[i], func(c cost) float64 { return float64(c.peak) / (1 << 20) }), median(ratios, func(v float64) float64 { return v }))
	}
	return weigh(kinds, capture, db)
}

func median[T any](list []T, of func(T) float64) float64 {
	var v []float64
	for _, x := range list {
		v = append(v, of(x))
	}
	slices.Sort(v)
	return v[len(v)/2]
}

func analyze(tyto, capture, out, db string, args []string) (c cost, err error) {
	f, err := os.Create(out)
	if err != nil {
		return c, err
	}
	defer f.Close()
	for i, a := range args {
		if a == "DIR" {
			args[i] = db
		}
	}
	cmd := exec.Command(tyto, append([]string{"analyze", capture, "--quiet"}, args...)...)
	cmd.Stdout, cmd.Stderr = f, os.Stderr
	started := time.Now()
	err = cmd.Run()
	c.wall = time.Since(started)
	if s := cmd.ProcessState; s != nil {
		c.cpu = s.UserTime() + s.SystemTime()
		if u, ok := s.SysUsage().(*syscall.Rusage); ok {
			c.peak = u.Maxrss << 10
		}
	}
	return c, err
}

// weigh tells what the store of a capture takes on disk: the packets, the
// records, and the tables of sessions and series, each copied alone.
func weigh(kinds *store.Kinds, capture, db string) error {
	info, err := os.Stat(capture)
	if err != nil {
		return err
	}
	packets, err := treeBytes(filepath.Join(db, "packets"))
	if err != nil {
		return err
	}
	all, err := treeBytes(db)
	if err != nil {
		return err
	}
	fmt.Printf("size: capture %.1f MB, packets %.1f MB, records %.1f MB\n", float64(info.Size())/1e6, float64(packets)/1e6, float64(all-packets)/1e6)
	for _, kind := range []string{"session", "series"} {
		if err := weighTable(kinds, db, kind); err != nil {
			return fmt.Errorf("weigh %s: %w", kind, err)
		}
	}
	return nil
}

func treeBytes(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}

// weighTable copies a table to a store of its own and tells what a row takes,
// the fixed part of its files included.
func weighTable(kinds *store.Kinds, db, kind string) error {
	from, err := duck.Open(db, kinds, duck.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer from.Close()
	dir, err := os.MkdirTemp("", "tyto-bench-table")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	to, err := duck.Open(dir, kinds, duck.Options{})
	if err != nil {
		return err
	}
	rows, err := copyTable(from, to, kinds.Find(kind))
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	n, err := treeBytes(dir)
	fmt.Printf("size: %d rows of %s, %.1f bytes each\n", rows, kind, float64(n)/float64(max(rows, 1)))
	return err
}

func copyTable(from, to store.Store, k *store.Kind) (rows int, err error) {
	ctx := context.Background()
	b := store.NewBatch(k)
	err = from.Query(ctx, &store.Query{Kind: k.Name}, func(part *store.Batch) error {
		for i := range part.Rows {
			b.AppendRow(part, i)
			rows++
			if b.Rows == store.LoadRows {
				if err := to.Append(ctx, b); err != nil {
					return err
				}
				b.Reset()
			}
		}
		return nil
	})
	if err != nil || b.Rows == 0 {
		return rows, err
	}
	return rows, to.Append(ctx, b)
}

// Store measures the store: how fast synthetic sessions are appended and how
// large they are, how long every shipped hunt takes on them, and questions to the
// graph in memory; of a capture, what --db costs against --json.
//
//	go run ./bench/store [-sessions 10000000] [-days 7] [-dir DIR] [-hunts=true] [-edges 1000000]
//	go run ./bench/store -sessions 0 -edges 0 -capture mixed.pcap [-tyto bin/tyto] [-rounds 3] [FLAGS OF ANALYZE]
//
// The sessions are of 2,000 hosts and 20,000 servers, with the columns of the
// session records; beside them are the records of protocols that the hunts ask
// for, about half as many. Times are of this process: of the clock, and of the
// processor, which other work on the machine changes less.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"syscall"
	"time"

	"tyto/entity"
	"tyto/hunt"
	"tyto/internal/record"
	"tyto/protocol/all"
	"tyto/sensor"
	"tyto/store"
	"tyto/store/duck"
)

func main() {
	sessions := flag.Int("sessions", 1_000_000, "how many sessions")
	days := flag.Int("days", 7, "over how many days")
	dir := flag.String("dir", "", "directory of the store; a temporary one, removed at the end, if not given")
	hunts := flag.Bool("hunts", true, "run the hunts")
	memory := flag.Int64("memory", 1024, "MiB that DuckDB may use")
	edges := flag.Int("edges", 1_000_000, "how many relations the graph in memory has")
	capture := flag.String("capture", "", "capture to analyse in all ways")
	tyto := flag.String("tyto", "bin/tyto", "program that analyses it, built with the database (make build-db)")
	rounds := flag.Int("rounds", 3, "how often it does")
	profile := flag.String("cpuprofile", "", "file for a profile of the appending")
	flag.Parse()
	if *profile != "" {
		f, err := os.Create(*profile)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench/store:", err)
			os.Exit(1)
		}
	}
	err := run(*sessions, *days, *dir, *hunts, *memory<<20)
	if err == nil && *edges > 0 {
		askGraph(*edges)
	}
	if err == nil && *capture != "" {
		err = ingestCapture(*tyto, *capture, *rounds, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/store:", err)
		os.Exit(1)
	}
}

func ingestCapture(tyto, capture string, rounds int, more []string) error {
	kinds, err := store.NewKinds(sensor.Schemas(all.Set())...)
	if err != nil {
		return err
	}
	return ingest(kinds, tyto, capture, rounds, more)
}

func run(sessions, days int, dir string, hunts bool, memory int64) error {
	if sessions == 0 {
		return nil
	}
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "tyto-bench-store"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	kinds, err := store.NewKinds(append([]*record.Schema{entity.EntitySchema, entity.RelationSchema}, sensor.Schemas(all.Set())...)...)
	if err != nil {
		return err
	}
	s, err := duck.Open(dir, kinds, duck.Options{Memory: memory})
	if err != nil {
		return err
	}
	fmt.Printf("%s %s/%s, %d cores, %d sessions over %d days\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), sessions, days)
	err = errors.Join(appendSessions(s, kinds, sessions, days), s.Close())
	pprof.StopCPUProfile()
	if err != nil {
		return err
	}
	if s, err = duck.Open(dir, kinds, duck.Options{Memory: memory}); err != nil {
		return err
	}
	defer s.Close()
	if err := size(s, sessions); err != nil || !hunts {
		return err
	}
	if err := appendRecords(s, kinds, sessions, days); err != nil {
		return err
	}
	if err := ask(s, kinds); err != nil {
		return err
	}
	return askPath(s, kinds, newGenerator(kinds, days, sessions))
}

// cpu is the processor time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// appendSessions appends sessions while the next batch is made.
func appendSessions(s store.Store, kinds *store.Kinds, sessions, days int) error {
	g := newGenerator(kinds, days, sessions)
	batches := []*store.Batch{store.NewBatch(kinds.Find("session")), store.NewBatch(kinds.Find("session"))}
	free, full := make(chan *store.Batch, 2), make(chan *store.Batch)
	for _, b := range batches {
		free <- b
	}
	var making time.Duration
	go func() {
		defer close(full)
		for made := 0; made < sessions; {
			b := <-free
			b.Reset()
			started := time.Now()
			n := min(store.LoadRows, sessions-made)
			g.sessions(b, made, n)
			making += time.Since(started)
			made += n
			full <- b
		}
	}()
	started, worked, appending := time.Now(), cpu(), time.Duration(0)
	for b := range full {
		t := time.Now()
		if err := s.Append(context.Background(), b); err != nil {
			return err
		}
		appending += time.Since(t)
		free <- b
	}
	took := time.Since(started)
	fmt.Printf("append: %.0f sessions/s by the clock, of which %.1f s in Append and %.1f s beside it to make them; %.2f µs of processor each, making included\n",
		float64(sessions)/took.Seconds(), appending.Seconds(), making.Seconds(), float64((cpu()-worked).Microseconds())/float64(sessions))
	return nil
}

func size(s store.Store, sessions int) error {
	parts, err := s.Partitions()
	if err != nil {
		return err
	}
	var bytes int64
	for _, p := range parts {
		bytes += p.Bytes
	}
	fmt.Printf("size: %.1f MB in %d files, %.1f bytes a session\n", float64(bytes)/1e6, len(parts), float64(bytes)/float64(sessions))
	return nil
}

// ask runs every hunt three times and tells the median of each, and what
// processor time one took.
func ask(s store.Store, kinds *store.Kinds) error {
	ctx := context.Background()
	now, err := hunt.Now(ctx, s, kinds)
	if err != nil {
		return err
	}
	var all []time.Duration
	for _, h := range hunt.Hunts() {
		q, err := hunt.Parse(h.Query)
		if err != nil {
			return err
		}
		var times []time.Duration
		rows, worked := 0, cpu()
		for range 3 {
			rows = 0
			started := time.Now()
			err := hunt.Run(ctx, s, kinds, q, now, func(b *store.Batch) error {
				rows += b.Rows
				return nil
			})
			if err != nil {
				return fmt.Errorf("hunt %s: %w", h.Name, err)
			}
			times = append(times, time.Since(started))
		}
		slices.Sort(times)
		all = append(all, times[1])
		fmt.Printf("hunt %-24s %8.1f ms, %8.1f ms of processor, %6d rows\n", h.Name, times[1].Seconds()*1e3, (cpu()-worked).Seconds()*1e3/3, rows)
	}
	slices.Sort(all)
	fmt.Printf("hunts: median %.0f ms, worst %.0f ms\n", all[len(all)/2].Seconds()*1e3, all[len(all)-1].Seconds()*1e3)
	return nil
}

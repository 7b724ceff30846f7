package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tyto/internal/amount"
	"tyto/internal/record"
	"tyto/store"
	"tyto/store/archive"
)

var carveCommand = command{
	name:  "carve",
	usage: "carve [UID…] [--query HUNT] [--filter EXPRESSION] [--after TIME] [--before TIME] [--db DIR] -o FILE.pcapng",
	short: "give packets back that analyze --db kept: of sessions, of those a hunt finds, or those a filter as tcpdump's chooses",
	run:   carve,
}

// cut says which packets to carve, and where to.
type cut struct {
	db, out, query string
	uids           []string
	filter         *archive.Filter
	after, before  int64 // ns; 0: no limit
}

func parseCut(args []string) (k cut, err error) {
	fs := flag.NewFlagSet("carve", flag.ContinueOnError)
	fs.StringVar(&k.db, "db", defaultDB, "")
	fs.StringVar(&k.out, "o", "", "")
	fs.StringVar(&k.query, "query", "", "")
	fs.Func("filter", "", func(s string) error {
		k.filter, err = archive.ParseFilter(s)
		return err
	})
	fs.Func("after", "", func(s string) error { return parseTime(s, &k.after) })
	fs.Func("before", "", func(s string) error { return parseTime(s, &k.before) })
	if k.uids, err = parseMixed(fs, args); err != nil {
		return k, err
	}
	switch {
	case k.out == "":
		return k, usageError{errors.New("where to? give -o FILE.pcapng, or -o - for standard output")}
	case len(k.uids) == 0 && k.query == "" && k.filter == nil && k.after == 0 && k.before == 0:
		return k, usageError{errors.New("which packets? give identifiers of sessions (uid in records), --query, --filter, --after or --before")}
	}
	return k, nil
}

// parseTime reads a time as RFC 3339 has it, or a part of it, in UTC.
func parseTime(s string, ns *int64) error {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			*ns = t.UnixNano()
			return nil
		}
	}
	return fmt.Errorf("%q is no time: write 2026-11-24T14:02:11 or a part of it", s)
}

func carve(ctx context.Context, c *cli, args []string) error {
	k, err := parseCut(args)
	if err != nil {
		return err
	}
	if k.query != "" {
		found, err := huntUIDs(ctx, k.db, k.query)
		if err != nil {
			return err
		}
		if k.uids = append(k.uids, found...); len(k.uids) == 0 {
			return errors.New("the hunt finds no sessions")
		}
	}
	r, err := archive.Open(filepath.Join(k.db, packetsDir))
	if err != nil {
		return fmt.Errorf("%w; tyto analyze --db %s keeps packets there", err, k.db)
	}
	out := &captureFile{path: k.out, stdout: c.stdout}
	seen := make(map[string]bool)
	write := func(p *archive.Packet) error {
		if k.after != 0 && p.Time < k.after || k.before != 0 && p.Time >= k.before || k.filter != nil && !k.filter.Match(p) {
			return nil
		}
		seen[p.UID] = true
		return out.write(p)
	}
	if len(k.uids) > 0 {
		err = r.Sessions(ctx, k.uids, k.after, k.before, write)
	} else {
		err = r.Scan(ctx, k.after, k.before, write)
	}
	if err = errors.Join(err, out.close()); err != nil {
		return err
	}
	return told(c, &k, out.packets, seen)
}

// told says what was carved, and of which sessions there was nothing.
func told(c *cli, k *cut, packets int, seen map[string]bool) error {
	if packets == 0 {
		return errors.New("no packets of that are kept; was the capture analysed with --db and without --no-packets?")
	}
	without := slices.DeleteFunc(slices.Clone(k.uids), func(uid string) bool { return seen[uid] })
	if n := len(without); n > 0 && len(k.uids) > 1 {
		fmt.Fprintf(c.stderr, "tyto: %d of %d sessions have no packets of their own here, as %s\n", n, len(k.uids), without[0])
	}
	if k.out != "-" {
		fmt.Fprintf(c.stderr, "tyto: %s packets are in %s\n", amount.Thousands(uint64(packets)), k.out)
	}
	return nil
}

// huntUIDs returns the sessions that a hunt finds.
func huntUIDs(ctx context.Context, dir, text string) ([]string, error) {
	var uids []string
	err := ask(ctx, dir, text, func(b *store.Batch) error {
		at := slices.IndexFunc(b.Fields, func(f record.Field) bool { return f.Name == "uid" })
		if at < 0 {
			return usageError{fmt.Errorf("the hunt %q gives no uid: leave out stats, or keep uid in fields", strings.TrimSpace(text))}
		}
		for row := range b.Rows {
			if uid, ok := b.Value(row, at).(string); ok {
				uids = append(uids, uid)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(uids)
	return slices.Compact(uids), nil
}

// captureFile is a capture that is made when there is a packet for it.
type captureFile struct {
	path    string
	stdout  io.Writer
	packets int
	file    *os.File
	buffer  *bufio.Writer
	writer  *archive.CaptureWriter
}

func (f *captureFile) write(p *archive.Packet) error {
	if f.writer == nil {
		to := f.stdout
		if f.path != "-" {
			var err error
			if f.file, err = os.Create(f.path); err != nil {
				return fmt.Errorf("make capture: %w", err)
			}
			to = f.file
		}
		f.buffer = bufio.NewWriterSize(to, 256<<10)
		f.writer = archive.NewCaptureWriter(f.buffer)
	}
	f.packets++
	return f.writer.Write(p)
}

func (f *captureFile) close() error {
	if f.writer == nil {
		return nil
	}
	err := f.buffer.Flush()
	if f.file != nil {
		err = errors.Join(err, f.file.Close())
	}
	if err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	return nil
}

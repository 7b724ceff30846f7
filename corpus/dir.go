package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sync"

	"tyto/lab/label"
	"tyto/protocol"
)

// Dir is a directory of shards that grows. It may be used by several
// goroutines.
type Dir struct {
	set  *protocol.Set
	path string

	mu      sync.Mutex
	names   map[string]bool
	pending []*Run
	last    int // number of the latest shard
}

// shardRuns is how many runs a shard has; the last of a recording has fewer.
const shardRuns = 100

const shardPattern = "shard-?????.zst"

// Open opens or makes a directory for a recording; set is what sessions are
// analysed with. Every shard in it must be readable.
func Open(path string, set *protocol.Set) (*Dir, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	d := &Dir{set: set, path: path, names: make(map[string]bool)}
	files, err := shards(path)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if _, err := fmt.Sscanf(filepath.Base(f), "shard-%d.zst", &d.last); err != nil {
			return nil, fmt.Errorf("%s: is not named as a shard: %w", f, err)
		}
	}
	for r, err := range Runs(path) {
		if err != nil {
			return nil, err
		}
		d.names[r.Truth.Name] = true
	}
	return d, nil
}

func shards(path string) ([]string, error) { return filepath.Glob(filepath.Join(path, shardPattern)) }

// Runs yields all runs of a directory, shard by shard. An error is the last
// thing it yields.
func Runs(path string) iter.Seq2[*Run, error] {
	return func(yield func(*Run, error) bool) {
		files, err := shards(path)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, name := range files {
			data, err := os.ReadFile(name)
			var runs []*Run
			if err == nil {
				runs, err = ReadShard(bytes.NewReader(data))
			}
			if err != nil {
				yield(nil, fmt.Errorf("%s: %w", name, err))
				return
			}
			for _, r := range runs {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// Has reports whether a run of that name is there, or was added.
func (d *Dir) Has(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.names[name]
}

// Add builds a run's sequences from its capture and keeps them. They are on
// disk when the shard is full, or after Flush.
func (d *Dir) Add(ctx context.Context, truth *label.Run, capture string) error {
	run, err := Build(ctx, d.set, truth, capture)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[truth.Name] {
		return fmt.Errorf("run %q is there already", truth.Name)
	}
	d.names[truth.Name] = true
	d.pending = append(d.pending, run)
	if len(d.pending) >= shardRuns {
		return d.write()
	}
	return nil
}

// Flush writes what waits for a shard to be full.
func (d *Dir) Flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.pending) == 0 {
		return nil
	}
	return d.write()
}

// write writes a shard of what is pending, whole or not at all.
func (d *Dir) write() error {
	name := filepath.Join(d.path, fmt.Sprintf("shard-%05d.zst", d.last+1))
	f, err := os.CreateTemp(d.path, ".shard-*")
	if err != nil {
		return err
	}
	err = errors.Join(WriteShard(f, d.pending), f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", name, err)
	}
	d.last++
	d.pending = nil
	return nil
}

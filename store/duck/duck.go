//go:build cgo && (linux || darwin || (windows && amd64))

package duck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"tyto/store"
)

// Store is a directory of day files. It implements [store.Store].
type Store struct {
	dir   string
	opt   Options
	kinds *store.Kinds
	db    *database
	lock  *os.File // held by the process that writes
	write *conn    // nil if read-only

	// mu guards what is attached: readers hold it while a query runs, so that a
	// file is not detached below it.
	mu    sync.RWMutex
	parts map[string]*partition

	appending sync.Mutex
	newest    string               // latest day written to
	writes    map[string]*dayWrite // what is gathered, by day
	fresh     int                  // files that were made for it
}

var (
	_ store.Store    = (*Store)(nil)
	_ store.Gatherer = (*Store)(nil)
)

// Open opens the store in a directory, which is made if it does not exist,
// unless it is to be read only. It looks at every file's header and changes no
// file; a file that is not ours is an error that wraps store.ErrForeign.
func Open(dir string, kinds *store.Kinds, o Options) (*Store, error) {
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	if o.MaxDays == 0 {
		o.MaxDays = DefaultMaxDays
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{dir: dir, opt: o, kinds: kinds, parts: make(map[string]*partition), writes: make(map[string]*dayWrite)}
	if err := s.open(); err != nil {
		s.Close()
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) open() error {
	if s.opt.ReadOnly {
		if _, err := os.Stat(s.dir); err != nil {
			return fmt.Errorf("%w; tyto analyze --db makes one", err)
		}
	} else {
		if err := os.MkdirAll(s.dir, 0o755); err != nil {
			return err
		}
		var err error
		if s.lock, err = takeLock(filepath.Join(s.dir, "writer.lock")); err != nil {
			return err
		}
	}
	if err := s.list(); err != nil {
		return err
	}
	var err error
	if s.db, err = openDatabase(s.dir, s.opt); err != nil {
		return err
	}
	if !s.opt.ReadOnly {
		s.write, err = s.db.connect()
	}
	return err
}

const suffix = ".duckdb"

// list finds the partitions. What a writer that died was about to make is
// removed; it never held a row.
func (s *Store) list() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(s.dir, e.Name())
		if strings.Contains(e.Name(), suffix+unfinished) && !s.opt.ReadOnly {
			if err := os.Remove(path); err != nil {
				return err
			}
			continue
		}
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || !validName(name) {
			continue
		}
		if err := checkHeader(path); err != nil {
			return err
		}
		s.parts[name] = newPartition(name, path)
	}
	return nil
}

// Partitions implements store.Store.
func (s *Store) Partitions() ([]store.Partition, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []store.Partition
	for _, p := range s.sorted() {
		size, err := p.bytes()
		if err != nil {
			return nil, fmt.Errorf("measure partition: %w", err)
		}
		list = append(list, store.Partition{Name: p.name, First: p.first, Last: p.last, Bytes: size})
	}
	return list, nil
}

// sorted returns the partitions in order of time, undated first.
func (s *Store) sorted() []*partition {
	list := make([]*partition, 0, len(s.parts))
	for _, p := range s.parts {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *partition) int {
		if a.first != b.first {
			return compare(a.first, b.first)
		}
		return strings.Compare(a.name, b.name)
	})
	return list
}

func compare(a, b int64) int {
	if a < b {
		return -1
	}
	return 1
}

// Retain implements store.Store.
func (s *Store) Retain(_ context.Context, k store.Keep) ([]store.Partition, error) {
	if s.opt.ReadOnly {
		return nil, fmt.Errorf("remove partitions: %w", store.ErrReadOnly)
	}
	all, err := s.Partitions()
	if err != nil {
		return nil, err
	}
	var total int64
	for _, p := range all {
		total += p.Bytes
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	if err := s.commit(context.Background()); err != nil {
		return nil, fmt.Errorf("remove partitions: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var removed []store.Partition
	for _, p := range all[:max(len(all)-1, 0)] {
		old := k.Before != 0 && p.Last < k.Before
		large := k.Bytes != 0 && total > k.Bytes
		if !old && !large {
			continue
		}
		if err := s.remove(s.parts[p.Name]); err != nil {
			return removed, fmt.Errorf("remove partition %s: %w", p.Name, err)
		}
		total -= p.Bytes
		removed = append(removed, p)
	}
	return removed, nil
}

func (s *Store) remove(p *partition) error {
	if err := s.detach(p); err != nil {
		return err
	}
	delete(s.parts, p.name)
	if err := os.Remove(p.path); err != nil {
		return err
	}
	if err := os.Remove(p.path + ".wal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Close implements store.Store. Days that were written to are sealed; what was
// gathered and not appended is gone.
func (s *Store) Close() error {
	s.appending.Lock()
	s.abandon()
	s.appending.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	var first error
	keep := func(err error) {
		if first == nil && err != nil {
			first = fmt.Errorf("close store: %w", err)
		}
	}
	if s.write != nil {
		for _, p := range s.sorted() {
			keep(s.detach(p))
		}
		s.write.close()
		s.write = nil
	}
	if s.db != nil {
		s.db.close()
		s.db = nil
	}
	if s.lock != nil {
		keep(s.lock.Close())
		s.lock = nil
	}
	return first
}

//go:build cgo && (linux || darwin || (windows && amd64))

package duck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	bind "github.com/duckdb/duckdb-go-bindings"

	"tyto/store"
)

// format is the version of what day files hold; see migrations.
const format = 1

// storageVersion is the oldest DuckDB that can read the files; its
// compression of texts is what makes them small.
const storageVersion = "v1.4.0"

// unfinished is put after the name of a file that is being made.
const unfinished = ".new"

const undated = "undated"

const dayNanos = int64(24 * time.Hour)

// state is whether a file is attached.
type state uint8

const (
	detached state = iota
	readable
	writable
)

// partition is a day file.
type partition struct {
	name, path  string
	first, last int64 // times it may hold, ns
	state       state
	ours        bool              // it was seen to be made by tyto
	tables      map[string]*table // while attached
}

// table is a table of a partition as it is.
type table struct{ columns []column }

type column struct{ name, typ string }

func (t *table) find(name string) *column {
	for i := range t.columns {
		if t.columns[i].name == name {
			return &t.columns[i]
		}
	}
	return nil
}

func newPartition(name, path string) *partition {
	p := &partition{name: name, path: path, first: math.MinInt64, last: math.MaxInt64}
	if day, err := time.Parse(time.DateOnly, name); err == nil {
		p.first = day.UnixNano()
		p.last = p.first + dayNanos - 1
	}
	return p
}

func validName(name string) bool {
	_, err := time.Parse(time.DateOnly, name)
	return err == nil || name == undated
}

// dayName returns the partition of a time: undated unless in the years 1971 to
// 2199.
func dayName(ns int64) string {
	t := time.Unix(0, ns).UTC()
	if y := t.Year(); y <= 1970 || y >= 2200 {
		return undated
	}
	return t.Format(time.DateOnly)
}

func (p *partition) bytes() (int64, error) {
	var n int64
	for _, path := range []string{p.path, p.path + ".wal"} {
		info, err := os.Stat(path)
		if err == nil {
			n += info.Size()
		} else if path == p.path || !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	return n, nil
}

// checkHeader reports whether a file looks like a DuckDB database.
func checkHeader(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var head [12]byte
	if _, err := io.ReadFull(f, head[:]); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if !bytes.Equal(head[8:], []byte("DUCK")) {
		return fmt.Errorf("%s is %w; nothing was changed; move it out of the directory, or give another one", filepath.Base(path), store.ErrForeign)
	}
	return nil
}

// attach makes a partition readable or writable. s.mu is held for writing. A
// file is looked at read-only before it is opened for writing the first time.
func (s *Store) attach(k *conn, p *partition, want state) error {
	if p.state >= want {
		return nil
	}
	if err := s.detachBy(k, p); err != nil {
		return err
	}
	if !p.ours {
		if err := s.attachAs(k, p, readable); err != nil {
			return err
		}
		p.ours = true
		if want == readable {
			return nil
		}
		if err := s.detachBy(k, p); err != nil {
			return err
		}
	}
	return s.attachAs(k, p, want)
}

func (s *Store) attachAs(k *conn, p *partition, as state) error {
	mode := "READ_ONLY"
	if as == writable {
		mode = "STORAGE_VERSION " + literal(storageVersion)
	}
	if err := k.exec("ATTACH " + literal(p.path) + " AS " + quote(p.name) + " (" + mode + ")"); err != nil {
		return attachError(p, err)
	}
	p.state = as
	err := s.inspect(k, p)
	if err == nil && as == writable {
		err = migrate(k, p)
	}
	if err != nil {
		if e := s.detachBy(k, p); e != nil {
			return errors.Join(err, e)
		}
		return err
	}
	return nil
}

func attachError(p *partition, err error) error {
	name := filepath.Base(p.path)
	if strings.Contains(err.Error(), "Could not set lock") || strings.Contains(err.Error(), "Conflicting lock") {
		return fmt.Errorf("%s is %w; ask for the time before it, or ask the tyto that writes it", name, store.ErrBusy)
	}
	return fmt.Errorf("%s is %w; nothing was changed; move it away to use the other days: %w", name, store.ErrDamaged, err)
}

// inspect reads which format and which tables a file has.
func (s *Store) inspect(k *conn, p *partition) error {
	name := filepath.Base(p.path)
	version := ""
	err := k.texts("SELECT value FROM "+quote(p.name)+".meta.tyto WHERE key = 'format'", 1, func(v []string) { version = v[0] })
	if err != nil {
		if strings.HasPrefix(err.Error(), "Catalog Error") || strings.HasPrefix(err.Error(), "Binder Error") {
			return fmt.Errorf("%s is %w: it is a DuckDB database of something else; nothing was changed; move it out of the directory", name, store.ErrForeign)
		}
		return fmt.Errorf("%s is %w: %w", name, store.ErrDamaged, err)
	}
	n, err := strconv.Atoi(version)
	if err != nil || n < 1 {
		return fmt.Errorf("%s is %w: its format is %q", name, store.ErrDamaged, version)
	}
	if n > format {
		return fmt.Errorf("%s was %w (format %d; this one knows %d); use that version", name, store.ErrNewer, n, format)
	}
	p.tables = make(map[string]*table)
	return k.texts("SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE schema_name = 'main' AND database_name = "+literal(p.name)+
		" ORDER BY table_name, column_index", 3, func(v []string) {
		t := p.tables[v[0]]
		if t == nil {
			t = new(table)
			p.tables[v[0]] = t
		}
		t.columns = append(t.columns, column{v[1], v[2]})
	})
}

// migrations bring a file from the format of their place, from 1, to the next.
// To change the format: 1. add what brings old files to it; 2. raise format. New
// record kinds and fields, and fields of another type, need no migration:
// tables follow the schemas when they are written to.
var migrations []string

func migrate(k *conn, p *partition) error {
	from := 0
	err := k.texts("SELECT value FROM "+quote(p.name)+".meta.tyto WHERE key = 'format'", 1, func(v []string) { from, _ = strconv.Atoi(v[0]) })
	if err != nil || from >= format {
		return err
	}
	steps := []string{"BEGIN"}
	for _, m := range migrations[from-1 : format-1] {
		steps = append(steps, strings.ReplaceAll(m, "$DAY", quote(p.name)))
	}
	steps = append(steps, fmt.Sprintf("UPDATE %s.meta.tyto SET value = '%d' WHERE key = 'format'", quote(p.name), format), "COMMIT")
	for _, text := range steps {
		if err := k.exec(text); err != nil {
			return fmt.Errorf("migrate %s from format %d to %d: %w", p.name, from, format, err)
		}
	}
	return nil
}

// texts runs a query whose columns are texts.
func (k *conn) texts(text string, columns int, yield func([]string)) error {
	return k.rows(context.Background(), text, nil, func(chunk bind.DataChunk) error {
		b := store.Batch{Columns: make([]store.Column, columns)}
		for i := range b.Columns {
			b.Columns[i].Base = store.TextBase
		}
		if err := readChunk(chunk, &b); err != nil {
			return err
		}
		v := make([]string, columns)
		for row := range b.Rows {
			for i := range v {
				v[i] = string(b.Columns[i].TextAt(row))
			}
			yield(v)
		}
		return nil
	})
}

// create makes the file of a new day. It gets its name when it is complete, so
// that a file of that name is always a store.
func (s *Store) create(k *conn, name string) (*partition, error) {
	p := newPartition(name, filepath.Join(s.dir, name+suffix))
	path := p.path + unfinished
	q := quote(name)
	steps := []string{
		"ATTACH " + literal(path) + " AS " + q + " (STORAGE_VERSION " + literal(storageVersion) + ")",
		"CREATE SCHEMA " + q + ".meta", "CREATE TABLE " + q + ".meta.tyto (key VARCHAR, value VARCHAR)",
		fmt.Sprintf("INSERT INTO %s.meta.tyto VALUES ('format', '%d')", q, format),
		"CHECKPOINT " + q, "DETACH " + q,
	}
	for _, text := range steps {
		if err := k.exec(text); err != nil {
			return nil, fmt.Errorf("make %s: %w", filepath.Base(path), err)
		}
	}
	if err := os.Rename(path, p.path); err != nil {
		return nil, err
	}
	p.ours = true
	s.parts[name] = p
	return p, s.attachAs(k, p, writable)
}

func (s *Store) detach(p *partition) error { return s.detachBy(s.write, p) }

// detachBy closes a file; one that was written to is put in order first.
func (s *Store) detachBy(k *conn, p *partition) error {
	if p.state == detached {
		return nil
	}
	if p.state == writable {
		if err := k.exec("CHECKPOINT " + quote(p.name)); err != nil {
			return fmt.Errorf("seal %s: %w", p.name, err)
		}
	}
	if err := k.exec("DETACH " + quote(p.name)); err != nil {
		return fmt.Errorf("detach %s: %w", p.name, err)
	}
	p.state, p.tables = detached, nil
	return nil
}

//go:build cgo && (linux || darwin || (windows && amd64))

package duck

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tyto/store"
)

// Export writes the rows of a table within a span of time, given as in a
// store.Query, to a Parquet file in zstd, which must not exist yet. Columns are
// as in the store: times and intervals in nanoseconds.
func (s *Store) Export(kind string, after, before int64, path string) error {
	k := s.kinds.Find(kind)
	if k == nil {
		return fmt.Errorf("export: there is no table %s", kind)
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("export: %s is there already; give another name", path)
	}
	done, err := s.ready([]span{{after, before}})
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer done()
	// DuckDB may write below the store's directory only.
	dir, err := os.MkdirTemp(s.dir, "export")
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer os.RemoveAll(dir)
	made := filepath.Join(dir, "rows.parquet")
	if err := s.copyTo(k, after, before, made); err != nil {
		return fmt.Errorf("export %s: %w", kind, err)
	}
	if err := move(made, path); err != nil {
		return fmt.Errorf("export %s: %w", kind, err)
	}
	return nil
}

func (s *Store) copyTo(k *store.Kind, after, before int64, path string) error {
	from, err := s.from(k, after, before)
	if err != nil {
		return err
	}
	where, ts := " WHERE true", quote(k.Fields[0].Name)
	if after != 0 {
		where += fmt.Sprintf(" AND %s >= %d", ts, after)
	}
	if before != 0 {
		where += fmt.Sprintf(" AND %s < %d", ts, before)
	}
	c, err := s.db.get()
	if err != nil {
		return err
	}
	defer s.db.release(c)
	return c.exec("COPY (SELECT * FROM " + from + " AS q" + where + ") TO " + literal(path) + " (FORMAT parquet, COMPRESSION zstd)")
}

// move renames a file, or copies it to another file system.
func move(from, to string) error {
	if os.Rename(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

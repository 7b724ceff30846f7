//go:build cgo && windows && amd64

package duck

import "os"

// takeLock opens the file; that only one process writes is seen to by DuckDB,
// which locks every file it writes.
func takeLock(path string) (*os.File, error) { return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644) }

//go:build !cgo || !(linux || darwin || (windows && amd64))

package duck

import (
	"context"
	"errors"

	"tyto/store"
)

// errNoDuckDB is what everything here returns.
var errNoDuckDB = errors.New("this tyto was built without its store: build it with CGO_ENABLED=1 and a C++ compiler (g++) on linux, macOS or windows/amd64")

// Store is what this build does not have.
type Store struct{ store.Store }

// Open returns an error: this build has no DuckDB.
func Open(string, *store.Kinds, Options) (*Store, error) { return nil, errNoDuckDB }

// SQL returns an error: this build has no DuckDB.
func (*Store) SQL(context.Context, string, func(*store.Batch) error) error { return errNoDuckDB }

// Export returns an error: this build has no DuckDB.
func (*Store) Export(string, int64, int64, string) error { return errNoDuckDB }

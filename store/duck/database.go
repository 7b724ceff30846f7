//go:build cgo && (linux || darwin || (windows && amd64))

package duck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	bind "github.com/duckdb/duckdb-go-bindings"
)

// database is an instance of DuckDB without data of its own; day files are
// attached to it.
type database struct {
	db   bind.Database
	pool chan *conn // connections that are not in use
}

const idleConns = 8

// openDatabase starts DuckDB. It may touch files below dir only, loads no
// extensions, and its settings cannot be changed afterwards, whatever is asked.
func openDatabase(dir string, o Options) (*database, error) {
	var c bind.Config
	if bind.CreateConfig(&c) == bind.StateError {
		return nil, errors.New("start DuckDB: no configuration")
	}
	defer bind.DestroyConfig(&c)
	threads := o.Threads
	settings := [][2]string{
		{"duckdb_api", "go"}, {"autoinstall_known_extensions", "false"}, {"autoload_known_extensions", "false"},
		{"memory_limit", strconv.FormatInt(o.Memory>>10, 10) + "KiB"}, {"temp_directory", filepath.Join(dir, "tmp")},
	}
	if threads > 0 {
		settings = append(settings, [2]string{"threads", strconv.Itoa(threads)})
	}
	for _, kv := range settings {
		if bind.SetConfig(c, kv[0], kv[1]) == bind.StateError {
			return nil, fmt.Errorf("start DuckDB: it does not take %s=%s", kv[0], kv[1])
		}
	}
	d := &database{pool: make(chan *conn, idleConns)}
	var message string
	if bind.OpenExt(":memory:", &d.db, c, &message) == bind.StateError {
		return nil, fmt.Errorf("start DuckDB: %s", message)
	}
	k, err := d.connect()
	if err != nil {
		d.close()
		return nil, err
	}
	defer d.release(k)
	for _, text := range []string{
		"SET allowed_directories = [" + literal(dir+string(os.PathSeparator)) + "]",
		"SET enable_external_access = false",
		"SET checkpoint_threshold = '16MB'",
		"SET lock_configuration = true",
	} {
		if err := k.exec(text); err != nil {
			d.close()
			return nil, fmt.Errorf("start DuckDB: %w", err)
		}
	}
	return d, nil
}

func (d *database) close() {
	for {
		select {
		case k := <-d.pool:
			k.close()
			continue
		default:
		}
		break
	}
	bind.Close(&d.db)
}

// conn is a connection; it is for one goroutine at a time.
type conn struct{ c bind.Connection }

func (d *database) connect() (*conn, error) {
	k := new(conn)
	if bind.Connect(d.db, &k.c) == bind.StateError {
		return nil, errors.New("connect to DuckDB")
	}
	return k, nil
}

// get returns a connection for reading; give it back with release.
func (d *database) get() (*conn, error) {
	select {
	case k := <-d.pool:
		return k, nil
	default:
		return d.connect()
	}
}

func (d *database) release(k *conn) {
	select {
	case d.pool <- k:
	default:
		k.close()
	}
}

func (k *conn) close() { bind.Disconnect(&k.c) }

// exec runs a statement without parameters and result.
func (k *conn) exec(text string) error {
	var res bind.Result
	defer bind.DestroyResult(&res)
	if bind.Query(k.c, text, &res) == bind.StateError {
		return errors.New(tidy(bind.ResultError(&res)))
	}
	return nil
}

// tidy makes DuckDB's message a line.
func tidy(message string) string {
	line, _, _ := strings.Cut(message, "\n")
	return strings.TrimSpace(line)
}

// rows runs a query and calls yield with each chunk of its result. The end of
// ctx interrupts it.
func (k *conn) rows(ctx context.Context, text string, args []any, yield func(bind.DataChunk) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var stmt bind.PreparedStatement
	defer bind.DestroyPrepare(&stmt)
	if bind.Prepare(k.c, text, &stmt) == bind.StateError {
		return errors.New(tidy(bind.PrepareError(stmt)))
	}
	for i, a := range args {
		if bindArg(stmt, bind.IdxT(i+1), a) == bind.StateError {
			return fmt.Errorf("bind parameter %d of type %T", i+1, a)
		}
	}
	stop := context.AfterFunc(ctx, func() { bind.Interrupt(k.c) })
	defer stop()
	var res bind.Result
	defer bind.DestroyResult(&res)
	if bind.ExecutePreparedStreaming(stmt, &res) == bind.StateError {
		return interrupted(ctx, errors.New(tidy(bind.ResultError(&res))))
	}
	for {
		chunk := bind.FetchChunk(res)
		if chunk.Ptr == nil {
			break
		}
		err := yield(chunk)
		bind.DestroyDataChunk(&chunk)
		if err != nil {
			return err
		}
	}
	if message := bind.ResultError(&res); message != "" {
		return interrupted(ctx, errors.New(tidy(message)))
	}
	return nil
}

// interrupted prefers the context's error.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func bindArg(stmt bind.PreparedStatement, i bind.IdxT, a any) bind.State {
	switch v := a.(type) {
	case int64:
		return bind.BindInt64(stmt, i, v)
	case uint64:
		return bind.BindUInt64(stmt, i, v)
	case float64:
		return bind.BindDouble(stmt, i, v)
	case bool:
		return bind.BindBoolean(stmt, i, v)
	case string:
		return bind.BindVarcharLength(stmt, i, v, bind.IdxT(len(v)))
	}
	return bind.StateError
}

// literal is a text as SQL, for the few places that take no parameter.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// quote is a name as SQL.
func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

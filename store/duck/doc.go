// Package duck keeps records in DuckDB, inside the process, one file a day.
//
// A directory holds 2026-11-24.duckdb and so on, by the UTC day of a row's time,
// and undated.duckdb for what damaged captures place centuries away. Every file
// is a DuckDB database with a table for each kind of record that occurred and
// meta.tyto, which says that it is ours and in which format. One process writes;
// in it any number of goroutines read meanwhile. Days that are over are sealed:
// from then on other processes can read them, or this one still write.
//
// What is appended goes from the columns of a [store.Batch] into DuckDB's
// vectors without a call or a copy for each value. Commits are as large as the
// Append that asks for them; row groups of 122,880 rows are fastest.
//
// DuckDB is C++ and needs cgo. Without it, or where DuckDB has no library for
// the platform, Open says so and the rest of the program works.
package duck

// Options say how to open a store. The zero value writes, with a small budget.
type Options struct {
	// ReadOnly opens for reading only: any number of processes may, but days that
	// another process writes cannot be read meanwhile (store.ErrBusy).
	ReadOnly bool
	// Memory is what DuckDB may use, in bytes; 0: DefaultMemory. Beyond it, it
	// works from disk or a query fails.
	Memory int64
	// Threads is how many cores a query may use; 0: all.
	Threads int
	// MaxDays is how many days there may be; 0: DefaultMaxDays. Rows of other
	// days are kept as undated.
	MaxDays int
}

// Defaults of Options.
const (
	DefaultMemory  = 512 << 20
	DefaultMaxDays = 4000
)

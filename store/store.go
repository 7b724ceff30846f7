// Package store is the contract of what keeps records: sessions, protocol
// records, entities, detections, everything that --json writes.
//
// A [Kind] is a table: its columns come from the record's schema, which is the
// only description of a record there is. A [Batch] holds rows of one kind by
// columns; a [Loader] makes batches from JSON lines. A [Store] takes batches and
// answers a [Query], a small tree that an implementation runs or renders to its
// dialect of SQL. Package store/duck is the implementation that is part of the
// program; store/storetest holds any implementation against this contract.
//
// Nothing here reads the clock: the time of a row is that of its packets.
package store

import (
	"context"
	"errors"
)

// Store keeps records. Append, Retain and Close are for one goroutine at a time;
// Query may be called by many goroutines, also during Append.
type Store interface {
	// Append adds the rows of batches, and creates the tables they need. When it
	// returns nil they are durable: they survive the death of the process at any
	// moment after that. When the process dies before, each day's part of the
	// call is kept whole or not at all. A batch may be reused afterwards.
	Append(ctx context.Context, batches ...*Batch) error
	// Query answers q with batches, whose fields are q's result columns; a batch
	// is valid until yield returns. Yield must not call the store, which may wait
	// for it. An error of yield ends the query and is returned. A query sees all that was appended before it began, and of no
	// call of Append only a part of a day.
	Query(ctx context.Context, q *Query, yield func(*Batch) error) error
	// Retain removes the oldest partitions until k is met, and returns those it
	// removed, oldest first. The newest partition always stays.
	Retain(ctx context.Context, k Keep) ([]Partition, error)
	// Partitions returns what there is, oldest first.
	Partitions() ([]Partition, error)
	// Close releases the store. What was appended stays.
	Close() error
}

// Gatherer is a Store that takes rows before they must be durable, so that many
// can become so at once without waiting in memory.
type Gatherer interface {
	// Gather adds rows, which queries see and which are durable when the next
	// Append returns nil, as if they were part of it, or before. After an error all
	// that was gathered and is not durable is gone. A batch may be reused
	// afterwards.
	Gather(ctx context.Context, batches ...*Batch) error
}

// Keep says what to keep. The zero value keeps everything.
type Keep struct {
	Before int64 // remove what is wholly older, in ns since the epoch; 0: no limit of age
	Bytes  int64 // remove the oldest until no more is on disk; 0: no limit of size
}

// Partition is a part of the store by time: what retention removes at once.
type Partition struct {
	Name  string // of the day in UTC, "2026-11-24", or "undated"
	First int64  // earliest time it may hold, ns since the epoch
	Last  int64  // latest time it may hold
	Bytes int64  // on disk
}

// Errors that callers tell apart; what implementations return wraps them.
var (
	// ErrBusy: another process owns what was asked for.
	ErrBusy = errors.New("in use by another process")
	// ErrForeign: a file where a partition should be was not made by tyto.
	ErrForeign = errors.New("not a tyto store")
	// ErrDamaged: a partition's file cannot be read.
	ErrDamaged = errors.New("damaged")
	// ErrNewer: a partition was written by a newer version of tyto.
	ErrNewer = errors.New("written by a newer version of tyto")
	// ErrReadOnly: the store was opened for reading only.
	ErrReadOnly = errors.New("opened for reading only")
)

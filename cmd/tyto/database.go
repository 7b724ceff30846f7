package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"tyto/sensor"
	"tyto/store"
	"tyto/store/duck"
)

// database is a store that takes the records of an analysis.
type database struct {
	store  *duck.Store
	loader *store.Loader
}

// openDatabase opens or makes a store. Ctrl-C does not end what is written: the
// records that were found so far are kept.
func openDatabase(ctx context.Context, dir string) (*database, error) {
	s, kinds, err := openStore(dir, duck.Options{})
	if err != nil {
		return nil, err
	}
	return &database{s, store.NewLoader(context.WithoutCancel(ctx), s, kinds)}, nil
}

// beside is a writer to the store, and to w if that is not nil.
func (d *database) beside(w io.Writer) io.Writer {
	if w == nil {
		return d.loader
	}
	return io.MultiWriter(w, d.loader)
}

// finish stores the stats record and all that waits, and closes the store.
func (d *database) finish(stats *sensor.Stats) error {
	_, err := d.loader.Write(stats.AppendStats(nil))
	err = errors.Join(err, d.loader.Close(), d.store.Close())
	d.store = nil
	if err != nil {
		return fmt.Errorf("store records: %w", err)
	}
	return nil
}

// abandon closes the store without what waits, unless finish did.
func (d *database) abandon() {
	if d.store != nil {
		d.store.Close()
		d.store = nil
	}
}

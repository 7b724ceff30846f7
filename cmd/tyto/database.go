package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"tyto/packet"
	"tyto/sensor"
	"tyto/session"
	"tyto/store"
	"tyto/store/archive"
	"tyto/store/duck"
)

// packetsDir is where in a store's directory the packets are.
const packetsDir = "packets"

// database is a store that takes the records, the series and the packets of an
// analysis.
type database struct {
	store   *duck.Store
	loader  *store.Loader
	packets *archive.Writer // nil if they are not kept
	claim   *claim          // nil if nothing is known of the captures
	names   [1024]struct {
		uid  session.UID
		text string
	}
	carriers []string
}

// openDatabase opens or makes a store. Ctrl-C does not end what is written: the
// records that were found so far are kept.
func openDatabase(ctx context.Context, o options) (*database, error) {
	s, kinds, err := openStore(o.db, duck.Options{Threads: 1})
	if err != nil {
		return nil, err
	}
	d := &database{store: s, loader: store.NewLoader(context.WithoutCancel(ctx), s, kinds)}
	if o.noPackets {
		return d, nil
	}
	d.packets, err = archive.NewWriter(filepath.Join(o.db, packetsDir), archive.Options{Budget: int64(o.budget) << 20})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return d, nil
}

// fill makes an analysis tell the store what it finds.
func (d *database) fill(c *sensor.Config) {
	c.Rows = d.loader.Rows(sensor.Schemas(c.Set)).Add
	if d.packets != nil {
		c.Keep = d.keep
	}
}

// keep keeps a frame.
func (d *database) keep(f *packet.Frame, own session.UID, carriers []session.UID) error {
	d.carriers = d.carriers[:0]
	for _, uid := range carriers {
		d.carriers = append(d.carriers, d.name(uid))
	}
	return d.packets.Add(f, d.name(own), d.carriers...)
}

// name returns the text of a session's identifier. Packets of few sessions come
// between those of one: texts are kept.
func (d *database) name(uid session.UID) string {
	if uid.IsZero() {
		return ""
	}
	n := &d.names[uid[0]%uint64(len(d.names))]
	if n.uid != uid {
		n.uid, n.text = uid, uid.String()
	}
	return n.text
}

// finish stores the stats record and all that waits, and closes the store.
func (d *database) finish(stats *sensor.Stats) error {
	_, err := d.loader.Write(stats.AppendStats(nil))
	err = errors.Join(err, d.loader.Close(), d.close())
	if err != nil {
		return fmt.Errorf("store records: %w", err)
	}
	return nil
}

// openDatabaseFor is openDatabase for captures, which are not stored twice: the
// database is nil if the store has them, which is told, unless again. Call
// finishWhole when they were read to their end.
func openDatabaseFor(ctx context.Context, o options, paths []string, again bool, told io.Writer) (*database, error) {
	k, err := claimCaptures(o.db, paths, again)
	if err != nil {
		return nil, err
	}
	if k.stored() {
		fmt.Fprintf(told, "tyto: %v\n", k)
		return nil, nil
	}
	d, err := openDatabase(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := k.begin(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	d.claim = k
	return d, nil
}

// finishWhole is finish after captures were read to their end.
func (d *database) finishWhole(stats *sensor.Stats) error {
	if err := d.finish(stats); err != nil || d.claim == nil {
		return err
	}
	return d.claim.end(stats)
}

// close closes the store, once.
func (d *database) close() error {
	var err error
	if d.packets != nil {
		err = d.packets.Close()
		d.packets = nil
	}
	if d.store != nil {
		err = errors.Join(err, d.store.Close())
		d.store = nil
	}
	return err
}

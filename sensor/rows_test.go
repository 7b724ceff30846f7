package sensor_test

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"tyto/entity"
	"tyto/packet/pcapfile"
	"tyto/sensor"
	"tyto/store"
	"tyto/store/storetest"
)

// rowKeeper is a store that keeps what is appended as text.
type rowKeeper struct {
	store.Store
	rows []string
}

func (k *rowKeeper) Append(_ context.Context, batches ...*store.Batch) error {
	for _, b := range batches {
		for row := range b.Rows {
			values := []string{b.Kind}
			for i := range b.Columns {
				values = append(values, storetest.Text(b.Value(row, i)))
			}
			k.rows = append(k.rows, strings.Join(values, " "))
		}
	}
	return nil
}

// TestRows wants in a store the same from rows as from JSON lines, also of what
// the writer fills in: names of addresses, and announced sessions.
func TestRows(t *testing.T) {
	kinds, err := store.NewKinds(sensor.Schemas(set)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ftp", "dns", "dcsync"} {
		data, err := os.ReadFile("testdata/" + name + ".pcap")
		if err != nil {
			t.Fatal(err)
		}
		run := func(c sensor.Config) {
			t.Helper()
			src, err := pcapfile.NewReader(bytes.NewReader(data), name)
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			c.Set, c.Graph, c.Strict, c.Workers = set, entity.New(entity.Options{}), true, 3
			if _, err := sensor.Run(context.Background(), src, c, nil); err != nil {
				t.Fatal(err)
			}
		}
		var want, got rowKeeper
		lines, rows := store.NewLoader(context.Background(), &want, kinds), store.NewLoader(context.Background(), &got, kinds)
		run(sensor.Config{JSON: lines, Series: lines.Beside()})
		run(sensor.Config{Rows: rows.Rows(sensor.Schemas(set)).Add})
		if err := lines.Close(); err != nil {
			t.Fatal(err)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		if len(want.rows) == 0 || !slices.Equal(got.rows, want.rows) {
			t.Errorf("%s: %d rows, want %d, or they differ", name, len(got.rows), len(want.rows))
			for i := range min(len(got.rows), len(want.rows)) {
				if got.rows[i] != want.rows[i] {
					t.Fatalf("got  %s\nwant %s", got.rows[i], want.rows[i])
				}
			}
		}
	}
}

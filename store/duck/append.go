//go:build cgo && (linux || darwin || (windows && amd64))

package duck

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tyto/internal/record"
	"tyto/store"
)

// Append implements store.Store. Each day's rows, with those that were gathered,
// are one transaction.
func (s *Store) Append(ctx context.Context, batches ...*store.Batch) error {
	if s.opt.ReadOnly {
		return fmt.Errorf("append: %w", store.ErrReadOnly)
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	if err := s.gather(ctx, batches); err != nil {
		return err
	}
	if err := s.commit(ctx); err != nil {
		return err
	}
	s.seal()
	return nil
}

// Gather implements store.Gatherer: the rows are in transactions that Append
// ends.
func (s *Store) Gather(ctx context.Context, batches ...*store.Batch) error {
	if s.opt.ReadOnly {
		return fmt.Errorf("append: %w", store.ErrReadOnly)
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	return s.gather(ctx, batches)
}

// dayWrite is the transaction of a day that rows are gathered in. DuckDB's
// transactions are of one file each.
type dayWrite struct {
	conn    *conn
	part    *partition
	changed map[string]*table // made or changed, for others to see once it is over
}

// openDays is how many days may have transactions at a time.
const openDays = 32

func (s *Store) gather(ctx context.Context, batches []*store.Batch) error {
	days, err := s.split(batches)
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	for _, d := range days {
		if err := ctx.Err(); err != nil {
			s.abandon()
			return err
		}
		if len(s.writes) >= openDays && s.writes[d.name] == nil {
			if err := s.commit(ctx); err != nil {
				return err
			}
		}
		if err := s.gatherDay(d.name, d.batches); err != nil {
			s.abandon()
			return fmt.Errorf("append to %s: %w", d.name, err)
		}
	}
	return nil
}

// gatherDay adds to the transaction of a day.
func (s *Store) gatherDay(name string, batches []*store.Batch) error {
	w := s.writes[name]
	if w == nil {
		var err error
		if w, err = s.begin(name); err != nil {
			return err
		}
		s.writes[name] = w
	}
	return s.appendAll(w, batches)
}

func (s *Store) begin(name string) (*dayWrite, error) {
	s.mu.Lock()
	p, err := s.writable(name)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	k, err := s.db.get()
	if err != nil {
		return nil, err
	}
	if err := k.exec("BEGIN"); err != nil {
		k.close()
		return nil, err
	}
	return &dayWrite{conn: k, part: p, changed: make(map[string]*table)}, nil
}

// commit makes what was gathered durable, in order of time.
func (s *Store) commit(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(s.writes)) {
		w := s.writes[name]
		err := ctx.Err()
		if err == nil {
			err = w.conn.exec("COMMIT")
		}
		if err != nil {
			s.abandon()
			return fmt.Errorf("append to %s: %w", name, err)
		}
		s.db.release(w.conn)
		delete(s.writes, name)
		if len(w.changed) > 0 {
			s.mu.Lock()
			maps.Copy(w.part.tables, w.changed)
			s.mu.Unlock()
		}
		if name != undated {
			s.newest = max(s.newest, name)
		}
	}
	s.fresh = 0
	return nil
}

// abandon takes back what was gathered. A connection that is closed takes its
// transaction back.
func (s *Store) abandon() {
	for _, w := range s.writes {
		w.conn.close()
	}
	clear(s.writes)
	s.fresh = 0
}

// dayRows are the rows of an Append that go to one file.
type dayRows struct {
	name    string
	batches []*store.Batch
}

// newDays is how many files one Append may make, with what was gathered for it: a
// damaged capture whose times are random must not make a file for each packet.
const newDays = 16

// split divides batches by day, in order of time. The days with the most rows
// get files, should there be too many.
func (s *Store) split(batches []*store.Batch) ([]*dayRows, error) {
	count := make(map[string]int)
	for _, b := range batches {
		if s.kinds.Find(b.Kind) == nil {
			return nil, fmt.Errorf("there is no table %q", b.Kind)
		}
		for _, ns := range b.Columns[0].Ints[:b.Rows] {
			count[dayName(ns)]++
		}
	}
	s.refuse(count)
	days := make(map[string]*dayRows)
	part := func(name string) *dayRows {
		if count[name] == 0 {
			name = undated
		}
		d := days[name]
		if d == nil {
			d = &dayRows{name: name}
			days[name] = d
		}
		return d
	}
	for _, b := range batches {
		splitBatch(b, part)
	}
	list := make([]*dayRows, 0, len(days))
	for _, d := range days {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *dayRows) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// refuse takes the days out of count that may not have a file.
func (s *Store) refuse(count map[string]int) {
	var fresh []string
	s.mu.RLock()
	for name := range count {
		if s.parts[name] == nil && name != undated {
			fresh = append(fresh, name)
		}
	}
	room := max(min(newDays-s.fresh, s.opt.MaxDays-len(s.parts)), 0)
	s.mu.RUnlock()
	s.fresh += min(len(fresh), room)
	if len(fresh) <= room {
		return
	}
	slices.SortFunc(fresh, func(a, b string) int {
		if count[a] != count[b] {
			return count[b] - count[a]
		}
		return strings.Compare(a, b)
	})
	for _, name := range fresh[room:] {
		delete(count, name)
	}
}

// splitBatch adds a batch, or copies of its rows if they are of several days.
func splitBatch(b *store.Batch, part func(name string) *dayRows) {
	times := b.Columns[0].Ints[:b.Rows]
	if len(times) == 0 {
		return
	}
	if first := part(dayName(slices.Min(times))); first == part(dayName(slices.Max(times))) && first.name != undated {
		first.batches = append(first.batches, b)
		return
	}
	parts := make(map[*dayRows]*store.Batch)
	for row, ns := range times {
		d := part(dayName(ns))
		to := parts[d]
		if to == nil {
			to = &store.Batch{Kind: b.Kind, Fields: b.Fields}
			to.Shape()
			parts[d] = to
			d.batches = append(d.batches, to)
		}
		to.AppendRow(b, row)
	}
}

func (s *Store) writable(name string) (*partition, error) {
	if s.write == nil {
		return nil, errors.New("the store is closed")
	}
	p := s.parts[name]
	if p == nil {
		return s.create(s.write, name)
	}
	return p, s.attach(s.write, p, writable)
}

// appendAll adds batches to the transaction of a day.
func (s *Store) appendAll(w *dayWrite, batches []*store.Batch) error {
	for _, b := range batches {
		t := w.part.tables[b.Kind]
		if u := w.changed[b.Kind]; u != nil {
			t = u
		}
		adapted, err := w.adapt(t, b)
		if err != nil {
			return err
		}
		if adapted != t {
			w.changed[b.Kind], t = adapted, adapted
		}
		if err := w.append(t, b); err != nil {
			return fmt.Errorf("table %s: %w", b.Kind, err)
		}
	}
	return nil
}

func (w *dayWrite) append(t *table, b *store.Batch) error {
	to, err := newWriter(w.conn, w.part.name, t, b)
	if err != nil {
		return err
	}
	defer to.close()
	if err := to.append(b); err != nil {
		return err
	}
	return to.flush()
}

// sqlTypes are the types of columns.
var sqlTypes = map[store.BaseType]string{
	store.IntBase: "BIGINT", store.UintBase: "UBIGINT", store.PortBase: "USMALLINT", store.BoolBase: "BOOLEAN", store.FloatBase: "DOUBLE",
	store.TextBase: "VARCHAR", store.TextsBase: "VARCHAR[]", store.UintsBase: "UBIGINT[]", store.IntsBase: "BIGINT[]",
}

func sqlType(t record.Type) string { return sqlTypes[store.Base(t)] }

// adapt makes the table of a batch, or gives it the columns it lacks, and
// returns the table as it is then.
func (w *dayWrite) adapt(t *table, b *store.Batch) (*table, error) {
	name := quote(w.part.name) + "." + quote(b.Kind)
	if t == nil {
		t = new(table)
		var list []string
		for _, f := range b.Fields {
			t.columns = append(t.columns, column{f.Name, sqlType(f.Type)})
			list = append(list, quote(f.Name)+" "+sqlType(f.Type))
		}
		return t, w.conn.exec("CREATE TABLE " + name + " (" + strings.Join(list, ", ") + ")")
	}
	u := &table{slices.Clone(t.columns)}
	same := true
	for _, f := range b.Fields {
		want := sqlType(f.Type)
		c := u.find(f.Name)
		text := ""
		switch {
		case c == nil:
			u.columns = append(u.columns, column{f.Name, want})
			text = "ADD COLUMN " + quote(f.Name) + " " + want
		case c.typ != want:
			c.typ = want
			text = "ALTER COLUMN " + quote(f.Name) + " SET DATA TYPE " + want + " USING TRY_CAST(" + quote(f.Name) + " AS " + want + ")"
		default:
			continue
		}
		same = false
		if err := w.conn.exec("ALTER TABLE " + name + " " + text); err != nil {
			return nil, fmt.Errorf("fit table %s to its schema: %w", b.Kind, err)
		}
	}
	if same {
		return t, nil
	}
	return u, nil
}

// seal puts the files of days that are over in order and opens them for reading
// only, so that other processes can read them too. It waits for no reader.
func (s *Store) seal() {
	if s.newest == "" || !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	for _, p := range s.sorted() {
		// One day back may still get rows: sessions are told when they end.
		if p.state != writable || p.name == undated || p.last >= s.parts[s.newest].first-dayNanos {
			continue
		}
		// A file that cannot be sealed now stays open for writing, which is as
		// good; what is wrong with it is told when it is closed or written to.
		if s.detach(p) == nil {
			_ = s.attach(s.write, p, readable)
		}
	}
}

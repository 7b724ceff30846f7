//go:build cgo && (linux || darwin || (windows && amd64))

package duck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tyto/internal/record"
	"tyto/store"
)

// Append implements store.Store. Each day's rows are one transaction.
func (s *Store) Append(ctx context.Context, batches ...*store.Batch) error {
	if s.opt.ReadOnly {
		return fmt.Errorf("append: %w", store.ErrReadOnly)
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	days, err := s.split(batches)
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	for _, d := range days {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.appendDay(d.name, d.batches); err != nil {
			return fmt.Errorf("append to %s: %w", d.name, err)
		}
		if d.name != undated {
			s.newest = max(s.newest, d.name)
		}
	}
	s.seal()
	return nil
}

// dayRows are the rows of an Append that go to one file.
type dayRows struct {
	name    string
	batches []*store.Batch
}

// newDays is how many files one Append may make: a damaged capture whose times
// are random must not make a file for each packet.
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
	room := max(min(newDays, s.opt.MaxDays-len(s.parts)), 0)
	s.mu.RUnlock()
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

// appendDay appends to one file in one transaction.
func (s *Store) appendDay(name string, batches []*store.Batch) error {
	s.mu.Lock()
	p, err := s.writable(name)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if err := s.write.exec("BEGIN"); err != nil {
		return err
	}
	changed, err := s.appendAll(p, batches)
	if err == nil {
		err = s.write.exec("COMMIT")
	}
	if err != nil {
		return errors.Join(err, s.rollback())
	}
	if len(changed) > 0 {
		s.mu.Lock()
		for name, t := range changed {
			p.tables[name] = t
		}
		s.mu.Unlock()
	}
	return nil
}

// rollback ends a failed transaction, unless DuckDB has done so already.
func (s *Store) rollback() error {
	err := s.write.exec("ROLLBACK")
	if err != nil && strings.Contains(err.Error(), "no transaction is active") {
		return nil
	}
	return err
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

// appendAll returns the tables it made or changed.
func (s *Store) appendAll(p *partition, batches []*store.Batch) (map[string]*table, error) {
	changed := make(map[string]*table)
	for _, b := range batches {
		t := p.tables[b.Kind]
		if u := changed[b.Kind]; u != nil {
			t = u
		}
		adapted, err := s.adapt(p, t, b)
		if err != nil {
			return nil, err
		}
		if adapted != t {
			changed[b.Kind], t = adapted, adapted
		}
		if err := s.appendTable(p, t, b); err != nil {
			return nil, fmt.Errorf("table %s: %w", b.Kind, err)
		}
	}
	return changed, nil
}

func (s *Store) appendTable(p *partition, t *table, b *store.Batch) error {
	w, err := newWriter(s.write, p.name, t, b)
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.append(b); err != nil {
		return err
	}
	return w.flush()
}

// sqlTypes are the types of columns.
var sqlTypes = map[store.BaseType]string{
	store.IntBase: "BIGINT", store.UintBase: "UBIGINT", store.PortBase: "USMALLINT", store.BoolBase: "BOOLEAN", store.FloatBase: "DOUBLE",
	store.TextBase: "VARCHAR", store.TextsBase: "VARCHAR[]", store.UintsBase: "UBIGINT[]", store.IntsBase: "BIGINT[]",
}

func sqlType(t record.Type) string { return sqlTypes[store.Base(t)] }

// adapt makes the table of a batch, or gives it the columns it lacks, and
// returns the table as it is then.
func (s *Store) adapt(p *partition, t *table, b *store.Batch) (*table, error) {
	name := quote(p.name) + "." + quote(b.Kind)
	if t == nil {
		t = new(table)
		var list []string
		for _, f := range b.Fields {
			t.columns = append(t.columns, column{f.Name, sqlType(f.Type)})
			list = append(list, quote(f.Name)+" "+sqlType(f.Type))
		}
		return t, s.write.exec("CREATE TABLE " + name + " (" + strings.Join(list, ", ") + ")")
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
		if err := s.write.exec("ALTER TABLE " + name + " " + text); err != nil {
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

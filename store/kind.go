package store

import (
	"fmt"
	"slices"
	"strings"

	"tyto/internal/record"
)

// Kind is a table: a kind of record with all its columns.
type Kind struct {
	Name   string
	Doc    string
	Fields []record.Field // the first is the time that says which partition a row belongs to

	index map[string]int
	// borrows says that the records have no time of their own: a row gets that of
	// the latest record before it.
	borrows bool
}

// Field returns the place of a field, or -1.
func (k *Kind) Field(name string) int {
	if i, ok := k.index[name]; ok {
		return i
	}
	return -1
}

// NewKind returns the table of a schema. A schema that has the time ts, or t0
// and a uid, or starts with a time that is not t0, stands for itself and is kept
// by that time; one that has an id but no such time is kept by the time of the
// latest record before it, as ts. Any other is about a session, as segments are,
// and gets record.Identity in front.
func NewKind(s *record.Schema) (*Kind, error) {
	k := &Kind{Name: s.Kind, Doc: s.Doc, Fields: slices.Clone(s.Fields), index: make(map[string]int)}
	place := func(name string, base BaseType) int {
		return slices.IndexFunc(s.Fields, func(f record.Field) bool { return f.Name == name && Base(f.Type) == base })
	}
	own := place("ts", IntBase)
	switch {
	case own >= 0:
	case place("uid", TextBase) >= 0:
		own = place("t0", IntBase)
	case len(s.Fields) > 0 && s.Fields[0].Name != "t0":
		own = 0
	}
	switch {
	case own >= 0 && s.Fields[own].Type == record.Time:
		k.Fields = slices.Insert(slices.Delete(k.Fields, own, own+1), 0, s.Fields[own])
	case place("id", TextBase) >= 0:
		k.Fields = slices.Insert(k.Fields, 0, record.Identity.Fields[0])
		k.borrows = true
	default:
		k.Fields = slices.Insert(k.Fields, 0, record.Identity.Fields...)
	}
	for i, f := range k.Fields {
		if _, twice := k.index[f.Name]; twice {
			return nil, fmt.Errorf("record %s: field %s is there twice; rename one of them in its schema", s.Kind, f.Name)
		}
		if f.Name == "" || Base(f.Type) == NoBase {
			return nil, fmt.Errorf("record %s: field %q has no name or no type; give it one in its schema", s.Kind, f.Name)
		}
		k.index[f.Name] = i
	}
	return k, nil
}

// Kinds are the tables of a store, by name. They do not change.
type Kinds struct {
	list  []*Kind
	index map[string]*Kind
}

// NewKinds returns the tables of schemas. Schemas of one kind are put together:
// the table has the fields of all.
func NewKinds(schemas ...*record.Schema) (*Kinds, error) {
	ks := &Kinds{index: make(map[string]*Kind)}
	for _, s := range schemas {
		k, err := NewKind(s)
		if err != nil {
			return nil, err
		}
		old := ks.index[k.Name]
		if old == nil {
			ks.index[k.Name] = k
			ks.list = append(ks.list, k)
			continue
		}
		if err := old.add(k.Fields); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(ks.list, func(a, b *Kind) int { return strings.Compare(a.Name, b.Name) })
	return ks, nil
}

func (k *Kind) add(fields []record.Field) error {
	for _, f := range fields {
		i, ok := k.index[f.Name]
		if !ok {
			k.index[f.Name] = len(k.Fields)
			k.Fields = append(k.Fields, f)
			continue
		}
		if Base(k.Fields[i].Type) != Base(f.Type) {
			return fmt.Errorf("record %s: two schemas give field %s the types %s and %s; make them agree", k.Name, f.Name, k.Fields[i].Type, f.Type)
		}
	}
	return nil
}

// Find returns the table of that name, or nil.
func (ks *Kinds) Find(name string) *Kind { return ks.index[name] }

// All returns the tables in the order of their names. Do not change it.
func (ks *Kinds) All() []*Kind { return ks.list }

// BaseType is how the values of a field are held.
type BaseType uint8

// Base types.
const (
	NoBase   BaseType = iota
	IntBase           // int64; times and intervals are in nanoseconds
	UintBase          // uint64, held as the bits of an int64
	PortBase          // 0 to 65535
	BoolBase          // 0 or 1
	FloatBase
	TextBase
	TextsBase // lists
	UintsBase
	IntsBase
)

// List reports whether values are lists.
func (b BaseType) List() bool { return b >= TextsBase }

// Base returns how values of a record type are held.
func Base(t record.Type) BaseType {
	switch t {
	case record.Time, record.Interval, record.Int:
		return IntBase
	case record.Count:
		return UintBase
	case record.Port:
		return PortBase
	case record.Bool:
		return BoolBase
	case record.Double:
		return FloatBase
	case record.String, record.Addr, record.Enum:
		return TextBase
	case record.Strings, record.Set, record.Addrs:
		return TextsBase
	case record.Counts:
		return UintsBase
	case record.Intervals:
		return IntsBase
	}
	return NoBase
}

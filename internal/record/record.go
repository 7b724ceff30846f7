// Package record writes records as JSON lines or Zeek log lines.
//
// A record kind is described once, by a [Schema]: its fields in order, their
// types and what they mean. A record then writes its values in that order to
// an [Encoder]; names, separators and escaping come from the schema. There is
// no reflection and nothing is allocated per record, because output costs as
// much as analysis when it is not written with care. The reference of all
// fields (docs/fields.md) is generated from the schemas.
package record

// Type is the type of a field's values. The names are those of Zeek logs.
type Type uint8

// Field types, with the Encoder methods that write them.
const (
	Invalid   Type = iota
	Time           // Time: nanoseconds since the epoch, written in seconds
	Interval       // Interval: nanoseconds, written in seconds
	String         // Str, Bytes
	Count          // Uint
	Int            // Int
	Double         // Float
	Bool           // Bool
	Addr           // Addr
	Port           // Uint
	Enum           // Str: a string from a small fixed set
	Strings        // Strs: vector[string]
	Set            // Strs: set[string]
	Counts         // Uints: vector[count]
	Intervals      // Intervals: vector[interval]
	Addrs          // Strs: vector[addr] as text
)

// String returns the type's name in a Zeek log header.
func (t Type) String() string {
	return [...]string{"invalid", "time", "interval", "string", "count", "int", "double", "bool", "addr", "port", "enum",
		"vector[string]", "set[string]", "vector[count]", "vector[interval]", "vector[addr]"}[t]
}

// Field describes one field of a record kind.
type Field struct {
	Name string // Zeek's name where Zeek has the field
	Type Type
	Doc  string // one sentence for docs/fields.md
}

// Schema describes a record kind. Make it with New and keep it in a package
// variable; it does not change.
type Schema struct {
	Kind   string  // value of "record" in JSON lines: "dns"
	Log    string  // name of the Zeek log, without ".log"; empty if it has none
	Doc    string  // what one record stands for
	Fields []Field // the session's identity (ts, uid, id.*) is not repeated here

	keys [][]byte // `,"name":` per field, with room for keyBytes
	head []byte   // `{"record":"kind"`
	id   uint64   // see ID
}

// keyBytes is the length of a key that is written at once.
const keyBytes = 32

// New returns the schema of a record kind with the given fields.
func New(kind, log, doc string, fields ...Field) *Schema {
	s := &Schema{Kind: kind, Log: log, Doc: doc, Fields: fields, head: []byte(`{"record":"` + kind + `"`)}
	for _, f := range fields {
		k := make([]byte, 0, max(keyBytes, len(f.Name)+4))
		s.keys = append(s.keys, append(k, `,"`+f.Name+`":`...))
	}
	s.id = s.identify()
	return s
}

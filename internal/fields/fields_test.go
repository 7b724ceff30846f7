package fields

import (
	"reflect"
	"testing"

	"tyto/internal/record"
)

var schema = record.New("sample", "", "A record.",
	record.Field{Name: "name", Type: record.String, Doc: "."}, record.Field{Name: "n", Type: record.Count, Doc: "."},
	record.Field{Name: "ok", Type: record.Bool, Doc: "."}, record.Field{Name: "list", Type: record.Strings, Doc: "."})

type sample struct {
	name string
	n    uint64
	ok   bool
	list []string
}

func (s sample) Schema() *record.Schema { return schema }

func (s sample) Append(e *record.Encoder) {
	e.Str(s.name)
	e.Uint(s.n)
	e.Bool(s.ok)
	e.Strs(s.list)
}

// TestReader wants back what was written, whatever it has in it.
func TestReader(t *testing.T) {
	var r Reader
	for _, want := range []sample{
		{"plain", 7, true, []string{"a", "b"}},
		{"tab\tand\\ and\nline", 0, false, []string{"a,b", "", "-"}},
		{"", 1, true, nil},
		{`\\10.0.0.1\ADMIN$`, 1 << 60, false, []string{"%COMSPEC% /Q"}},
	} {
		r.Load(want)
		got := sample{r.Str("name"), r.Uint("n"), r.True("ok"), r.Strs("list")}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if r.False("ok") == want.ok {
			t.Errorf("%q: False is not the opposite of what is set", want.name)
		}
	}
}

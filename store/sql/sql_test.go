package sql_test

import (
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"tyto/store"
	"tyto/store/sql"
	"tyto/store/storetest"
)

const evil = `'; DROP TABLE x; --" $1 %s`

func tables(k *store.Kind, _, _ int64) (string, error) {
	return sql.DuckDB.Quote(k.Name), nil
}

// TestNoText: whatever values and names a query has, no value is part of the
// statement's text, and names are quoted whole.
func TestNoText(t *testing.T) {
	ks := storetest.Kinds(t)
	f := func(n string) store.Expr { return store.Field(n) }
	v := store.Literal{Value: evil}
	call := func(op store.Op, args ...store.Expr) store.Expr { return store.Call{Op: op, Args: args} }
	q := &store.Query{Kind: "every-type", After: 1, Before: 2, Steps: []store.Step{
		store.Filter{Where: call(store.And, call(store.Equal, f("string"), v), call(store.Contains, f("enum"), v), call(store.Regex, f("enum"), store.Literal{Value: "x"}),
			call(store.In, f("string"), v, v), call(store.Has, f("strings"), v), call(store.Equal, call(store.Item, f("string"), v, store.Literal{Value: int64(1)}), v),
			store.Within{Addr: f("addr"), Network: netip.MustParsePrefix("10.0.0.0/9")})},
		store.Extend{Columns: []store.Named{{Name: evil, Expr: v}}},
		store.Match{Query: &store.Query{Kind: "dns", Steps: []store.Step{store.Filter{Where: call(store.Equal, f("query"), v)}}}, On: []store.Pair{{Left: evil, Right: "query"}}},
		store.Group{By: []store.Named{{Name: evil, Expr: f(evil)}}, Aggregates: []store.Aggregate{{Name: evil + "2", Func: store.Count}}},
		store.Sort{Keys: []store.Key{{Field: evil}}},
	}}
	st, err := sql.Render(q, ks, sql.DuckDB, tables)
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`"(?:[^"]|"")*"`)
	text := names.ReplaceAllString(st.Text, "N")
	if strings.Contains(text, "DROP") || strings.Contains(text, "--") {
		t.Errorf("a value or name is in the text: %s", st.Text)
	}
	values := 0
	for _, a := range st.Args {
		if a == evil {
			values++
		}
	}
	if values != 9 {
		t.Errorf("%d of the parameters are the value, want 9", values)
	}
}

// TestSpan: tables are asked for the span of each part of a query.
func TestSpan(t *testing.T) {
	ks := storetest.Kinds(t)
	asked := ""
	gone := errors.New("gone")
	q := &store.Query{Kind: "dns", After: 5, Before: 9, Steps: []store.Step{store.Join{Query: &store.Query{Kind: "session", After: 7}, On: []store.Pair{{Left: "uid", Right: "uid"}}, Prefix: "s."}}}
	_, err := sql.Render(q, ks, sql.DuckDB, func(k *store.Kind, after, before int64) (string, error) {
		asked += k.Name + strings.Repeat("+", int(after)) + strings.Repeat("-", int(before)) + " "
		if k.Name == "session" {
			return "", gone
		}
		return tables(k, after, before)
	})
	if asked != "dns+++++--------- session+++++++ " || !errors.Is(err, gone) {
		t.Errorf("asked for %q, %v", asked, err)
	}
}

package store_test

import (
	"errors"
	"strings"
	"testing"

	"tyto/internal/record"
	"tyto/protocol/all"
	"tyto/sensor"
	"tyto/store"
)

// TestKindsOfTheSensor makes tables of every schema there is: what --json
// writes can be stored.
func TestKindsOfTheSensor(t *testing.T) {
	ks, err := store.NewKinds(sensor.Schemas(all.Set())...)
	if err != nil {
		t.Fatal(err)
	}
	session := ks.Find("session")
	if session == nil || session.Field("id.orig_h") < 0 || session.Field("app") < 0 || len(ks.All()) < 100 {
		t.Errorf("%d tables, session is %+v", len(ks.All()), session)
	}
	for _, k := range ks.All() {
		if k.Fields[0].Type != record.Time {
			t.Errorf("%s starts with %s, which is no time", k.Name, k.Fields[0].Name)
		}
	}
}

func TestKindErrors(t *testing.T) {
	field := func(name string, typ record.Type) record.Field { return record.Field{Name: name, Type: typ} }
	for _, c := range []struct {
		schemas []*record.Schema
		want    string
	}{
		{[]*record.Schema{record.New("a", "", "", field("x", record.String), field("x", record.Count))}, "twice"},
		{[]*record.Schema{record.New("a", "", "", field("uid", record.String))}, "twice"},
		{[]*record.Schema{record.New("a", "", "", field("x", record.Invalid))}, "no type"},
		{[]*record.Schema{record.New("a", "", "", field("x", record.String)), record.New("a", "", "", field("x", record.Count))}, "make them agree"},
	} {
		if _, err := store.NewKinds(c.schemas...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"orig_bytes", "resp_bytes", "query", "id.orig_h"}
	for name, want := range map[string]string{"orig_byte": "orig_bytes", "qurey": "query", "id.orig.h": "id.orig_h", "xyz": "", "": ""} {
		if got := store.Nearest(name, known); got != want {
			t.Errorf("nearest to %q is %q, want %q", name, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	ks, err := store.NewKinds(sensor.SessionSchema)
	if err != nil {
		t.Fatal(err)
	}
	f, l := func(n string) store.Expr { return store.Field(n) }, func(v any) store.Expr { return store.Literal{Value: v} }
	call := func(op store.Op, args ...store.Expr) store.Step {
		return store.Filter{Where: store.Call{Op: op, Args: args}}
	}
	deep := f("encrypted")
	for range 200 {
		deep = store.Call{Op: store.Not, Args: []store.Expr{deep}}
	}
	for _, c := range []struct {
		step store.Step
		want string
	}{
		{call(store.Equal, f("app"), l(int64(1))), "cannot be compared"},
		{call(store.Equal, f("ap"), l("x")), "did you mean app?"},
		{call(store.Greater, f("notes"), l("x")), "cannot be compared"},
		{call(store.Has, f("app"), l("x")), "has needs a list"},
		{call(store.Contains, f("orig_bytes"), l("x")), "needs text"},
		{call(store.Regex, f("app"), l("(")), "regular expression"},
		{call(store.Regex, f("app"), f("app")), "regular expression"},
		{call(store.And, f("app")), "and needs bool"},
		{call(store.Add, f("orig_bytes"), l(int64(1))), "where bool is needed"},
		{call(store.Equal, f("app")), "cannot take 1"},
		{call(store.Op(200), f("app")), "not known"},
		{store.Filter{Where: deep}, "nests"},
		{store.Filter{}, "not known"},
		{store.Filter{Where: store.Literal{Value: []byte("x")}}, "not known"},
		{store.Filter{Where: store.Within{Addr: f("orig_bytes")}}, "cannot be in a network"},
		{store.Sort{Keys: []store.Key{{Field: "notes"}}}, "is a list"},
		{store.Limit{Rows: -1}, "limit"},
		{store.Group{}, "say what to count"},
		{store.Group{Aggregates: []store.Aggregate{{Name: "x", Func: store.Sum}}}, "sum of what?"},
		{store.Group{Aggregates: []store.Aggregate{{Name: "x", Func: store.Sum, Expr: f("app")}}}, "needs a number"},
		{store.Group{Aggregates: []store.Aggregate{{Name: "x", Func: store.Count}, {Name: "x", Func: store.Count}}}, "twice"},
		{store.Select{Columns: []store.Named{{Name: "a", Expr: f("app")}, {Name: "a", Expr: f("app")}}}, "twice"},
		{store.Join{Query: &store.Query{Kind: "session"}, On: []store.Pair{{Left: "uid", Right: "uid"}}}, "both sides"},
		{store.Join{Query: &store.Query{Kind: "sessions"}}, "did you mean session?"},
		{store.Match{Query: &store.Query{Kind: "session"}}, "no fields"},
		{store.Match{Query: &store.Query{Kind: "session"}, On: []store.Pair{{Left: "uid", Right: "ts"}}}, "cannot be equal"},
		{store.Match{Query: &store.Query{Kind: "session"}, On: []store.Pair{{Left: "uid", Right: "uid"}}, Span: &store.Span{Left: "ts", Right: "uid"}}, "no time"},
	} {
		q := &store.Query{Kind: "session", Steps: []store.Step{c.step}}
		if _, err := q.Check(ks); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.step, err, c.want)
		}
	}
	q := &store.Query{Kind: "session"}
	for range 201 {
		q.Steps = append(q.Steps, store.Limit{Rows: 1})
	}
	var name *store.NameError
	if _, err := q.Check(ks); err == nil || errors.As(err, &name) {
		t.Errorf("a query of 201 steps gave %v", err)
	}
}

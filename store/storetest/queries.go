package storetest

import (
	"net/netip"
	"testing"

	"tyto/store"
)

// sessions is what the queries ask about.
const sessions = `{"record":"session","ts":1700000000.1,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":40000,"id.resp_h":"203.0.113.9","id.resp_p":443,"app":"tls","duration":10,"orig_bytes":100,"local_orig":true,"notes":["cut"]}
{"record":"session","ts":1700000001,"uid":"C2","id.orig_h":"10.0.0.1","id.orig_p":40001,"id.resp_h":"2001:db8::1","id.resp_p":22,"app":"SSH","duration":3600,"orig_bytes":18446744073709551615,"local_orig":true}
{"record":"session","ts":1700003600,"uid":"C3","id.orig_h":"10.200.0.2","id.orig_p":40002,"id.resp_h":"fe80::1","id.resp_p":53,"app":"dns","orig_bytes":0,"local_orig":false}
{"record":"session","ts":1700007200,"uid":"C4","id.orig_h":"172.31.255.1","id.orig_p":40003,"id.resp_h":"2001:db8:ff:1::2","id.resp_p":22,"duration":0.5,"orig_bytes":50,"notes":["cut","shed"]}
{"record":"dns","ts":1699999999,"uid":"D1","id.orig_h":"10.0.0.1","query":"a.example","answers":["203.0.113.9"]}
{"record":"dns","ts":1700003599.5,"uid":"D2","id.orig_h":"10.200.0.2","query":"100% '; DROP TABLE session; --","answers":[]}
{"record":"dns","ts":1700009000,"uid":"D3","id.orig_h":"10.0.0.1","query":"b.example"}
`

// f, l and c are short for what expressions are made of.
func f(name string) store.Expr { return store.Field(name) }

func l(v any) store.Expr {
	if i, ok := v.(int); ok {
		v = int64(i)
	}
	return store.Literal{Value: v}
}

func c(op store.Op, args ...store.Expr) store.Expr { return store.Call{Op: op, Args: args} }

// filters are the sessions for which an expression is true.
var filters = []struct {
	where store.Expr
	want  string
}{
	{c(store.Equal, f("app"), l("tls")), "C1"},
	{c(store.NotEqual, f("app"), l("tls")), "C2 C3"}, // null is neither
	{c(store.Equal, f("id.resp_p"), l(22)), "C2 C4"},
	{c(store.In, f("id.resp_p"), l(53), l(443)), "C1 C3"},
	{c(store.In, f("app"), l("dns"), l("SSH")), "C2 C3"},
	{c(store.Greater, f("orig_bytes"), l(99)), "C1 C2"},
	{c(store.GreaterEqual, f("orig_bytes"), l(-1)), "C1 C2 C3 C4"},
	{c(store.Equal, f("orig_bytes"), l(uint64(18446744073709551615))), "C2"},
	{c(store.Less, f("duration"), l(1_000_000_000)), "C4"},
	{c(store.LessEqual, f("duration"), l(10_000_000_000)), "C1 C4"},
	{c(store.Equal, f("local_orig"), l(true)), "C1 C2"},
	{c(store.Not, c(store.Equal, f("local_orig"), l(true))), "C3"},
	{c(store.Not, c(store.Exists, f("app"))), "C4"},
	{c(store.Contains, f("app"), l("S")), "C1 C2 C3"},
	{c(store.Starts, f("app"), l("ss")), "C2"},
	{c(store.Ends, f("id.resp_h"), l(":1")), "C2 C3"},
	{c(store.Regex, f("app"), l("^[a-z]+$")), "C1 C3"},
	{c(store.Has, f("notes"), l("cut")), "C1 C4"},
	{c(store.And, c(store.Has, f("notes"), l("cut")), c(store.Exists, f("app"))), "C1"},
	{c(store.Or, c(store.Equal, f("app"), l("tls")), c(store.Equal, f("app"), l("dns"))), "C1 C3"},
	{c(store.Equal, c(store.Hour, f("ts")), l(22)), "C1 C2"}, // 2023-11-14 22:13:20 UTC
	{c(store.Equal, c(store.Day, f("ts")), l(3)), "C4"},      // Wednesday begins at 24:00
	{c(store.Equal, c(store.Length, f("notes")), l(2)), "C4"},
	{c(store.Equal, c(store.Lower, f("app")), l("ssh")), "C2"},
	{c(store.Greater, c(store.Add, f("orig_bytes"), l(1.5)), l(101)), "C1 C2"},
	{c(store.Greater, c(store.Div, f("orig_bytes"), f("orig_bytes")), l(0)), "C1 C2 C4"}, // 0/0 is null
	{c(store.Less, c(store.Mul, f("orig_bytes"), l(2)), l(200)), "C3 C4"},
	{c(store.Equal, c(store.Sub, f("duration"), f("duration")), l(0)), "C1 C2 C4"},
	{c(store.Equal, c(store.Log, f("orig_bytes")), l(0.0)), "C3"},
	{c(store.Equal, c(store.Abs, c(store.Sub, l(40), f("orig_bytes"))), l(10)), "C4"},
	{c(store.Equal, c(store.Item, f("id.orig_h"), l("."), l(2)), l("200")), "C3"},
	{c(store.Equal, c(store.Item, f("id.orig_h"), l("."), l(-1)), l("1")), "C1 C2 C4"},
	{c(store.Equal, c(store.Minus, f("ts"), f("ts")), l(0)), "C1 C2 C3 C4"},
	{c(store.Less, f("ts"), l(1_700_000_001_000_000_000)), "C1"},
	{in("id.orig_h", "10.0.0.0/8"), "C1 C2 C3"},
	{in("id.orig_h", "10.0.0.0/9"), "C1 C2"},
	{in("id.orig_h", "10.0.0.1/32"), "C1 C2"},
	{in("id.orig_h", "172.16.0.0/12"), "C4"},
	{in("id.orig_h", "0.0.0.0/0"), "C1 C2 C3 C4"},
	{in("id.resp_h", "0.0.0.0/0"), "C1"},
	{in("id.resp_h", "::/0"), "C2 C3 C4"},
	{in("id.resp_h", "2001:db8::/32"), "C2 C4"},
	{in("id.resp_h", "2001:db8:80::/41"), "C4"},
	{in("id.resp_h", "2001:db8::/41"), "C2"},
	{in("id.resp_h", "fe80::/10"), "C3"},
	{in("id.resp_h", "2001:db8::1/128"), "C2"},
	{c(store.Equal, f("app"), l(`' OR 1=1 --`)), ""},
}

func in(field, network string) store.Expr {
	return store.Within{Addr: f(field), Network: netip.MustParsePrefix(network)}
}

func uids(list []store.Step) *store.Query {
	return &store.Query{Kind: "session", Steps: append(list, store.Sort{Keys: []store.Key{{Field: "ts"}}},
		store.Select{Columns: []store.Named{{Name: "uid", Expr: f("uid")}}})}
}

// steps are queries of other steps and what they give.
var steps = []struct {
	name string
	q    store.Query
	want string
}{
	{"group", store.Query{Kind: "session", Steps: []store.Step{store.Group{
		By: []store.Named{{Name: "who", Expr: f("id.orig_h")}},
		Aggregates: []store.Aggregate{{Name: "n", Func: store.Count}, {Name: "apps", Func: store.Values, Expr: f("app")}, {Name: "sum", Func: store.Sum, Expr: f("orig_bytes")},
			{Name: "max", Func: store.Max, Expr: f("duration")}, {Name: "mean", Func: store.Mean, Expr: f("duration")}, {Name: "ports", Func: store.Distinct, Expr: f("id.resp_p")}}}}},
		// A sum beyond 64 bits stays at their end.
		"10.0.0.1 2 [SSH tls] 9223372036854775807 3600000000000 1805000000000 2\n10.200.0.2 1 [dns] 0 - - 1\n172.31.255.1 1 - 50 500000000 500000000 1\n"},
	{"figures", store.Query{Kind: "session", Steps: []store.Step{store.Group{Aggregates: []store.Aggregate{
		{Name: "median", Func: store.Median, Expr: f("duration")}, {Name: "p95", Func: store.P95, Expr: f("duration")},
		{Name: "spread", Func: store.Spread, Expr: f("id.resp_p")}, {Name: "least", Func: store.Min, Expr: f("id.resp_p")}, {Name: "apps", Func: store.Count, Expr: f("app")}}}}},
		"10000000000 3241000000000 178.2736660306283 22 3\n"},
	{"bin", store.Query{Kind: "session", Steps: []store.Step{store.Group{
		By:         []store.Named{{Name: "hour", Expr: c(store.Bin, f("ts"), l(3_600_000_000_000))}},
		Aggregates: []store.Aggregate{{Name: "n", Func: store.Count}}}}},
		"1699999200000000000 2\n1700002800000000000 1\n1700006400000000000 1\n"},
	{"limit", store.Query{Kind: "session", Steps: []store.Step{store.Sort{Keys: []store.Key{{Field: "app", Desc: true}}}, store.Limit{Rows: 2},
		store.Select{Columns: []store.Named{{Name: "app", Expr: f("app")}}}}}, "tls\ndns\n"},
	{"extend", store.Query{Kind: "session", Steps: []store.Step{store.Limit{Rows: 1},
		store.Extend{Columns: []store.Named{{Name: "app", Expr: c(store.Lower, f("app"))}, {Name: "twice", Expr: c(store.Mul, f("orig_bytes"), l(2))}}},
		store.Select{Columns: []store.Named{{Name: "a", Expr: f("app")}, {Name: "b", Expr: f("twice")}}}}}, "tls 200\n"},
	{"latest", store.Query{Kind: "session", Steps: []store.Step{store.Latest{By: []string{"id.orig_h"}, Field: "ts"},
		store.Select{Columns: []store.Named{{Name: "uid", Expr: f("uid")}}}}}, "C2\nC3\nC4\n"},
	{"first", store.Query{Kind: "session", Steps: []store.Step{store.Latest{Field: "ts", First: true},
		store.Select{Columns: []store.Named{{Name: "uid", Expr: f("uid")}}}}}, "C1\n"},
	{"match", *uids([]store.Step{store.Match{Query: &store.Query{Kind: "dns"}, On: []store.Pair{{Left: "id.orig_h", Right: "id.orig_h"}}}}), "C1\nC2\nC3\n"},
	{"match not", *uids([]store.Step{store.Match{Query: &store.Query{Kind: "dns"}, On: []store.Pair{{Left: "id.orig_h", Right: "id.orig_h"}}, Not: true}}), "C4\n"},
	{"match in time", *uids([]store.Step{store.Match{Query: &store.Query{Kind: "dns"}, On: []store.Pair{{Left: "id.orig_h", Right: "id.orig_h"}},
		Span: &store.Span{Left: "ts", Right: "ts", From: -2_000_000_000}}}), "C1\nC2\nC3\n"},
	{"match in less time", *uids([]store.Step{store.Match{Query: &store.Query{Kind: "dns"}, On: []store.Pair{{Left: "id.orig_h", Right: "id.orig_h"}},
		Span: &store.Span{Left: "ts", Right: "ts", From: -1_500_000_000, To: -600_000_000}}}), "C1\n"},
	{"match none in time", *uids([]store.Step{store.Match{Query: &store.Query{Kind: "dns"}, On: []store.Pair{{Left: "id.orig_h", Right: "id.orig_h"}},
		Span: &store.Span{Left: "ts", Right: "ts", From: -1_500_000_000, To: -600_000_000}, Not: true}}), "C2\nC3\nC4\n"},
	{"join", store.Query{Kind: "session", Steps: []store.Step{
		store.Join{Query: &store.Query{Kind: "dns"}, On: []store.Pair{{Left: "id.orig_h", Right: "id.orig_h"}}, Prefix: "dns."},
		store.Select{Columns: []store.Named{{Name: "uid", Expr: f("uid")}, {Name: "query", Expr: f("dns.query")}}}}},
		"C1 a.example\nC1 b.example\nC2 a.example\nC2 b.example\nC3 100% '; DROP TABLE session; --\n"},
	{"outer join", store.Query{Kind: "session", After: 1_700_000_002_000_000_000, Steps: []store.Step{
		store.Join{Query: &store.Query{Kind: "dns"}, On: []store.Pair{{Left: "id.orig_h", Right: "id.orig_h"}}, Prefix: "dns.", Outer: true},
		store.Select{Columns: []store.Named{{Name: "uid", Expr: f("uid")}, {Name: "at", Expr: f("dns.uid")}}}}}, "C3 D2\nC4 -\n"},
	{"empty table", store.Query{Kind: "every-type"}, ""},
	{"literal percent", store.Query{Kind: "dns", Steps: []store.Step{store.Filter{Where: c(store.Contains, f("query"), l("%"))},
		store.Select{Columns: []store.Named{{Name: "query", Expr: f("query")}}}}}, "100% '; DROP TABLE session; --\n"},
}

func testQueries(t *testing.T, open Open) {
	ks := Kinds(t)
	s := open(t, t.TempDir(), ks)
	defer s.Close()
	Load(t, s, ks, sessions)
	for i, x := range filters {
		want := ""
		for j := 0; j+1 < len(x.want); j += 3 {
			want += x.want[j:j+2] + "\n"
		}
		if got := Rows(t, s, uids([]store.Step{store.Filter{Where: x.where}})); got != want {
			t.Errorf("filter %d, %+v: got %q, want %q", i, x.where, got, want)
		}
	}
	for _, x := range steps {
		if got := Rows(t, s, &x.q); got != x.want {
			t.Errorf("%s:\n got %q\nwant %q", x.name, got, x.want)
		}
	}
}

package hunt_test

import (
	"errors"
	"strings"
	"testing"

	"tyto/entity"
	"tyto/hunt"
	"tyto/internal/record"
	"tyto/protocol/all"
	"tyto/sensor"
	"tyto/store"
)

// kinds are the tables of a whole store.
func kinds(t testing.TB) *store.Kinds {
	t.Helper()
	ks, err := store.NewKinds(append([]*record.Schema{entity.EntitySchema, entity.RelationSchema}, sensor.Schemas(all.Set())...)...)
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

// now is the time that the tests count from: 2023-11-14T22:13:20Z.
const now = 1_700_000_000_000_000_000

// canonical are queries in the form that String writes.
var canonical = []string{
	"session",
	"session last 7d",
	"session last 1d12h where app = ssh",
	"session from 2023-11-14 to 2023-11-15T10:00:00Z where app = ssh",
	"session from -2h",
	"session where app = ssh and duration > 1h or not encrypted",
	"session where (app = ssh or app = tls) and (not encrypted or exists domain)",
	"session where not (app = ssh and encrypted)",
	"session where not not encrypted",
	`session where domain = *.example.com and app != "*"`,
	`session where domain = "a \"quoted\" text\n"`,
	"session where id.orig_h = 10.0.0.0/8 and id.resp_h != 2001:db8::1",
	"session where id.resp_p in (22, 2222) and app in (ssh, unknown)",
	"session where app contains s and domain startswith cdn and domain endswith .example and history matches \"^S.*r$\"",
	"session where orig_bytes > (resp_bytes)",
	"session where orig_bytes / (resp_bytes + 1) > 10 and orig_bytes - resp_bytes - 1 > 5k",
	"session where 2 * (orig_bytes + 1) <= resp_bytes * 3",
	"session where length(notes) > 0 and notes = cut and has(notes, \"shed\")",
	"session where hour(ts) < 6 and day(ts) in (0, 6)",
	"session where local_orig = true | where duration >= 1m30s",
	"session | fields ts, id.orig_h as host, orig_bytes + resp_bytes as bytes, lower(app)",
	"session | extend orig_bytes / 1024 as kib | limit 5",
	"session | stats count()",
	"session | stats count() as n, sum(orig_bytes), distinct(id.resp_h), p95(duration) as slow by app, bin(ts, 1h)",
	"session | top 10 id.orig_h by sum(orig_bytes)",
	"session | rare 5 app, id.resp_p",
	"session | timeline 1h by app",
	"session | sort duration desc, ts | limit 3",
	"session | latest by id.orig_h, app | first by app",
	"session | new id.orig_h, domain within 7d",
	"devices | new within 1d",
	"session | with tls where exists ja4 | rare 20 tls.ja4",
	"session | with dns on id.orig_h, domain = query",
	"session | did kerberos where success = false within 1h | didnt dns on id.orig_h within 10m",
	"kerberos where success = false | then ssh where auth_success = true within 5m | then session within 1m",
	"devices where role = workstation | to domains via resolved, reached where ts > -7d | from devices",
	"devices | did ssh where auth_success = true",
	"session where app = tls | like CHhAvVGS1DHFjwGM9",
	"session last 1d | path 10.0.0.1 to 10.0.0.9 hops 3",
	"kerberos where from > 2023-11-14 and till < 2037-01-01 | fields from, till",
	"relation where from = address:10.0.0.1 and to_device contains srv | fields from, to, via",
	"nat-pmp | fields ts, `and`",
}

func TestRoundTrip(t *testing.T) {
	for _, text := range canonical {
		q, err := hunt.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := q.String(); got != text {
			t.Errorf("%s\nbecame %s", text, got)
		}
	}
}

// TestOtherForms parses what may be written in another way.
func TestOtherForms(t *testing.T) {
	for text, want := range map[string]string{
		"session   where\tapp == ssh|limit 5":               "session where app = ssh | limit 5",
		"session where ((app = ssh))":                       "session where app = ssh",
		"session last 60m | sort ts asc":                    "session last 1h | sort ts",
		"session where (orig_bytes + 1) + resp_bytes > 5":   "session where orig_bytes + 1 + resp_bytes > 5",
		"session | extend (orig_bytes) as b, `app` as kind": "session | extend orig_bytes as b, app as kind",
		"session | path 1.1.1.1 to 2.2.2.2 hops 4":          "session | path 1.1.1.1 to 2.2.2.2",
		"session where a = (1.5d)":                          "session where a = 1.5d",
	} {
		q, err := hunt.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := q.String(); got != want {
			t.Errorf("%s\nbecame %s\nwant   %s", text, got, want)
		}
	}
}

// TestCompile compiles what TestRoundTrip parses, except what asks a store.
func TestCompile(t *testing.T) {
	ks := kinds(t)
	for _, text := range canonical {
		if strings.Contains(text, "| like") || strings.Contains(text, "| path") || strings.Contains(text, "`and`") {
			continue
		}
		q, err := hunt.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		compiled, err := q.Compile(ks, now)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if _, err := compiled.Check(ks); err != nil {
			t.Errorf("%s: the compiled query is wrong: %v", text, err)
		}
	}
}

// TestErrors: each error points at its column and says what to do.
func TestErrors(t *testing.T) {
	ks := kinds(t)
	for _, c := range []struct {
		text   string
		column int
		want   string
	}{
		{"", 1, "a kind of record"},
		{"sesion", 1, "did you mean session?"},
		{"device", 1, "did you mean devices?"},
		{"session were app = ssh", 9, "| and an operator"},
		{"session where", 14, "the query ends"},
		{"session where ap = ssh", 15, "did you mean app?"},
		{"session where app", 15, "not true or false"},
		{"session where app = ssh and orig_bytes", 29, "not true or false"},
		{"session where app =", 20, "a field, a number"},
		{"session where (app = ssh", 25, ") should follow"},
		{"session where orig_bytes > many", 28, "write a number"},
		{"session where duration > soon", 26, "write 500ms"},
		{"session where ts > yesterday", 20, "write 2026-11-24"},
		{"session where encrypted = yes", 27, "true or false"},
		{"session where id.orig_h = 10.0.0.0/40", 27, "no network"},
		{"session where domain matches \"(\"", 22, "regular expression"},
		{"session where notes = cu*", 23, "whole texts"},
		{"session where nothing(app) > 1", 15, "no function nothing"},
		{"session where \"open", 15, "not closed"},
		{"session where `open", 15, "not closed"},
		{"session where app = ssh; drop", 24, "no meaning"},
		{"session where app = \xff", 21, "UTF-8"},
		{"session | tap 10 app", 11, "did you mean top?"},
		{"session | top app", 15, "how many"},
		{"session | stats count", 22, "("},
		{"session | stats summ(orig_bytes)", 17, "did you mean sum?"},
		{"session | stats sum(app)", 17, "needs a number"},
		{"session | fields orig_bytes + 1", 32, "as and a name"},
		{"session | fields app | where duration > 1h", 30, "no field duration"},
		{"session | stats count() by app | timeline 1h", 43, "no time any more"},
		{"session | then ssh", 19, "within"},
		{"session | with stats", 16, "say which fields"},
		{"session | with tls on uid = ja", 29, "did you mean ja3?"},
		{"session | new within 7d", 15, "new of what?"},
		{"session | to domains", 14, "start with devices"},
		{"devices | to domain", 14, "did you mean domains?"},
		{"session | like C1", 16, "Run"},
		{"dns | like C1", 12, "start with session"},
		{"session | path a to b hops 9", 16, "at most 8"},
		{"session last soon", 14, "a length of time"},
		{"session from tomorrow", 14, "no time"},
		{"session where " + strings.Repeat("(", 200), 78, "nests"},
		{"session where " + strings.Repeat("not ", 200) + "encrypted", 267, "nests"},
		{strings.Repeat("a", hunt.MaxQuery+1), 1, "longer"},
	} {
		q, err := hunt.Parse(c.text)
		if err == nil {
			_, err = q.Compile(ks, now)
		}
		var at *hunt.Error
		switch {
		case err == nil:
			t.Errorf("%.80s: no error, want %q", c.text, c.want)
		case !strings.Contains(err.Error(), c.want):
			t.Errorf("%.80s: got %v, want %q", c.text, err, c.want)
		case errors.As(err, &at) && at.Column != c.column:
			t.Errorf("%.80s: got %v, want column %d", c.text, err, c.column)
		}
	}
}

// FuzzParse parses any text: what is read writes itself, reads as the same
// again, and compiles to a query that the store would take, or to an error.
func FuzzParse(f *testing.F) {
	for _, text := range canonical {
		f.Add(text)
	}
	for _, h := range hunt.Hunts() {
		f.Add(h.Query)
	}
	f.Add("session where domain = 'x' -- \"; DROP TABLE session; --\" | top 1e9 `a b`")
	ks := kinds(f)
	f.Fuzz(func(t *testing.T, text string) {
		q, err := hunt.Parse(text)
		if err != nil {
			var at *hunt.Error
			if !errors.As(err, &at) || at.Column < 1 || at.Message == "" {
				t.Fatalf("%q: an error without a place: %v", text, err)
			}
			return
		}
		written := q.String()
		again, err := hunt.Parse(written)
		if err != nil {
			t.Fatalf("%q was written as %q, which does not parse: %v", text, written, err)
		}
		if got := again.String(); got != written {
			t.Fatalf("%q was written as %q and then as %q", text, written, got)
		}
		compiled, err := q.Compile(ks, now)
		if err != nil {
			return
		}
		if _, err := compiled.Check(ks); err != nil {
			t.Fatalf("%q compiles to what the store does not take: %v", text, err)
		}
	})
}

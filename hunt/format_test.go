package hunt_test

import (
	"encoding/csv"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode"

	"tyto/hunt"
	"tyto/internal/record"
	"tyto/store"
)

// hostile are texts that traffic may hold.
var hostile = []string{
	"\x1b[2J\x1b]0;owned\x07", "=HYPERLINK(\"http://x\")", "+1", "-cmd", "@x", `"];a->b;//`, `\"`, `</text><script>alert(1)</script>`, "a,b\r\nc", "\u202egpj.exe", "\xff\xfe", "'", "a\x00b",
}

// batch has a row for each hostile text.
func batch() *store.Batch {
	b := &store.Batch{Fields: []record.Field{
		{Name: "ts", Type: record.Time}, {Name: "from", Type: record.String}, {Name: "to", Type: record.String}, {Name: "count", Type: record.Count},
		{Name: "took", Type: record.Interval}, {Name: "p", Type: record.Double}, {Name: "list", Type: record.Set}, {Name: "ok", Type: record.Bool}}}
	b.Shape()
	for i, text := range hostile {
		b.Columns[0].AppendInt(1_700_000_000_123_456_789)
		b.Columns[1].AppendText(text)
		b.Columns[2].AppendText("server")
		b.Columns[3].AppendInt(int64(i))
		b.Columns[4].AppendInt(1_500_000_000)
		b.Columns[5].AppendFloat(0.25)
		b.Columns[6].Text = append(b.Columns[6].Text, text...)
		b.Columns[6].EndElement()
		b.Columns[6].EndList()
		if i > 0 {
			b.Columns[7].AppendInt(1)
		}
		b.EndRow()
	}
	return b
}

func output(t *testing.T, f hunt.Format) string {
	t.Helper()
	var b strings.Builder
	w := hunt.NewWriter(&b, f)
	if err := w.Write(batch()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestHostileOutput writes hostile values in every format: no control character
// gets out, lines stay lines, and markup and formulas are inert.
func TestHostileOutput(t *testing.T) {
	for _, name := range hunt.Formats() {
		f, err := hunt.ParseFormat(name)
		if err != nil {
			t.Fatal(err)
		}
		out := output(t, f)
		for _, r := range out {
			if f != hunt.JSON && !unicode.IsPrint(r) && !strings.ContainsRune("\r\n\t", r) {
				t.Errorf("%s holds %U", name, r)
			}
			if r < ' ' && !strings.ContainsRune("\r\n\t", r) {
				t.Errorf("%s holds %U", name, r)
			}
		}
		if n := strings.Count(out, "\n"); (f == hunt.Table || f == hunt.CSV) && n != len(hostile)+1 || f == hunt.JSON && n != len(hostile) {
			t.Errorf("%s has %d lines", name, n)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(output(t, hunt.CSV))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		if strings.ContainsAny(row[1][:1], "=+-@") {
			t.Errorf("a spreadsheet would run %q", row[1])
		}
	}
	d := xml.NewDecoder(strings.NewReader(output(t, hunt.SVG)))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "script" {
			t.Error("a script got into the picture")
		}
	}
	for line := range strings.Lines(output(t, hunt.DOT)) {
		if strings.Contains(line, "a->b") && !strings.Contains(line, `[label="\"];a->b;//"]`) {
			t.Errorf("an edge got into the graph: %s", line)
		}
	}
}

func TestFormats(t *testing.T) {
	one := func(f hunt.Format) string { return strings.Join(strings.SplitAfterN(output(t, f), "\n", 4)[:3], "") }
	for f, want := range map[hunt.Format]string{
		hunt.CSV:  "ts,from,to,count,took,p,list,ok\r\n1700000000.123456789,\\x1b[2J\\x1b]0;owned\\a,server,0,1.5,0.25,\\x1b[2J\\x1b]0;owned\\a,\r\n1700000000.123456789,\"'=HYPERLINK(\"\"http://x\"\")\",server,1,1.5,0.25,\"'=HYPERLINK(\"\"http://x\"\")\",true\r\n",
		hunt.JSON: `{"ts":1700000000.123456789,"from":"\u001b[2J\u001b]0;owned\u0007","to":"server","count":0,"took":1.500000,"p":0.25,"list":["\u001b[2J\u001b]0;owned\u0007"]}` + "\n" + `{"ts":1700000000.123456789,"from":"=HYPERLINK(\"http://x\")","to":"server","count":1,"took":1.500000,"p":0.25,"list":["=HYPERLINK(\"http://x\")"],"ok":true}` + "\n",
	} {
		if got := one(f); !strings.HasPrefix(got, want) {
			t.Errorf("format %d:\n got %s\nwant %s", f, got, want)
		}
	}
	if table := one(hunt.Table); !strings.Contains(table, "2023-11-14 22:13:20.123  \\x1b[2J") || !strings.Contains(table, "1.5s") {
		t.Errorf("table:\n%s", table)
	}
	if _, err := hunt.ParseFormat("xml"); err == nil {
		t.Error("a format that is not there was taken")
	}
	var none strings.Builder
	w := hunt.NewWriter(&none, hunt.DOT)
	b := &store.Batch{Fields: []record.Field{{Name: "count", Type: record.Count}}}
	if err := w.Write(b); err == nil {
		t.Error("a graph without columns of text was drawn")
	}
}

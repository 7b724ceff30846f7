package hunt_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tyto/hunt"
	"tyto/store"
	"tyto/store/duck"
)

// open returns a store with records, or skips the test where there is none.
func open(t *testing.T, ks *store.Kinds, lines string) store.Store {
	t.Helper()
	s, err := duck.Open(t.TempDir(), ks, duck.Options{Memory: 128 << 20})
	if err != nil && strings.Contains(err.Error(), "built without") {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	l := store.NewLoader(context.Background(), s, ks)
	if _, err := l.Write([]byte(lines)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if len(l.Unknown) > 0 {
		t.Fatalf("the records have what no schema has: %v", l.Unknown)
	}
	return s
}

// ask returns the rows of a query as text, or its error.
func ask(t *testing.T, s store.Store, ks *store.Kinds, text string) string {
	t.Helper()
	q, err := hunt.Parse(text)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	latest, err := hunt.Now(context.Background(), s, ks)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	out := hunt.NewWriter(&b, hunt.CSV)
	if err := hunt.Run(context.Background(), s, ks, q, latest, out.Write); err != nil {
		return "error: " + err.Error() + "\n"
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	_, rows, _ := strings.Cut(b.String(), "\n")
	return rows
}

// records returns the lines of a test file that are records, and the rest.
func records(t *testing.T, file string) (lines, rest string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		switch {
		case strings.HasPrefix(line, "{"):
			lines += line
		case !strings.HasPrefix(line, "#"):
			rest += line
		}
	}
	return lines, rest
}

// TestOperators asks the questions of testdata/operators.txt, each after "> ",
// and compares the rows. UPDATE=1 writes them.
func TestOperators(t *testing.T) {
	const file = "testdata/operators.txt"
	lines, rest := records(t, file)
	ks := kinds(t)
	s := open(t, ks, lines)
	var got strings.Builder
	for _, block := range strings.Split("\n"+rest, "\n> ")[1:] {
		text, _, _ := strings.Cut(block, "\n")
		fmt.Fprintf(&got, "> %s\n%s\n", text, ask(t, s, ks, text))
	}
	compare(t, file, lines, "\n"+got.String(), rest)
}

// TestHunts runs every hunt on the records of its file: it finds what the file
// says and nothing else.
func TestHunts(t *testing.T) {
	ks := kinds(t)
	for _, h := range hunt.Hunts() {
		t.Run(h.Name, func(t *testing.T) {
			if h.Title == "" || h.Doc == "" || len(h.Techniques) == 0 {
				t.Error("a hunt has a title, says what it means and names techniques")
			}
			q, err := hunt.Parse(h.Query)
			if err != nil {
				t.Fatal(err)
			}
			if got := q.String(); got != h.Query {
				t.Errorf("write it as %s", got)
			}
			file := filepath.Join("testdata", "hunts", h.Name+".txt")
			lines, rest := records(t, file)
			got := ask(t, open(t, ks, lines), ks, h.Query)
			if got == "" {
				t.Error("it finds nothing in its own records")
			}
			compare(t, file, lines, "\n"+got, rest)
		})
	}
}

func compare(t *testing.T, file, lines, got, want string) {
	t.Helper()
	if os.Getenv("UPDATE") != "" {
		head := ""
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if strings.HasPrefix(line, "#") {
				head += line
			}
		}
		if err := os.WriteFile(file, []byte(head+lines+got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("%s:\ngot\n%s\nwant\n%s", file, got, want)
	}
}

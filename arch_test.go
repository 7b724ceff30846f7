package tyto

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The files are read in this process, not by "go list" in a child: the test
// cache sees what a test opens and misses what its children open.

const module = "tyto/"

// goPackage is what the tests need to know of a package.
type goPackage struct {
	documented bool
	imports    []string // of this module, without its name
	source     strings.Builder
}

// TestLayers holds every import against the layers table of ARCHITECTURE.md.
// A package's own row wins over a pattern. Change the table only together with
// the text around it.
func TestLayers(t *testing.T) {
	rows, packages := table(t, "layers"), goPackages(t)
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		p := packages[name]
		if !p.documented {
			t.Errorf("%s: no package comment", name)
		}
		allowed, ok := rows[name]
		if !ok {
			if allowed, ok = rows[path.Dir(name)+"/*"]; !ok {
				t.Errorf("%s: not in the layers table of ARCHITECTURE.md", name)
				continue
			}
		}
		for _, dep := range p.imports {
			if !strings.HasPrefix(dep, "internal/") && !matchAny(allowed, dep) {
				t.Errorf("%s imports %s, which its row of the layers table does not allow", name, dep)
			}
		}
	}
	for name := range rows {
		if packages[name] == nil && !strings.Contains(name, "*") {
			t.Errorf("%s: in the layers table, but there is no such package", name)
		}
	}
}

// TestOnly holds the "only" table: what may be used in a few packages alone.
func TestOnly(t *testing.T) {
	packages := goPackages(t)
	for what, allowed := range table(t, "only") {
		for name, p := range packages {
			if strings.Contains(p.source.String(), what) && !matchAny(allowed, name) {
				t.Errorf("%s uses %s, which is for %v only", name, what, allowed)
			}
		}
	}
}

func matchAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name)
		return ok || p == "any"
	})
}

// table returns the rows of a fenced table of ARCHITECTURE.md by first field.
func table(t *testing.T, name string) map[string][]string {
	t.Helper()
	doc, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "```"+name+"\n")
	block, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatalf("ARCHITECTURE.md has no %s table", name)
	}
	rows := make(map[string][]string)
	for line := range strings.Lines(block) {
		if f := strings.Fields(line); len(f) > 0 {
			rows[f[0]] = f[1:]
		}
	}
	return rows
}

// goPackages parses every file that is no test below the root, whatever its
// build tags; nested modules are not part of it.
func goPackages(t *testing.T) map[string]*goPackage {
	t.Helper()
	packages := make(map[string]*goPackage)
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			_, err := os.Stat(filepath.Join(name, "go.mod"))
			nested := err == nil && name != "."
			if nested || d.Name() == "testdata" || d.Name() == "node_modules" || len(name) > 1 && d.Name()[0] == '.' {
				return filepath.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || filepath.Dir(name) == ".":
			return nil
		}
		return addFile(packages, name)
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func addFile(packages map[string]*goPackage, name string) error {
	src, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return err
	}
	dir := filepath.ToSlash(filepath.Dir(name))
	p := packages[dir]
	if p == nil {
		p = new(goPackage)
		packages[dir] = p
	}
	p.documented = p.documented || f.Doc != nil
	p.source.Write(src)
	for _, spec := range f.Imports {
		imp, _ := strconv.Unquote(spec.Path.Value)
		if dep, ok := strings.CutPrefix(imp, module); ok {
			p.imports = append(p.imports, dep)
		}
	}
	return nil
}

package webapp

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"

	"tyto/lab"
)

// Repository is packages that a package manager fetches. Their content is
// random: they cannot be installed.
type Repository struct {
	Files    map[string]string // by path without the first slash
	Packages map[string]string // name to the path of its file
}

// NewRepository draws packages of about that size for "apt" or "pip", and the
// index that the manager wants.
func NewRepository(kind string, packages, sizeBytes int, rng *rand.Rand) *Repository {
	s := &Repository{make(map[string]string), make(map[string]string)}
	for len(s.Packages) < packages {
		name := fmt.Sprintf("%s%s%d", draw(rng, "lib", "fast", "corp", "mini"), draw(rng, "parse", "crypt", "graph", "sync", "image"), rng.IntN(1000))
		content := lab.Random(sizeBytes/2+rng.IntN(sizeBytes), rng)
		if kind == "apt" {
			s.Packages[name] = fmt.Sprintf("debian/pool/main/%s_1.%d_all.deb", name, rng.IntN(20))
		} else {
			s.Packages[name] = fmt.Sprintf("packages/%s-1.0-py3-none-any.whl", name)
			content = wheel(name, content)
		}
		s.Files[s.Packages[name]] = content
	}
	if kind == "apt" {
		s.aptIndex(rng)
	} else {
		for name, path := range s.Packages {
			s.Files["simple/"+name+"/index.html"] = fmt.Sprintf("<!doctype html><a href=\"/%s#sha256=%x\">%s</a>\n", path, sha256.Sum256([]byte(s.Files[path])), path[len("packages/"):])
		}
	}
	return s
}

// aptIndex writes Release and Packages.gz, where the packages are among many
// others.
func (s *Repository) aptIndex(rng *rand.Rand) {
	var list strings.Builder
	stanza := func(name, path string, size int, sum [32]byte) {
		version := path[strings.Index(path, "_")+1 : strings.LastIndex(path, "_")]
		fmt.Fprintf(&list, "Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Packages <packages@corp.example>\nFilename: %s\nSize: %d\nSHA256: %x\nDescription: %s\n\n",
			name, version, strings.TrimPrefix(path, "debian/"), size, sum, name)
	}
	for name, path := range s.Packages {
		stanza(name, path, len(s.Files[path]), sha256.Sum256([]byte(s.Files[path])))
	}
	for i := range 50 + rng.IntN(800) {
		stanza(fmt.Sprintf("other%d", i), fmt.Sprintf("debian/pool/main/other%d_2.%d_all.deb", i, i%7), rng.IntN(1e6), sha256.Sum256([]byte(fmt.Sprint(i))))
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write([]byte(list.String())) // a Buffer takes everything
	z.Close()
	release := "Origin: corp\nSuite: stable\nCodename: stable\nArchitectures: amd64 all\nComponents: main\nSHA256:\n"
	for name, content := range map[string]string{"Packages": list.String(), "Packages.gz": packed.String()} {
		name = "main/binary-amd64/" + name
		release += fmt.Sprintf(" %x %d %s\n", sha256.Sum256([]byte(content)), len(content), name)
		s.Files["debian/dists/stable/"+name] = content
	}
	s.Files["debian/dists/stable/Release"] = release
}

// wheel packs content as a package of Python.
func wheel(name, content string) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	info := name + "-1.0.dist-info/"
	for _, f := range [][2]string{
		{name + "/data.bin", content}, {info + "METADATA", "Metadata-Version: 2.1\nName: " + name + "\nVersion: 1.0\n"},
		{info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}, {info + "RECORD", ""},
	} {
		w, _ := z.Create(f[0]) // a Buffer takes everything
		w.Write([]byte(f[1]))
	}
	z.Close()
	return b.String()
}

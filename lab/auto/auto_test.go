package auto

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPauses(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for kind, bounds := range map[string][2]float64{"minus": {.5, 1}, "plus": {1, 1.5}, "plusminus": {.5, 1.5}, "lognormal": {0, 4}} {
		all := Rhythm{time.Second, .5, kind}.Pauses(500, rng)
		if all[0] != 0 {
			t.Errorf("%s: the first comes after %s", kind, all[0])
		}
		var sum time.Duration
		for _, p := range all[1:] {
			if s := p.Seconds(); s < bounds[0] || s > bounds[1] {
				t.Errorf("%s: a pause of %s", kind, p)
			}
			sum += p
		}
		mean := (sum / 499).Seconds()
		if want := map[string]float64{"minus": .75, "plus": 1.25, "plusminus": 1, "lognormal": 1}[kind]; mean < want-.1 || mean > want+.1 {
			t.Errorf("%s: pauses of %.2f s on average, want %.2f", kind, mean, want)
		}
	}
	if all := (Rhythm{Interval: time.Second}).Pauses(0, rng); len(all) != 0 {
		t.Errorf("%d pauses of none", len(all))
	}
}

func TestAnswerName(t *testing.T) {
	query := []byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x04corp\x00\x00\x01\x00\x01")
	a := answerName(query)
	if want := len(query) + 16; len(a) != want || a[7] != 1 {
		t.Errorf("%d bytes with %d answers, want %d with 1", len(a), a[7], want)
	}
	other := append([]byte(nil), query...)
	other[len(other)-3] = 28
	if a := answerName(other); len(a) != len(query) || a[7] != 0 {
		t.Errorf("an answer to another type of %d bytes", len(a))
	}
	for n := range query {
		if answerName(query[:n]) != nil {
			t.Errorf("an answer to %d bytes of a query", n)
		}
	}
}

func TestStore(t *testing.T) {
	t.Chdir(t.TempDir())
	s := &store{objects: make(map[string][]byte), parts: make(map[string]map[int][]byte)}
	ask := func(method, url, body string) string {
		w := httptest.NewRecorder()
		if err := s.answer(w, httptest.NewRequest(method, url, nil), []byte(body)); err != nil {
			t.Fatalf("%s %s: %v", method, url, err)
		}
		return w.Body.String()
	}
	id := UploadID("b/dir/x")
	ask("POST", "/b/dir/x?uploads", "")
	ask("PUT", "/b/dir/x?partNumber=2&uploadId="+id, "world")
	ask("PUT", "/b/dir/x?partNumber=1&uploadId="+id, "hello ")
	ask("POST", "/b/dir/x?uploadId="+id, "")
	ask("PUT", "/b/y", "other")
	if got := ask("GET", "/b/dir/x", ""); got != "hello world" {
		t.Errorf("the object is %q", got)
	}
	if got, err := os.ReadFile(ObjectFile("b/dir/x")); err != nil || string(got) != "hello world" {
		t.Errorf("its file is %q, %v", got, err)
	}
	if got := ask("GET", "/b/?delimiter=/&prefix=", ""); !strings.Contains(got, "<Key>y</Key>") || !strings.Contains(got, "<Prefix>dir/</Prefix>") || strings.Contains(got, "dir/x") {
		t.Errorf("the list is %s", got)
	}
	ask("DELETE", "/b/y", "")
	if got := ask("GET", "/b/y", ""); !strings.Contains(got, "NoSuchKey") {
		t.Errorf("an object that was deleted is %q", got)
	}
}

func TestDrawPages(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		hosts := []string{"www.example", "static.example", "media.example"}
		p := DrawPages(hosts, make([]time.Duration, 4), 12, 2000, rng)
		for i, want := range p.Counts {
			page := p.Files[0][fmt.Sprintf("p%d/index.html", i)]
			held := regexp.MustCompile(`(?:src=|href=|fetch\(')https://([^/]+)/([^ >']+)`).FindAllStringSubmatch(page, -1)
			if len(held) != want {
				t.Errorf("seed %d, page %d holds %d objects, want %d", seed, i, len(held), want)
			}
			for _, o := range held {
				if p.Files[slices.Index(hosts, o[1])][o[2]] == "" {
					t.Errorf("seed %d, page %d: %s has no %s", seed, i, o[1], o[2])
				}
			}
		}
	}
}

func TestDrawServices(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	addrs := []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}
	all, works := DrawServices(addrs, map[string]bool{"10.0.0.1": true, "10.0.0.2": true}, 6, 0, rng)
	for _, s := range all {
		if want := !strings.Contains(s, "@10.0.0.3:"); works[s] != want {
			t.Errorf("%s works: %v, want %v", s, works[s], want)
		}
		if c := Plugin(s, 10*time.Second); !slices.Contains(c, s[strings.Index(s, "@")+1:strings.Index(s, ":")]) {
			t.Errorf("%s is checked by %q", s, c)
		}
	}
}

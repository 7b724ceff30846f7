package inner

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

func TestHandler(t *testing.T) {
	t.Chdir(t.TempDir())
	data := strings.Repeat("0123456789", 1000)
	if err := os.Mkdir("www", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("www/f.bin", []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler())
	defer s.Close()
	for _, c := range []struct {
		method, path, body, want string
		least                    time.Duration
	}{
		{"GET", "/f.bin", "", data, 0},
		{"GET", "/f.bin?pace=400ms", "", data, 300 * time.Millisecond},
		{"GET", "/wait?for=200ms", "", "waited\n", 200 * time.Millisecond},
		{"PUT", "/up.bin", data, fmt.Sprintf("%x\n", sha256.Sum256([]byte(data))), 0},
	} {
		q, err := http.NewRequest(c.method, s.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(got) != c.want {
			t.Errorf("%s %s: %d bytes, want %d: %v", c.method, c.path, len(got), len(c.want), err)
		}
		if took := time.Since(began); took < c.least {
			t.Errorf("%s %s took %v, want %v at least", c.method, c.path, took, c.least)
		}
	}
}

package inner

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tyto/lab/label"
)

// serve is the web server. Its arguments are where it listens for http and
// https.
func serve(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("two addresses are needed")
	}
	plain, secure := &http.Server{Addr: args[0], Handler: handler()}, &http.Server{Addr: args[1], Handler: handler()}
	context.AfterFunc(ctx, func() { plain.Close(); secure.Close() })
	failed := make(chan error, 2)
	go func() { failed <- plain.ListenAndServe() }()
	go func() { failed <- secure.ListenAndServeTLS("inner.pem", "inner.key") }()
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// handler gives the files below www, at a pace if the request asks for one,
// answers what is sent to it with its SHA-256, and waits where it is asked to.
// It tells when it was asked for what.
func handler() http.Handler {
	files := http.FileServer(http.Dir("www"))
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		fmt.Printf("%d asked %s\n", time.Now().UnixNano(), q.URL.Path)
		switch pace, _ := time.ParseDuration(q.URL.Query().Get("pace")); {
		case q.Method == http.MethodPut:
			h := sha256.New()
			if _, err := io.Copy(h, q.Body); err != nil {
				return // the client has gone
			}
			fmt.Fprintf(w, "%x\n", h.Sum(nil))
		case q.URL.Path == "/wait":
			d, _ := time.ParseDuration(q.URL.Query().Get("for"))
			select {
			case <-time.After(d):
				io.WriteString(w, "waited\n")
			case <-q.Context().Done():
			}
		case pace > 0:
			paced(w, q, pace)
		default:
			files.ServeHTTP(w, q)
		}
	})
}

// tick is the time between two pieces of what is sent at a pace.
const tick = 80 * time.Millisecond

// paced sends a file in equal pieces over a time.
func paced(w http.ResponseWriter, q *http.Request, d time.Duration) {
	data, err := os.ReadFile(filepath.Join("www", filepath.Clean("/"+q.URL.Path)))
	if err != nil {
		http.NotFound(w, q)
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(data)))
	step := max(1, len(data)*int(tick)/int(d))
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for len(data) > 0 {
		n := min(step, len(data))
		if _, err := w.Write(data[:n]); err != nil {
			return
		}
		http.NewResponseController(w).Flush()
		data = data[n:]
		select {
		case <-clock.C:
		case <-q.Context().Done():
			return
		}
	}
}

// asked is when the web server was asked for a path, for the last time.
func (s *Services) asked(ctx context.Context, path string) (t label.Time, err error) {
	what := fmt.Sprintf(" asked %s\n", path)
	if err := Says(ctx, s.web, what); err != nil {
		return 0, err
	}
	said := s.web.Output()
	before := said[:strings.LastIndex(said, what)]
	_, err = fmt.Sscan(before[strings.LastIndexByte(before, '\n')+1:], &t)
	return t, err
}

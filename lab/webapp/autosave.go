package webapp

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"
	"time"
)

// Autosave is a program of a scenario that is an editor on its terminal, which
// saves the text to a URL when it changed and nobody types for a while, at the
// latest some time after the first change. Its arguments are the URL and these
// two times. Ctrl-D saves and ends. It prints "ready"
// after it saved the empty text.
func Autosave(ctx context.Context, args []string) error {
	rest, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	most, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	restore, _, _, err := Raw()
	if err != nil {
		return err
	}
	defer restore()
	save := func(text string) error {
		_, err := Do(ctx, http.MethodPut, args[0], "text/plain; charset=utf-8", strings.NewReader(text))
		return err
	}
	if err := save(""); err != nil {
		return err
	}
	fmt.Print("ready\r\n")
	changes := make(chan string)
	go func() {
		defer close(changes)
		Line{Changed: func(text string) { changes <- text }, Keep: true}.Edit(os.Stdin, func(string) {})
	}()
	var text string
	var dirty bool
	var due, latest time.Time
	for {
		wait := time.Hour
		if dirty {
			wait = time.Until(due)
			if w := time.Until(latest); w < wait {
				wait = w
			}
		}
		select {
		case t, more := <-changes:
			if !more {
				return save(text)
			}
			if text = t; !dirty {
				dirty, latest = true, time.Now().Add(most)
			}
			due = time.Now().Add(rest)
		case <-time.After(wait):
			if !dirty {
				continue
			}
			dirty = false
			if err := save(text); err != nil {
				return err
			}
		}
	}
}

// AutosavePython is Autosave for libraries of Python.
//
//go:embed autosave.py
var AutosavePython string

// ServeFiles is a program of a scenario that serves the files of a directory,
// which is its argument after those of Serve. What is posted or put anywhere is
// told as an event "post", with the path and the first bytes of the body.
func ServeFiles(ctx context.Context, args []string) error {
	files := http.FileServer(http.Dir(args[2]))
	var mu sync.Mutex
	return Serve(ctx, args, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodGet {
			var first [200]byte
			n, _ := q.Body.Read(first[:])
			mu.Lock()
			Report("post", "%s %q", path.Clean(q.URL.Path), first[:n])
			mu.Unlock()
			w.WriteHeader(http.StatusNoContent)
			return
		}
		files.ServeHTTP(w, q)
	}))
}

package webapp

import (
	"bytes"
	"context"
	_ "embed"
	"net/http"
	"os"
	"time"
)

// Push is a program of a scenario that posts files to a URL in one session: its
// arguments are the URL, and then a pause in seconds and a file each.
func Push(ctx context.Context, args []string) error {
	for i := 1; i+1 < len(args); i += 2 {
		pause, err := time.ParseDuration(args[i] + "s")
		if err != nil {
			return err
		}
		time.Sleep(pause)
		data, err := os.ReadFile(args[i+1])
		if err != nil {
			return err
		}
		if _, err := Do(ctx, http.MethodPost, args[0], "text/plain; version=0.0.4", bytes.NewReader(data)); err != nil {
			return err
		}
	}
	return nil
}

// PushPython is Push for Python's requests.
//
//go:embed push.py
var PushPython string

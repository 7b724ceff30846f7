package webapp

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"time"
)

// Poll is a program of a scenario that gets a URL again and again and prints
// the answers: its arguments are the URL and the pauses in seconds.
func Poll(ctx context.Context, args []string) error {
	for i := range args {
		if i > 0 {
			pause, err := time.ParseDuration(args[i] + "s")
			if err != nil {
				return err
			}
			time.Sleep(pause)
		}
		answer, err := Do(ctx, http.MethodGet, args[0], "", nil)
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", answer)
	}
	return nil
}

// PollPython is Poll for libraries of Python.
//
//go:embed poll.py
var PollPython string

// LongPoll is a program of a scenario that waits for events at a URL: its
// arguments are the URL up to the number of the last event it knows, and how
// many it waits for. An answer is empty, or an event's number, a space and its
// text. It prints the events.
func LongPoll(ctx context.Context, args []string) error {
	for n := "0"; n != args[1]; {
		answer, err := Do(ctx, http.MethodGet, args[0]+n, "", nil)
		if err != nil {
			return err
		}
		if number, _, ok := bytes.Cut(answer, []byte(" ")); ok {
			n = string(number)
			fmt.Printf("%s", answer)
		}
	}
	return nil
}

// LongPollPython is LongPoll for libraries of Python.
//
//go:embed longpoll.py
var LongPollPython string

package webapp

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
)

// Event is something that a program on a host told.
type Event struct {
	At   label.Time
	What string // one word
	Text string // the rest of the line
}

// Report is for programs on hosts: it tells an event on standard output.
// Programs in other languages print the same: "! NANOSECONDS WHAT TEXT".
func Report(what, format string, args ...any) {
	fmt.Printf("! %d %s %s\n", time.Now().UnixNano(), what, fmt.Sprintf(format, args...))
}

// Events returns the events that a program told so far.
func Events(p *lab.Process) (all []Event) {
	for line := range strings.Lines(p.Output()) {
		var e Event
		if n, _ := fmt.Sscanf(line, "! %d %s", &e.At, &e.What); n == 2 && strings.HasSuffix(line, "\n") {
			if f := strings.SplitN(line, " ", 4); len(f) == 4 {
				e.Text = strings.TrimSpace(f[3])
			}
			all = append(all, e)
		}
	}
	return all
}

// Await waits until a program told n events of a kind.
func Await(ctx context.Context, p *lab.Process, what string, n int) error {
	for {
		count := 0
		for _, e := range Events(p) {
			if e.What == what {
				count++
			}
		}
		if count >= n {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %q: %w; the program says %s", what, ctx.Err(), p.Output())
		case <-p.Done():
			return fmt.Errorf("a program ended before it told %d times %q; it says %s", n, what, p.Output())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// AwaitOutput waits until a program wrote a text n times.
func AwaitOutput(ctx context.Context, p *lab.Process, text string, n int) error {
	for strings.Count(p.Output(), text) < n {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %q: %w; the program says %s", text, ctx.Err(), p.Output())
		case <-p.Done():
			if p.Wait(ctx); strings.Count(p.Output(), text) >= n {
				return nil
			}
			return fmt.Errorf("a program ended before it wrote %q; it says %s", text, p.Output())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

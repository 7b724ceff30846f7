package sshmore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
)

// View is a terminal of which the screen is read, not what comes: for programs
// such as mosh that draw only what changed.
type View struct {
	*lab.Terminal
	// First and Last are when output came since the last keys, seen by Shows.
	First, Last label.Time
	screen      *Screen
	read        int // bytes of output that are on the screen
}

// NewView is a view of a terminal of that size.
func NewView(t *lab.Terminal, size string) (*View, error) {
	s, err := NewScreen(size)
	return &View{Terminal: t, screen: s}, err
}

// Shows waits until the cursor is behind a prompt and want is on the screen,
// and nothing more comes for a moment. It gives up after half a minute.
func (v *View) Shows(ctx context.Context, r *lab.Run, want string) error {
	const settle = 60 * time.Millisecond
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, fmt.Errorf("no prompt with %q came", want))
	defer cancel()
	v.First = 0
	for {
		if out := v.Output(); len(out) > v.read {
			v.read += v.screen.Write([]byte(out[v.read:]))
			v.Last = r.Now()
			if v.First == 0 {
				v.First = v.Last
			}
		}
		before := v.screen.Before()
		prompt := strings.HasSuffix(before, "$ ") || strings.HasSuffix(before, "# ")
		if prompt && strings.Contains(v.screen.Text(), want) && time.Duration(r.Now()-v.Last) > settle {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w but\n%s", context.Cause(ctx), v.screen.Text())
		case <-v.Done():
			return fmt.Errorf("it ended before a prompt with %q came\n%s", want, v.screen.Text())
		case <-time.After(3 * time.Millisecond):
		}
	}
}

package transfer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"time"

	"tyto/lab"
	"tyto/lab/label"
)

// Line is what is typed at the prompt of a client program, which sends nothing
// before Enter.
type Line struct {
	Text  string
	Want  string      // that the answer must contain, if it is known
	State label.State // of the answer; none is told if it is zero
}

// Console types lines at the prompt of a client program, with think time, and
// tells the answers, from Enter to the next prompt, as segments of sel. The
// first prompt must have come.
func Console(ctx context.Context, r *lab.Run, t *lab.Terminal, sel lab.Selector, prompt *regexp.Regexp, lines []Line, rng *rand.Rand) error {
	for _, l := range lines {
		if err := think(ctx, r, rng); err != nil {
			return err
		}
		if err := t.Type(ctx, r.Typist(), l.Text+"\n"); err != nil {
			return err
		}
		keys := t.KeyTimes()
		if l.Want != "" {
			if _, err := t.Expect(ctx, regexp.MustCompile(l.Want)); err != nil {
				return fmt.Errorf("%s: %w", l.Text, err)
			}
		}
		if _, err := t.Expect(ctx, prompt); err != nil {
			return fmt.Errorf("%s: %w", l.Text, err)
		}
		if l.State != 0 {
			r.Span(sel, keys[len(keys)-1], r.Now(), l.State, l.Text)
		}
	}
	return nil
}

// Quit types the last line at a prompt and waits for the end of the program.
func Quit(ctx context.Context, r *lab.Run, t *lab.Terminal, line string, rng *rand.Rand) error {
	if err := think(ctx, r, rng); err != nil {
		return err
	}
	if err := t.Type(ctx, r.Typist(), line+"\n"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return t.Wait(ctx)
}

// think is a person's pause, without the long ones.
func think(ctx context.Context, r *lab.Run, rng *rand.Rand) error {
	const most = 12 * time.Second
	return r.Sleep(ctx, min(r.Typist().Think(0, rng), most))
}

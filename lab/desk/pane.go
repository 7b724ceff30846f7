package desk

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/typist"
)

// Pane is a person before a terminal that full-screen programs and multiplexers
// draw: what must come is looked for anywhere in what came since the keys.
type Pane struct {
	*lab.Terminal
	run  *lab.Run
	sel  lab.Selector
	rng  *rand.Rand
	from int // bytes of output before the last keys
}

// NewPane is a person at t: what they type and what comes is told as segments
// of the flows of sel. Run.Keys is for the caller.
func NewPane(r *lab.Run, t *lab.Terminal, sel lab.Selector) *Pane {
	return &Pane{Terminal: t, run: r, sel: sel, rng: r.NewRand("pane")}
}

// press presses keys and tells so: from the first key to the last.
func (p *Pane) press(ctx context.Context, keys []typist.Key, detail string) error {
	if len(keys) == 0 {
		return nil
	}
	if err := p.run.Sleep(ctx, keys[0].Delay); err != nil {
		return err
	}
	keys = append([]typist.Key{{Bytes: keys[0].Bytes, Pasted: keys[0].Pasted}}, keys[1:]...)
	p.from = len(p.Output())
	end := p.run.Segment(p.sel, label.StateKeystrokes, detail)
	defer end()
	return p.Press(ctx, keys)
}

// Bounds of an answer: how long nothing may come before it is taken to be over,
// and how long it may last.
const (
	paneSettle = 80 * time.Millisecond
	paneAnswer = 40 * time.Second
)

// await waits until want came, and then for rest, or until the program has
// printed a while without rest. It tells the output.
func (p *Pane) await(ctx context.Context, want, detail string) error {
	deadline, seen := time.Now().Add(paneAnswer), time.Time{}
	var first, last label.Time
	read := len(p.Output())
	for {
		if n := len(p.Output()); n > read {
			read, last = n, p.run.Now()
			if first == 0 {
				first = last
			}
		}
		text := lab.Plain([]byte(p.Output()[p.from:]))
		if seen.IsZero() && strings.Contains(text, want) {
			seen = time.Now()
		}
		rests := time.Duration(p.run.Now()-last) > paneSettle
		least := 2*paneSettle + p.run.Profile().RTT.Duration()
		switch {
		case !seen.IsZero() && (time.Since(seen) > least && rests || time.Since(seen) > 2*least+400*time.Millisecond):
			if first != 0 {
				p.run.Span(p.sel, first, last, label.StateOutput, detail)
			}
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("no %q came but\n%s", want, text[max(0, len(text)-800):])
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.Done():
			return fmt.Errorf("it ended before %q came\n%s", want, text[max(0, len(text)-800):])
		case <-time.After(4 * time.Millisecond):
		}
	}
}

// Ready waits until the first prompt is there.
func (p *Pane) Ready(ctx context.Context) error {
	return Until(ctx, time.Minute, "no prompt came", func() bool { return lab.DefaultPrompt.MatchString(p.Output()) })
}

// Command types a command, after a moment, and waits until want came.
func (p *Pane) Command(ctx context.Context, text, want string) error {
	if err := p.run.Think(ctx, p.rng); err != nil {
		return err
	}
	if err := p.press(ctx, p.run.Typist().Line(typist.Command{Text: text}, typist.Shell{}, p.rng), text); err != nil {
		return err
	}
	if err := p.await(ctx, want, text); err != nil {
		return fmt.Errorf("command %q: %w", text, err)
	}
	return nil
}

// Counted is Command for one that must succeed: it ends with a number that is
// nowhere else.
func (p *Pane) Counted(ctx context.Context, text string) error {
	a, b := 100+p.rng.IntN(900), 1000+p.rng.IntN(9000)
	return p.Command(ctx, fmt.Sprintf("%s && echo $((%d*%d))", text, a, b), fmt.Sprint(a*b))
}

// Keys presses keys without mistakes, after a look, and waits until want came.
func (p *Pane) Keys(ctx context.Context, keys []string, want, detail string) error {
	if err := p.run.Sleep(ctx, Pause(1, p.rng)); err != nil {
		return err
	}
	if err := p.press(ctx, p.run.Typist().Press(keys, p.rng), detail); err != nil {
		return err
	}
	return p.await(ctx, want, detail)
}

// Use uses a full-screen program, and makes sure that what was done is done.
func (p *Pane) Use(ctx context.Context, s typist.Script) error {
	if err := p.Command(ctx, s.Start.Text, s.Start.Want); err != nil {
		return err
	}
	for i, step := range s.Steps {
		if err := p.press(ctx, p.run.Typist().Step(step, p.rng), s.Name); err != nil {
			return err
		}
		if err := p.await(ctx, step.Want, s.Name); err != nil {
			return fmt.Errorf("%s: step %d: %w", s.Name, i, err)
		}
	}
	return p.Command(ctx, s.Check.Text, s.Check.Want)
}

// Secret types what is not shown, such as a password, and waits until want
// came.
func (p *Pane) Secret(ctx context.Context, text, want string) error {
	if err := p.press(ctx, p.run.Typist().Keys(text+"\n", p.rng), "secret"); err != nil {
		return err
	}
	return p.await(ctx, want, "login")
}

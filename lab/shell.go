package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"time"

	"tyto/lab/label"
	"tyto/lab/typist"
)

// Script is what a person does at the prompt of a shell.
type Script struct {
	Role     typist.Role      // of whom the commands are; Developer if zero
	Count    int              // at least so many commands of the role, which needs Role.Files in the directory
	Commands []typist.Command // these instead
	Screens  []typist.Script  // full-screen programs in between
	Prompt   *regexp.Regexp   // matches the prompt at the end of the output; DefaultPrompt if nil
	// Dumb says that there is no terminal on the far side (a reverse shell
	// without one): no echo, no line editor, perhaps no prompt. An answer is
	// over when what the command must print has come and nothing more comes
	// for a while.
	Dumb bool
	// Prompted says that the prompt was seen: by an earlier Shell at the same
	// terminal, of which this is the continuation. That said which flows keys go to.
	Prompted bool
	// Ready is called when the first prompt is there, if it is not nil.
	Ready func()
}

// DefaultPrompt matches the usual prompts of bash, dash and busybox.
var DefaultPrompt = regexp.MustCompile(`[$#>] (\x1b\[[0-9;?]*[a-zA-Z])*$`)

// escapes are what terminals understand as commands.
var escapes = regexp.MustCompile(`\x1b(\[[0-9;?]*[a-zA-Z]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>])|\r`)

// Plain returns terminal output without escape sequences and carriage returns.
func Plain(output []byte) string { return escapes.ReplaceAllString(string(output), "") }

// Shell works at the prompt of a shell that t shows, with think time, and
// tells what it did as segments and keys of the flows of sel: keystrokes from
// the first key of a command to Enter, output from the first byte that came
// back afterwards to the next prompt. It begins when the prompt is there, and
// fails if a command did not print what it must.
func Shell(ctx context.Context, r *Run, t *Terminal, sel Selector, s Script) error {
	if s.Prompt == nil {
		s.Prompt = DefaultPrompt
	}
	if s.Role == 0 {
		s.Role = typist.Developer
	}
	commands := s.Commands
	if commands == nil {
		commands = s.Role.Commands(max(1, s.Count), t.rng)
	}
	w := &worker{ctx, r, t, sel, s, r.Typist(), t.rng, nil, 0}
	if !s.Prompted {
		r.Keys(sel, t)
	}
	if !s.Dumb && !s.Prompted {
		if err := w.prompt(""); err != nil {
			return err
		}
	}
	if s.Ready != nil {
		s.Ready()
	}
	every := len(commands)/(len(s.Screens)+1) + 1
	for i, c := range commands {
		if err := w.command(c); err != nil {
			return err
		}
		if n := (i + 1) / every; (i+1)%every == 0 && n <= len(s.Screens) {
			if err := w.screen(s.Screens[n-1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Leave ends a shell as people do, after a moment, and waits until the
// terminal's program has ended. The shell's status is that of the last command,
// so it says nothing.
func Leave(ctx context.Context, r *Run, t *Terminal, sel Selector) error {
	w := &worker{ctx: ctx, run: r, t: t, sel: sel, typist: r.Typist(), rng: t.rng}
	line, detail := w.typist.Keys("exit\n", w.rng), "exit"
	if w.rng.IntN(4) == 0 {
		line, detail = w.typist.Press([]string{"\x04"}, w.rng), "end of input"
	}
	line[0].Delay += r.think(0, w.rng)
	if err := w.keys(line, detail); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, expectTimeout)
	defer cancel()
	if err := t.Wait(ctx); Status(err) < 0 {
		return err
	}
	w.told(detail)
	return nil
}

// worker is the person at the prompt.
type worker struct {
	ctx     context.Context
	run     *Run
	t       *Terminal
	sel     Selector
	script  Script
	typist  *typist.Typist
	rng     *rand.Rand
	history []string
	read    int // bytes of the last output
}

// settle is how long nothing may come before an answer is taken to be over.
const (
	settle     = 40 * time.Millisecond
	settleDumb = 500 * time.Millisecond
)

// keys presses keys and tells the segment: from the first key to the last.
func (w *worker) keys(keys []typist.Key, detail string) error {
	if len(keys) == 0 {
		return nil
	}
	if err := w.run.Sleep(w.ctx, keys[0].Delay); err != nil {
		return err
	}
	keys = slices.Clone(keys)
	keys[0].Delay = 0
	began := w.run.Now()
	err := w.t.Press(w.ctx, keys[:len(keys)-1])
	if err == nil {
		// What comes from here on is the answer to the whole; the echo of the
		// keys before is part of the typing.
		last := keys[len(keys)-1]
		if err = sleep(w.ctx, last.Delay); err == nil {
			w.t.listen()
			last.Delay = 0
			err = w.t.Press(w.ctx, []typist.Key{last})
		}
	}
	w.run.Span(w.sel, began, w.run.Now(), label.StateKeystrokes, detail)
	return err
}

func (w *worker) command(c typist.Command) error {
	think := w.run.think(w.read, w.rng)
	line := w.typist.Line(c, typist.Shell{Editing: !w.script.Dumb, History: w.history}, w.rng)
	line[0].Delay += think
	if err := w.keys(line, c.Text); err != nil {
		return err
	}
	w.history = append(w.history, c.Text)
	if err := w.prompt(c.Want); err != nil {
		return fmt.Errorf("command %q: %w", c.Text, err)
	}
	w.told(c.Text)
	return nil
}

// told tells the segment of an answer.
func (w *worker) told(detail string) {
	if first, last, ok := w.t.arrived(); ok {
		w.run.Span(w.sel, first, last, label.StateOutput, detail)
	}
}

// prompt waits until an answer is over, which must have want in it.
func (w *worker) prompt(want string) error {
	var answer []byte
	pattern, quiet := w.script.Prompt, time.Duration(settle)
	if w.script.Dumb {
		pattern, quiet = regexp.MustCompile(regexp.QuoteMeta(want)), settleDumb+w.run.draft.Profile.RTT.Duration()
	}
	for {
		part, err := w.t.Expect(w.ctx, pattern)
		if err != nil {
			return err
		}
		answer = append(answer, part...)
		if err := w.t.Quiet(w.ctx, quiet); err != nil {
			return err
		}
		rest := w.t.rest()
		if len(rest) > 0 && !w.script.Dumb {
			continue // that was not the prompt
		}
		answer = append(answer, rest...)
		w.t.skip(len(rest))
		break
	}
	w.read = len(answer)
	if text := Plain(answer); !strings.Contains(text, want) {
		return fmt.Errorf("it printed no %q but\n%s", want, text[max(0, len(text)-1000):])
	}
	return nil
}

// screen uses a full-screen program.
func (w *worker) screen(s typist.Script) error {
	start := w.typist.Line(s.Start, typist.Shell{Editing: true, History: w.history}, w.rng)
	start[0].Delay += w.run.think(w.read, w.rng)
	if err := w.keys(start, s.Start.Text); err != nil {
		return err
	}
	w.history = append(w.history, s.Start.Text)
	if err := w.shows(s.Start.Want); err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	w.told(s.Name)
	for i, step := range s.Steps {
		keys := w.typist.Step(step, w.rng)
		if len(keys) > 0 {
			keys[0].Delay = time.Duration(float64(keys[0].Delay) / w.run.hurry)
		}
		if err := w.keys(keys, s.Name); err != nil {
			return err
		}
		if i == len(s.Steps)-1 {
			break
		}
		if err := w.shows(step.Want); err != nil {
			return fmt.Errorf("%s: step %d: %w", s.Name, i, err)
		}
		w.told(s.Name)
	}
	if err := w.prompt(""); err != nil {
		return fmt.Errorf("%s: end: %w", s.Name, err)
	}
	w.told(s.Name)
	return w.command(s.Check)
}

// shows waits until the screen shows something, and then until it rests for a
// moment.
func (w *worker) shows(want string) error {
	var seen []byte
	for want != "" {
		part, err := w.t.Expect(w.ctx, anything)
		if err != nil {
			return err
		}
		if seen = append(seen, part...); strings.Contains(Plain(seen), want) {
			break
		}
	}
	// A program that prints all the time does not rest; the person goes on.
	ctx, cancel := context.WithTimeout(w.ctx, 400*time.Millisecond+2*w.run.draft.Profile.RTT.Duration())
	defer cancel()
	w.t.Quiet(ctx, settle)
	w.t.skip(len(w.t.rest()))
	return w.ctx.Err()
}

var anything = regexp.MustCompile(`(?s).+`)

// rest is the output that Expect has not passed.
func (t *Terminal) rest() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	data, _ := t.out.since(t.at)
	return data
}

// skip passes n bytes of output.
func (t *Terminal) skip(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at += int64(n)
}

package desk

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/typist"
)

// Hands are a person's on the keyboard and mouse of a display. Two programs
// work for them, each with a terminal: what is written to that of the keyboard
// are the key presses that the truth tells.
type Hands struct {
	Keyboard *lab.Terminal
	mouse    *lab.Terminal
	rng      *rand.Rand
	x, y     int
}

// NewHands lays hands on the keyboard and mouse of a display.
func NewHands(ctx context.Context, r *lab.Run, d *Display) (h *Hands, err error) {
	h = &Hands{rng: r.NewRand("hands"), x: d.Width / 2, y: d.Height / 2}
	if h.Keyboard, err = d.Host.Terminal(ctx, d.Command("xdotool", "-"), "80x24"); err != nil {
		return nil, err
	}
	h.mouse, err = d.Host.Terminal(ctx, d.Command("xdotool", "-"), "80x24")
	return h, err
}

// do has one of the programs do something.
func do(ctx context.Context, t *lab.Terminal, format string, args ...any) error {
	return t.Press(ctx, []typist.Key{{Bytes: fmt.Appendf(nil, format+"\n", args...)}})
}

// names are X's of the keys that are no letters or digits, in the order of the
// characters; shifted are the characters of the same keys, and of those of the
// digits, with Shift.
var (
	names = map[string]string{
		"\r": "Return", "\x7f": "BackSpace", "\t": "Tab", "\x1b": "Escape", " ": "space", typist.Up: "Up", typist.Down: "Down",
		"'": "apostrophe", ",": "comma", "-": "minus", ".": "period", "/": "slash", ";": "semicolon", "=": "equal",
		"[": "bracketleft", "\\": "backslash", "]": "bracketright", "`": "grave",
	}
	unshifted = strings.NewReplacer("!", "1", "@", "2", "#", "3", "$", "4", "%", "5", "^", "6", "&", "7", "*", "8", "(", "9", ")", "0", "\"", "'",
		"<", ",", "_", "-", ">", ".", "?", "/", ":", ";", "+", "=", "{", "[", "|", "\\", "}", "]", "~", "`")
)

// keyOf is X's name of a key, and whether Shift is held.
func keyOf(bytes []byte) (name string, shift bool) {
	s := string(bytes)
	if name = names[s]; name != "" {
		return name, false
	}
	key := unshifted.Replace(strings.ToLower(s))
	if name = names[key]; name == "" {
		name = key
	}
	return name, key != s
}

// Press presses keys, each after its delay, and lets each go before the next.
func (h *Hands) Press(ctx context.Context, keys []typist.Key) error {
	for i, k := range keys {
		held := time.Duration(55+h.rng.IntN(70)) * time.Millisecond
		if i+1 < len(keys) {
			held = min(held, keys[i+1].Delay*4/5)
		}
		if err := pause(ctx, k.Delay); err != nil {
			return err
		}
		// In one line: nothing can overtake. xdotool would let Shift go first,
		// and RDP servers then take the key to be held for ever.
		name, shift := keyOf(k.Bytes)
		stroke := fmt.Sprintf("keydown %[1]s sleep %.3[2]f keyup %[1]s", name, held.Seconds())
		if shift {
			stroke = "keydown Shift_L " + stroke + " keyup Shift_L"
		}
		if err := do(ctx, h.Keyboard, "%s", stroke); err != nil {
			return err
		}
	}
	return nil
}

// Move moves the pointer to a place as a hand does: fast in the middle, slow at
// both ends, not straight.
func (h *Hands) Move(ctx context.Context, x, y int) error {
	path := stroke(h.x, h.y, x, y, h.rng)
	for _, p := range path {
		if err := pause(ctx, strokeStep); err != nil {
			return err
		}
		if err := do(ctx, h.mouse, "mousemove %d %d", p[0], p[1]); err != nil {
			return err
		}
	}
	h.x, h.y = x, y
	return nil
}

// strokeStep is the time between two places of the pointer: what a mouse on
// USB reports 60 times a second after X has merged its events.
const strokeStep = 16 * time.Millisecond

// stroke are the places of the pointer between two.
func stroke(x0, y0, x1, y1 int, rng *rand.Rand) (path [][2]int) {
	dx, dy := float64(x1-x0), float64(y1-y0)
	distance := math.Hypot(dx, dy)
	// Fitts's law: the time goes with the logarithm of the distance.
	steps := 2 + int(math.Log2(1+distance/20)*(8+6*rng.Float64()))
	bend := (rng.Float64() - .5) * .3
	for i := 1; i <= steps; i++ {
		u := float64(i) / float64(steps)
		s := u * u * u * (10 - 15*u + 6*u*u) // minimum jerk
		off := bend * math.Sin(math.Pi*s)
		path = append(path, [2]int{x0 + int(s*dx-off*dy), y0 + int(s*dy+off*dx)})
	}
	path[steps-1] = [2]int{x1, y1}
	return path
}

// Click presses and lets go a mouse button.
func (h *Hands) Click(ctx context.Context, button int) error {
	if err := do(ctx, h.mouse, "mousedown %d", button); err != nil {
		return err
	}
	if err := pause(ctx, time.Duration(50+h.rng.IntN(80))*time.Millisecond); err != nil {
		return err
	}
	return do(ctx, h.mouse, "mouseup %d", button)
}

// Drag moves the pointer to a place, presses the left button, and lets it go at
// another.
func (h *Hands) Drag(ctx context.Context, x0, y0, x1, y1 int) error {
	if err := h.Move(ctx, x0, y0); err != nil {
		return err
	}
	if err := do(ctx, h.mouse, "mousedown 1"); err != nil {
		return err
	}
	if err := pause(ctx, 120*time.Millisecond); err != nil {
		return err
	}
	if err := h.Move(ctx, x1, y1); err != nil {
		return err
	}
	return do(ctx, h.mouse, "mouseup 1")
}

// pause is a time that does not get shorter when people hurry.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Package typist types as people do: which keys, and how long before each. A
// Typist is one person's habits; a Command is a line for a shell and what it
// must print; a Script is what a person does in a full-screen program.
//
// The interval between two keys is log-normal above a floor, with a median that
// depends on the pair: fingers and hands, rows, shift, how common the pair is,
// and the person. That pairs of different hands or fingers tell most about a
// typist's speed is from Dhakal et al., "Observations on Typing from 136 Million
// Keystrokes" (CHI 2018); that the log-normal is an excellent choice for free
// text, if not quite the best, from González et al., "On the shape of timings
// distributions in free-text keystroke dynamics profiles" (Heliyon 2021). The
// sizes of the effects and the rates of habits are chosen to span what is
// plausible; they are not fitted to recorded keystrokes.
package typist

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"
)

// Count is how many typists there are.
const Count = 48

// Bounds of what is drawn: the log-normal has no upper end of its own.
const (
	MaxDelay = 8 * time.Second // before a key
	MaxThink = 4 * time.Minute // before a command
)

// Key is what the terminal sends at once, usually the byte or bytes of one
// key, and the time since the key before it.
type Key struct {
	Bytes []byte
	Delay time.Duration
	// Fills is what the line editor of the far side puts in for a Tab or
	// history key.
	Fills string
	// Pasted says that Bytes come from the clipboard: a terminal whose program
	// asked for bracketed paste (ESC [?2004h) puts them between ESC [200~ and
	// ESC [201~.
	Pasted bool
}

// Keys that are not characters, as a terminal sends them.
const (
	Enter     = "\r"
	Backspace = "\x7f"
	TabKey    = "\t"
	Up        = "\x1b[A"
	Down      = "\x1b[B"
	Escape    = "\x1b"
)

// Typist is one person's way to type. It does not change; what is drawn comes
// from the generator that is given, so the same seed gives the same keys.
type Typist struct {
	number int
	pace
	habits
}

// pace is how fast somebody types. Effects are added to the logarithm of the
// median interval.
type pace struct {
	floor      float64 // seconds; no interval is shorter
	base       float64 // log of the seconds above the floor: letters of one hand, different fingers
	sigma      float64 // spread of the logarithm within a pair
	tempo      float64 // spread of the slow drift of the whole
	sameKey    float64
	sameFinger float64
	otherHand  float64
	thumb      float64 // to or from the space bar
	row        float64 // for each row between the keys
	shift      float64
	digit      float64
	symbol     float64
	common     float64 // pairs that everybody types often
	twoFingers bool    // one finger of each hand does everything
}

// habits is what somebody does beside pressing the next key.
type habits struct {
	errors     float64 // mistakes for each character
	notice     float64 // chance to notice a mistake with each further key
	startle    float64 // log of the seconds before the first backspace
	hesitate   float64 // chance to stop at the beginning of a word
	hesitation float64 // log of the seconds of it
	quick      float64 // chance that the next command is known already
	away       float64 // chance that something else comes in between
	readRate   float64 // bytes of output read a second
	tab        float64 // chance to complete with Tab where that works
	paste      float64 // chance to paste a long line
	arrows     float64 // chance to take a line from the history where it is near
}

// population is the seed of the typists themselves.
const population = 0x7479706973747331

// Draw returns one of the Count typists.
func Draw(rng *rand.Rand) *Typist { return Number(rng.IntN(Count)) }

// Number returns typist n, 0 <= n < Count. Typists are the same in every
// program and run: a corpus may be split by them.
func Number(n int) *Typist {
	if n < 0 || n >= Count {
		panic(fmt.Sprintf("typist %d of %d", n, Count))
	}
	rng := rand.New(rand.NewPCG(population, uint64(n)))
	between := func(low, high float64) float64 { return low + (high-low)*rng.Float64() }
	normal := func(mean, sd, low, high float64) float64 {
		return min(max(mean+sd*rng.NormFloat64(), low), high)
	}
	p := pace{
		floor:      between(.015, .035),
		base:       normal(math.Log(.165), .38, math.Log(.065), math.Log(.42)),
		sigma:      between(.24, .48),
		tempo:      between(.06, .16),
		sameKey:    normal(-.10, .10, -.35, .15),
		sameFinger: normal(.28, .10, .08, .55),
		otherHand:  normal(-.18, .07, -.35, 0),
		thumb:      normal(-.06, .08, -.25, .15),
		row:        between(.03, .12),
		shift:      normal(.42, .14, .15, .8),
		digit:      normal(.34, .12, .1, .7),
		symbol:     normal(.30, .12, .1, .7),
		common:     between(.08, .24),
	}
	if p.twoFingers = rng.Float64() < .25; p.twoFingers {
		// Nearly every pair of one hand is one of the same finger: the penalty
		// is that of the distance.
		p.base = max(p.base, math.Log(.12))
		p.sameFinger = .1
	}
	return &Typist{n, p, habits{
		errors:     min(max(math.Exp(normal(math.Log(.022), .6, -9, 0)), .003), .07),
		notice:     between(.45, .9),
		startle:    normal(math.Log(.34), .25, math.Log(.15), math.Log(.8)),
		hesitate:   between(.03, .16),
		hesitation: normal(math.Log(.55), .3, math.Log(.25), math.Log(1.3)),
		quick:      between(.25, .55),
		away:       between(.01, .09),
		readRate:   math.Exp(normal(math.Log(700), .4, math.Log(250), math.Log(2000))),
		tab:        chance(rng, .15, .95),
		paste:      chance(rng, .02, .35),
		arrows:     chance(rng, .1, .9),
	}}
}

// chance is 0 for one person in five, who does not do it.
func chance(rng *rand.Rand, low, high float64) float64 {
	if v := low + (high-low)*rng.Float64(); rng.Float64() >= .2 {
		return v
	}
	return 0
}

// Name is "typist-07".
func (t *Typist) Name() string { return fmt.Sprintf("typist-%02d", t.number) }

// Keys types text character by character, with mistakes that are noticed and
// corrected by backspace: what is in the line at the end is text. A newline in
// text becomes the Enter key. It works at every terminal and in the insert mode
// of editors. The first delay is the time the fingers take to find the first
// key, without thinking.
func (t *Typist) Keys(text string, rng *rand.Rand) []Key {
	h := t.begin(rng)
	h.text(text)
	return h.keys
}

// Press presses keys one after the other without mistakes, as in the command
// mode of full-screen programs. A key may be several bytes (Up).
func (t *Typist) Press(keys []string, rng *rand.Rand) []Key {
	h := t.begin(rng)
	for _, k := range keys {
		h.press(k, 0)
	}
	return h.keys
}

// Paste sends text as the clipboard would, after the time to reach for it.
func (t *Typist) Paste(text string, rng *rand.Rand) []Key {
	h := t.begin(rng)
	h.paste(text)
	return h.keys
}

// Shell is what a typist needs to know of the far side to use its comforts.
type Shell struct {
	Editing bool     // it has a line editor: Tab completes, arrows recall
	History []string // lines entered before, the last one last
}

// maxRecall is how many lines somebody goes back with the arrow key.
const maxRecall = 8

// Line enters a command at a prompt, Enter included: typed, completed with
// Tab, pasted or taken from the history, as the typist is used to. It does not
// think before it.
func (t *Typist) Line(c Command, s Shell, rng *rand.Rand) []Key {
	h := t.begin(rng)
	back := 0
	if s.Editing {
		back = recall(c.Text, s.History)
	}
	switch {
	case back > 0 && rng.Float64() < t.arrows:
		for i := range back {
			h.press(Up, 0)
			h.keys[i].Fills = s.History[len(s.History)-1-i]
		}
	case len(c.Text) > 24 && rng.Float64() < t.paste:
		h.paste(c.Text)
	case s.Editing:
		h.complete(c)
	default:
		h.text(c.Text)
	}
	// A look at the line before it is sent.
	h.press(Enter, math.Exp(t.hesitation-.7+.5*rng.NormFloat64()))
	return h.keys
}

// recall returns how often Up must be pressed to get text from the history; 0
// if it is not near, or if lines that follow themselves on the way make that
// depend on the shell's settings.
func recall(text string, history []string) int {
	for back := 1; back <= min(maxRecall, len(history)); back++ {
		line := history[len(history)-back]
		if back > 1 && line == history[len(history)-back+1] {
			return 0
		}
		if line == text {
			return back
		}
	}
	return 0
}

// Think returns the time between the end of a command's output and the first
// key of the next: reading what came, then deciding. It is never more than
// MaxThink.
func (t *Typist) Think(outputBytes int, rng *rand.Rand) time.Duration {
	const screen = 1800 // bytes; nobody reads what has scrolled away
	median, spread := 3.4, .75
	switch u := rng.Float64(); {
	case u < t.quick:
		median, spread = .8, .5
	case u > 1-t.away:
		median, spread = 22, .9
	}
	read := float64(min(outputBytes, screen)) / t.readRate * math.Exp(.5*rng.NormFloat64()-.125)
	seconds := read + median*math.Exp(spread*rng.NormFloat64())
	return min(duration(seconds), MaxThink)
}

// Text returns what is entered when keys arrive at a line editor, with lines
// ended by "\n".
func Text(keys []Key) string {
	var done strings.Builder
	var line []byte
	for _, k := range keys {
		switch string(k.Bytes) {
		case Enter:
			done.Write(line)
			done.WriteByte('\n')
			line = line[:0]
		case Backspace:
			_, n := utf8.DecodeLastRune(line)
			line = line[:len(line)-n]
		case Up, Down:
			line = append(line[:0], k.Fills...)
		case TabKey:
			if k.Fills == "" && !k.Pasted {
				line = append(line, '\t')
			}
			line = append(line, k.Fills...)
		default:
			line = append(line, k.Bytes...)
		}
	}
	done.Write(line)
	return done.String()
}

func duration(seconds float64) time.Duration {
	return time.Duration(min(seconds, 1e6) * float64(time.Second))
}

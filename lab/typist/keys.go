package typist

import (
	"math"
	"math/rand/v2"
	"unicode/utf8"
)

// hands is a typist in the middle of a text.
type hands struct {
	*Typist
	rng   *rand.Rand
	keys  []Key
	last  rune    // what the key before was; 0 at the beginning
	drift float64 // of the tempo at this moment, in units of its spread
	again int     // mistakes since the last key that was right
}

func (t *Typist) begin(rng *rand.Rand) *hands {
	return &hands{Typist: t, rng: rng, drift: rng.NormFloat64()}
}

// press adds a key and the time to it: the interval and what comes on top of
// it, in seconds.
func (h *hands) press(key string, pause float64) {
	r := symbol(key)
	// The drift is an autoregressive process with a memory of about 30 keys.
	const memory = .97
	h.drift = memory*h.drift + math.Sqrt(1-memory*memory)*h.rng.NormFloat64()
	seconds := h.floor + math.Exp(h.median(h.last, r)+h.tempo*h.drift+h.sigma*h.rng.NormFloat64())
	h.keys = append(h.keys, Key{Bytes: []byte(key), Delay: min(duration(seconds+pause), MaxDelay)})
	h.last = r
}

// symbol stands for a key in the tables of the keyboard.
func symbol(key string) rune {
	if len(key) > 1 && key[0] == 0x1b {
		return arrow
	}
	r, _ := utf8.DecodeRuneInString(key)
	return r
}

// text types text with its mistakes.
func (h *hands) text(text string) {
	runes := []rune(text)
	for i := 0; i < len(runes); {
		const stubborn = 3 // nobody makes the same mistake for ever
		if h.again < stubborn && h.rng.Float64() < h.errors && h.mistake(runes[i:]) {
			h.again++
			continue
		}
		h.again = 0
		r := runes[i]
		if r == '\n' {
			h.press(Enter, 0)
		} else {
			h.press(string(r), h.hesitationBefore(r))
		}
		i++
	}
}

func (h *hands) hesitationBefore(r rune) float64 {
	switch h.last {
	case ' ', '/', '|', '=', '-', '"', '\'':
	default:
		return 0
	}
	if r == ' ' || h.rng.Float64() >= h.hesitate {
		return 0
	}
	return math.Exp(h.hesitation + .55*h.rng.NormFloat64())
}

// mistake types something else than the first of runes, goes on until it is
// noticed, and takes all of it back. It reports whether it found one to make.
// Nothing that cannot be taken back everywhere is typed: no newline, no
// control character, and nothing but ASCII (a terminal erases a byte in some
// locales and a character in others).
func (h *hands) mistake(runes []rune) bool {
	room := 0
	for room < len(runes) && room < 12 && plain(runes[room]) {
		room++
	}
	if room == 0 {
		return false
	}
	ahead := 0
	for ahead < room-1 && h.rng.Float64() >= h.notice {
		ahead++
	}
	var typed []rune
	switch u := h.rng.Float64(); {
	case u < .2: // a key more
		typed = append(typed, h.neighbour(runes[0]))
		typed = append(typed, runes[:ahead]...)
	case u < .38 && room > 1: // a key less
		typed = append(typed, runes[1:max(ahead, 1)+1]...)
	case u < .5 && room > 1 && runes[0] != runes[1]: // two keys in the wrong order
		typed = append(typed, runes[1], runes[0])
		typed = append(typed, runes[2:max(ahead+1, 2)]...)
	default: // the wrong key
		typed = append(typed, h.neighbour(runes[0]))
		typed = append(typed, runes[1:ahead+1]...)
	}
	for _, r := range typed {
		h.press(string(r), 0)
	}
	pause := math.Exp(h.startle + .4*h.rng.NormFloat64())
	for range typed {
		h.press(Backspace, pause)
		pause = 0
	}
	return true
}

func plain(r rune) bool { return r >= ' ' && r < 0x7f }

// neighbour returns a key that a finger hits instead of that of r.
func (h *hands) neighbour(r rune) rune {
	near := neighbours(r)
	if len(near) == 0 {
		return 'e'
	}
	return near[h.rng.IntN(len(near))]
}

// paste sends text at once, after the time to copy it and to come back.
func (h *hands) paste(text string) {
	pause := math.Exp(math.Log(1.4) + .45*h.rng.NormFloat64())
	h.press(text, pause)
	h.keys[len(h.keys)-1].Pasted = true
	h.last = 0
}

// complete types a command and presses Tab where that saves keys, then waits
// until it has seen what came.
func (h *hands) complete(c Command) {
	done := 0
	pause := 0.
	typed := func(to int) {
		first := len(h.keys)
		h.text(c.Text[done:to])
		if first < len(h.keys) {
			h.keys[first].Delay = min(h.keys[first].Delay+duration(pause), MaxDelay)
			pause = 0
		}
		done = to
	}
	for _, tab := range c.Tabs {
		if h.rng.Float64() >= h.tab {
			continue
		}
		typed(tab.At)
		h.press(TabKey, pause)
		done = tab.At + tab.Adds
		fills := c.Text[tab.At:done]
		if done == len(c.Text) && fills[len(fills)-1] != '/' {
			fills += " " // the line editor ends the word
		}
		h.keys[len(h.keys)-1].Fills = fills
		pause = math.Exp(math.Log(.28) + .4*h.rng.NormFloat64())
	}
	typed(len(c.Text))
}

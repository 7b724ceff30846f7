package segment_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"tyto/behavior/segment"
	"tyto/sequence"
	"tyto/session"
)

const second = int64(1e9)

// told writes segments as "state from-to messages".
func told(d *segment.Decoder, messages []sequence.Message, p []float64) string {
	var b strings.Builder
	for _, s := range d.Decode(nil, messages, p) {
		fmt.Fprintf(&b, "%s %.1f-%.1f %d\n", s.State, float64(s.From)/1e9, float64(s.To)/1e9, s.Messages)
	}
	return b.String()
}

// decoder has two states that like to stay as they are.
func decoder() *segment.Decoder {
	stay, change := math.Log(0.9), math.Log(0.1)
	return &segment.Decoder{States: []string{"keystrokes", "download"}, Transition: []float64{stay, change, change, stay}}
}

// script makes messages a tenth of a second apart; the letters are states: upper
// case where the network is sure, lower case where it leans to it, "?" where it
// does not know, and a dot is 6 seconds of quiet.
func script(text string) (messages []sequence.Message, p []float64) {
	at := int64(0)
	for _, c := range text {
		key := 0.5
		switch c {
		case '.':
			at += 6 * second
			continue
		case 'K':
			key = 0.99
		case 'k':
			key = 0.7
		case 'D':
			key = 0.01
		case 'd':
			key = 0.3
		}
		messages = append(messages, sequence.Message{Time: at, Dir: session.Orig, Bytes: 10})
		p = append(p, math.Log(key), math.Log(1-key))
		at += second / 10
	}
	return messages, p
}

func TestDecode(t *testing.T) {
	for _, c := range []struct{ name, script, want string }{
		{"one state", "KKKK", "keystrokes 0.0-0.3 4\n"},
		{"two states", "KKKDDD", "keystrokes 0.0-0.2 3\ndownload 0.3-0.5 3\n"},
		{"a doubtful message goes with its neighbours", "KKdKK", "keystrokes 0.0-0.4 5\n"},
		{"so does one that is sure: two changes are too much", "KKKDKKK", "keystrokes 0.0-0.6 7\n"},
		{"two that are sure do not", "KKKDDDKKK", "keystrokes 0.0-0.2 3\ndownload 0.3-0.5 3\nkeystrokes 0.6-0.8 3\n"},
		{"a short pause is part of a state", "KK.KK", "keystrokes 0.0-6.3 4\n"},
		{"a long one is idle", "KK..KK", "keystrokes 0.0-0.1 2\nidle 0.1-12.2 0\nkeystrokes 12.2-12.3 2\n"},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			messages, p := script(c.script)
			if got := told(decoder(), messages, p); got != c.want {
				t.Errorf("%s:\n%swant\n%s", c.script, got, c.want)
			}
		})
	}
}

// What there are no probabilities for is left out.
func TestDecodeFewerRows(t *testing.T) {
	messages, p := script("KKKK")
	if got := told(decoder(), messages, p[:4]); got != "keystrokes 0.0-0.1 2\n" {
		t.Errorf("got %q", got)
	}
}

func TestBytesAndP(t *testing.T) {
	messages, p := script("KKk")
	messages[1].Dir, messages[2].Took = session.Resp, second
	s := decoder().Decode(nil, messages, p)
	if len(s) != 1 || s[0].Orig != 20 || s[0].Resp != 10 || s[0].To != 12*second/10 || math.Abs(s[0].P-(0.99+0.99+0.7)/3) > 1e-9 {
		t.Errorf("got %+v", s)
	}
}

func BenchmarkDecode(b *testing.B) {
	messages, p := script(strings.Repeat("KKkDDDD.", 200))
	d := decoder()
	to := d.Decode(nil, messages, p)
	b.ReportAllocs()
	for b.Loop() {
		to = d.Decode(to[:0], messages, p)
	}
}

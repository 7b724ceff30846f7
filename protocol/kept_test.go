package protocol

import (
	"fmt"
	"strings"
	"testing"

	"tyto/packet"
	"tyto/session"
)

// datagramDefinition is a protocol of datagrams that start with its letter: a
// digit behind it says what the probe answers ("1" Likely, "2" Sure, else More).
// Another letter makes it say No, and so does "-no"; "-" may be anything.
func datagramDefinition(name string, a func() Analyzer) Definition {
	return Definition{
		Name: name, Transports: UDP, New: a,
		Probe: func(e *Evidence) Verdict {
			b := string(e.Data[e.Dir])
			switch {
			case b == "-no":
				return No
			case b[0] == '-':
				return More
			case b[0] != name[0]:
				return No
			case strings.HasSuffix(b, "reversed"):
				e.Reversed = true
				return Sure
			case strings.HasPrefix(b[1:], "1"):
				return Likely
			case strings.HasPrefix(b[1:], "2"):
				return Sure
			}
			return More
		},
	}
}

// hearer tells what it hears; with a guest it passes on what starts with "-" or
// the guest's letter.
type hearer struct{ guest string }

func (a *hearer) Parse(f *Flow, dir session.Direction, data []byte) int {
	if a.guest != "" && (data[0] == '-' || data[0] == a.guest[0]) {
		if f.Pass(a.guest, dir, data) {
			f.SetApp(a.guest)
		}
		return len(data)
	}
	f.Anomaly("at", fmt.Sprintf("%d %s %s", f.Now, dir, data))
	return len(data)
}

func (a *hearer) Gap(*Flow, session.Direction, int) bool { return true }
func (a *hearer) Close(f *Flow)                          { f.Anomaly("close", fmt.Sprint(f.Now)) }

func TestDatagrams(t *testing.T) {
	set := NewSet(
		datagramDefinition("alpha", func() Analyzer { return &hearer{} }),
		datagramDefinition("beta", func() Analyzer { return &hearer{} }),
		datagramDefinition("host", func() Analyzer { return &hearer{guest: "alpha"} }),
	)
	long := "-" + strings.Repeat("x", maxKept/2)
	tests := []struct {
		name  string
		steps []string // at 1, 2, …; "<" is the responder's
		app   string
		sure  bool
		want  string
	}{
		{"what came before is read, at its time", []string{">a one", "<a two", ">a2"}, "alpha", true,
			"alpha/at 1 orig a one; alpha/at 2 resp a two; alpha/at 3 orig a2; alpha/close 9"},
		{"likely, then sure", []string{">a1", ">a1", "<a2"}, "alpha", true, "alpha/at 1 orig a1; alpha/at 2 orig a1; alpha/at 3 resp a2; alpha/close 9"},
		{"likely to the end", []string{">a1", ">a1"}, "alpha", false, "alpha/at 1 orig a1; alpha/at 2 orig a1; alpha/close 9"},
		{"likely, then doubted", []string{">a1", ">b x"}, "alpha", false, "alpha/at 1 orig a1; alpha/at 2 orig b x; alpha/close 9"},
		{"roles exchanged", []string{">-", "<a", ">areversed"}, "alpha", true, "alpha/at 1 resp -; alpha/at 2 orig a; alpha/at 3 resp areversed; alpha/close 9"},
		{"too much to keep: the guess is taken", []string{">a1", ">" + long, ">" + long, ">-"}, "alpha", false,
			"alpha/at 1 orig a1; alpha/at 2 orig " + long + "; alpha/at 3 orig " + long + "; alpha/at 4 orig -; alpha/close 9"},
		{"a loss does not disturb", []string{">a one", ">gap", ">a2"}, "alpha", true, "alpha/at 1 orig a one; alpha/at 3 orig a2; alpha/close 9"},
		{"a loss, then roles exchanged", []string{">a one", ">gap", ">areversed"}, "alpha", true, "alpha/at 1 resp a one; alpha/at 3 resp areversed; alpha/close 9"},
		{"guest", []string{">h2", ">a one", "<a2", ">a three", ">h"}, "alpha", true,
			"host/at 1 orig h2; alpha/at 2 orig a one; alpha/at 3 resp a2; alpha/at 4 orig a three; host/at 5 orig h; host/close 9; alpha/close 9"},
		{"guest after something else", []string{">h2", ">-", ">a one", ">a2"}, "alpha", true,
			"host/at 1 orig h2; alpha/at 2 orig -; alpha/at 3 orig a one; alpha/at 4 orig a2; host/close 9; alpha/close 9"},
		{"guest after what is not its own", []string{">h2", ">-no", ">a2"}, "alpha", true,
			"host/at 1 orig h2; alpha/at 2 orig -no; alpha/at 3 orig a2; host/close 9; alpha/close 9"},
		{"guest that is only likely", []string{">h2", ">a1", ">h"}, "host", true, "host/at 1 orig h2; host/at 3 orig h; host/close 9; alpha/at 2 orig a1; alpha/close 9"},
		{"guest that is none", []string{">h2", ">-", ">h"}, "host", true, "host/at 1 orig h2; host/at 3 orig h; host/close 9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sink := &told{}
			var pool session.Pool
			e := NewEngine(set, sink, &pool)
			e.Strict = true
			s := &session.Session{Tuple: session.Tuple{Orig: packet.Addr{15: 1}, Resp: packet.Addr{15: 2}, OrigPort: 1000, RespPort: 2000, Proto: packet.ProtoUDP}}
			for i, st := range tt.steps {
				dir := session.Orig
				if st[0] == '<' {
					dir = session.Resp
				}
				if s.Flags&session.Flipped != 0 {
					dir = dir.Other()
				}
				if st[1:] == "gap" {
					e.Gap(s, dir, 100, int64(i+1))
				} else {
					e.Data(s, dir, []byte(st[1:]), int64(i+1))
				}
			}
			e.Close(s, 9)
			e.Release(s)
			if e.Bytes() != 0 {
				t.Errorf("%d bytes held after the end", e.Bytes())
			}
			if got := strings.Join(sink.out, "; "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if got := set.AppName(s.App); got != tt.app {
				t.Errorf("app %s, want %s", got, tt.app)
			}
			if sure := s.Flags&session.Guessed == 0; sure != tt.sure {
				t.Errorf("sure: %v, want %v", sure, tt.sure)
			}
		})
	}
}

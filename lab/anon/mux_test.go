package anon

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// pair is two muxes that are connected, the second of which serves streams.
func pair(t *testing.T, serve func(*muxStream, string)) *mux {
	t.Helper()
	a, b := net.Pipe()
	ours, theirs := newMux(&lengths{Conn: a}, nil), newMux(&lengths{Conn: b}, serve)
	var both sync.WaitGroup
	for _, m := range []*mux{ours, theirs} {
		both.Go(func() {
			if err := m.run(); err != nil {
				t.Log(err)
			}
		})
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
		both.Wait()
	})
	return ours
}

func TestMuxCarriesStreams(t *testing.T) {
	m := pair(t, func(s *muxStream, target string) {
		defer s.Close()
		data, err := io.ReadAll(s)
		if err != nil {
			t.Errorf("read what was sent to %s: %v", target, err)
		}
		io.WriteString(s, target+" ")
		s.Write(bytes.ToUpper(data))
		s.CloseWrite()
	})
	var all sync.WaitGroup
	for _, target := range []string{"web", "ssh", "db"} {
		all.Go(func() {
			s, err := m.open(target)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			text := strings.Repeat(target, 3*muxMost)
			go func() {
				io.WriteString(s, text)
				s.CloseWrite()
			}()
			got, err := io.ReadAll(s)
			if want := target + " " + strings.ToUpper(text); err != nil || string(got) != want {
				t.Errorf("%s: %d bytes came, want %d: %v", target, len(got), len(want), err)
			}
		})
	}
	all.Wait()
}

func TestMuxTellsThatNobodyListens(t *testing.T) {
	m := pair(t, func(s *muxStream, _ string) { s.Close() })
	s, err := m.open("gone")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(s); err != io.ErrClosedPipe {
		t.Errorf("read of a stream that was refused: %v, want %v", err, io.ErrClosedPipe)
	}
}

func TestMuxRefusesBadFrames(t *testing.T) {
	for name, frame := range map[string]string{"short": "\x02\x00\x00", "unknown": "\x63\x00\x00\x00\x01", "open at the opener": "\x01\x00\x00\x00\x09web"} {
		a, b := net.Pipe()
		m := newMux(&lengths{Conn: a}, nil)
		m.add(1)
		go (&lengths{Conn: b}).write([]byte(frame))
		if err := m.run(); err == nil {
			t.Errorf("%s: no error", name)
		}
		a.Close()
		b.Close()
	}
}

package auto

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"tyto/lab/webapp"
)

// notice is a message about who is there: "heartbeat" and "leave" of a client,
// "ack" and "presence" of the server.
type notice struct {
	Op   string `json:"op"`
	Seq  int    `json:"seq"`
	Who  string `json:"who,omitempty"`
	Text string `json:"status,omitempty"`
}

// ServePresence is a program of a scenario that acknowledges heartbeats over
// WebSocket and tells now and then, at random, that somebody came or went. After
// the arguments of webapp.Serve come the mean time between that, 0 for never,
// and a seed.
func ServePresence(ctx context.Context, args []string) error {
	every, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	var seed uint64
	if _, err := fmt.Sscan(args[3], &seed); err != nil {
		return err
	}
	return webapp.Serve(ctx, args, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		s, err := webapp.Upgrade(w, q)
		if err != nil {
			return
		}
		defer s.Close()
		if every > 0 {
			go comeAndGo(s, every, rand.New(rand.NewPCG(seed, 0)))
		}
		for {
			var n notice
			_, text, err := s.Read()
			if err != nil || json.Unmarshal(text, &n) != nil || n.Op == "leave" {
				return
			}
			answer, _ := json.Marshal(notice{Op: "ack", Seq: n.Seq}) // it has no values that JSON cannot hold
			s.Write(webapp.Text, answer)
		}
	}))
}

// comeAndGo tells who came or went until the connection ends.
func comeAndGo(s *webapp.Socket, every time.Duration, rng *rand.Rand) {
	for {
		time.Sleep(time.Duration(rng.ExpFloat64() * float64(every)))
		n := notice{Op: "presence", Who: fmt.Sprintf("user%03d", rng.IntN(500)), Text: []string{"online", "away", "offline", "in a meeting"}[rng.IntN(4)]}
		text, _ := json.Marshal(n) // strings
		if s.Write(webapp.Text, text) != nil {
			return
		}
	}
}

// Presence is a program of a scenario that keeps somebody's presence: its
// arguments are the URL and the pauses before heartbeats in seconds. It tells
// the events "ready", "beat" and "ack" with a number, "presence", "leaving".
func Presence(ctx context.Context, args []string) error {
	s, err := webapp.DialSocket(args[0])
	if err != nil {
		return err
	}
	webapp.Report("ready", "")
	acks := make(chan int, 1)
	failed := make(chan error, 1)
	go func() {
		for {
			_, text, err := s.Read()
			var n notice
			if err == nil {
				err = json.Unmarshal(text, &n)
			}
			if err != nil {
				failed <- err
				return
			}
			if n.Op == "ack" {
				webapp.Report("ack", "%d", n.Seq)
				acks <- n.Seq
			} else {
				webapp.Report("presence", "%s", n.Who)
			}
		}
	}()
	for i, text := range args[1:] {
		pause, err := time.ParseDuration(text + "s")
		if err != nil {
			return err
		}
		time.Sleep(pause)
		beat, _ := json.Marshal(notice{Op: "heartbeat", Seq: i}) // it has no values that JSON cannot hold
		webapp.Report("beat", "%d", i)
		if err := s.Write(webapp.Text, beat); err != nil {
			return err
		}
		select {
		case n := <-acks:
			if n != i {
				return fmt.Errorf("heartbeat %d was acknowledged as %d", i, n)
			}
		case err := <-failed:
			return err
		case <-time.After(30 * time.Second):
			return fmt.Errorf("heartbeat %d was not acknowledged", i)
		}
	}
	webapp.Report("leaving", "")
	if err := s.Leave(); err != nil {
		return err
	}
	if err := <-failed; err != io.EOF {
		return err
	}
	return nil
}

// PresencePython is Presence for Python's websockets and aiohttp.
//
//go:embed presence.py
var PresencePython string

// Seconds are pauses as arguments of programs.
func Seconds(pauses []time.Duration) []string {
	var all []string
	for _, p := range pauses {
		all = append(all, strings.TrimSuffix(fmt.Sprintf("%.3f", p.Seconds()), ".000"))
	}
	return all
}

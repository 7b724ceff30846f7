// Package presenceheartbeat is a chat program that tells that somebody is there.
package presenceheartbeat

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario sends heartbeats in a WebSocket, and hears of others now and then.
var Scenario = lab.Scenario{
	Name:     "presence-heartbeat",
	Doc:      "A chat program that nobody uses sends heartbeats over WebSocket at a rhythm, and is told when others come and go. Small exchanges in one long session: the benign twin of a beacon in a WebSocket.",
	Labels:   []label.Label{label.Keepalive},
	Twin:     "c2-websocket",
	Hosts:    []string{"client", "server"},
	Variants: webapp.Variants("go", "websockets", "aiohttp"),
	Params: auto.Params(
		lab.Param{Name: "others", Doc: "mean time between the comings and goings of others; never if 0", Values: []string{"0s", "2s", "8s", "30s"}},
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"443", "443", "8443"}}),
	Limit:    6 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": auto.ServePresence, "client": auto.Presence},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client := r.Host("client")
	kind, front, _ := strings.Cut(r.Variant(), "-")
	pauses, err := auto.Pauses(r, 4)
	if err != nil {
		return err
	}
	s, err := webapp.Start(ctx, r, r.Host("server"), webapp.Options{
		Kind: front, Name: "chat.corp.example", Port: r.ParamInt("port"), HTTP1: true, Program: "server", Clients: []*lab.Host{client},
		Args: []string{r.Param("others"), fmt.Sprint(r.Rand().Uint64())},
	})
	if err != nil {
		return err
	}
	command, err := webapp.Client(r, client, kind, auto.PresencePython)
	if err != nil {
		return err
	}
	command.Args = append(append(command.Args, "wss://"+s.Authority()+"/presence"), auto.Seconds(pauses)...)
	p, err := client.Start(ctx, command)
	if err != nil {
		return err
	}
	if err := p.Wait(ctx); err != nil {
		return err
	}
	half, sel := label.Time(r.Profile().RTT.Duration()/2), lab.Of(p)
	r.Label(sel, label.Keepalive)
	var quiet, beat label.Time // since when; of the heartbeat that is not answered yet
	beats := 0
	exchange := func(from, to label.Time, what string) {
		if quiet > 0 && quiet < from {
			r.Span(sel, quiet, from, label.StateIdle, "")
		}
		r.Span(sel, from, to, label.StateExchange, what)
		quiet = max(quiet, to)
	}
	for _, e := range webapp.Events(p) {
		switch e.What {
		case "ready":
			r.Span(sel, p.Started(), e.At, label.StateHandshake, "WebSocket")
			quiet = e.At
		case "beat":
			beat = e.At
		case "ack":
			beats++
			exchange(beat, e.At, "heartbeat")
		case "presence":
			exchange(e.At-2*half-20e6, e.At+20e6, "presence of "+e.Text)
		case "leaving":
			exchange(e.At, r.Now(), "leave")
		}
	}
	if beats != len(pauses) {
		return fmt.Errorf("%d of %d heartbeats were acknowledged", beats, len(pauses))
	}
	return nil
}

// Package websocketchat is two people who write to each other.
package websocketchat

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/typist"
	"tyto/lab/webapp"
)

// Scenario is a conversation: one types, the other reads and answers.
var Scenario = lab.Scenario{
	Name:     "websocket-chat",
	Doc:      "Two people chat over WebSocket, each with the pace of their typing. Messages both ways at human times that are no shell: the benign twin of a reverse shell that works by lines.",
	Labels:   []label.Label{label.Chat},
	Twin:     "c2-websocket",
	Hosts:    []string{"client", "server", "peer"},
	Variants: webapp.Variants("go", "websockets", "aiohttp"),
	Params: []lab.Param{
		{Name: "messages", Doc: "of both together", Values: []string{"6", "12", "20"}},
		{Name: "words", Doc: "in a message, at least and about", Values: []string{"1", "6", "20"}},
		{Name: "talk", Doc: "share of messages that are the client's, in percent", Values: []string{"25", "50", "50", "75"}},
		{Name: "notices", Doc: "the other is told that somebody types", Values: []string{"yes", "no"}},
		{Name: "ping", Doc: "time between the server's pings", Values: []string{"5s", "20s", "1h"}},
		{Name: "port", Doc: "of the server", Values: []string{"443", "443", "8443"}},
	},
	Limit:    12 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": webapp.ServeChat, "client": webapp.Chat},
	Run:      run,
}

// person is one of the two.
type person struct {
	*lab.Terminal
	*typist.Typist
	name string
	sel  lab.Selector
	rng  *rand.Rand
}

func run(ctx context.Context, r *lab.Run) error {
	client, peer := r.Host("client"), r.Host("peer")
	kind, front, _ := strings.Cut(r.Variant(), "-")
	s, err := webapp.Start(ctx, r, r.Host("server"), webapp.Options{
		Kind: front, Name: "chat.corp.example", Port: r.ParamInt("port"), Program: "server", Clients: []*lab.Host{client, peer}, Args: []string{r.Param("ping")},
	})
	if err != nil {
		return err
	}
	var people []*person
	for i, h := range []*lab.Host{client, peer} {
		p := &person{name: []string{"mortiz", "jlind"}[i], Typist: r.Typist(), rng: r.NewRand(h.Name())}
		if i > 0 {
			p.Typist = typist.Draw(p.rng) // somebody else
		}
		command, err := webapp.Client(r, h, kind, webapp.ChatPython)
		command.Args = append(command.Args, "wss://"+s.Authority()+"/room/lobby", p.name, r.Param("notices"))
		if err == nil {
			p.Terminal, err = h.Terminal(ctx, command, "250x40")
		}
		if err != nil {
			return err
		}
		p.sel = lab.Of(p.Process)
		r.Label(p.sel, label.Chat)
		handshake := r.Segment(p.sel, label.StateHandshake, "WebSocket")
		if _, err := p.Expect(ctx, regexp.MustCompile("welcome")); err != nil {
			return err
		}
		handshake()
		people = append(people, p)
	}
	if err := webapp.Await(ctx, s.App, "joined", len(people)); err != nil {
		return err
	}
	for range r.ParamInt("messages") {
		from, to := people[0], people[1]
		if r.Rand().IntN(100) >= r.ParamInt("talk") {
			from, to = to, from
		}
		if err := say(ctx, r, from, to); err != nil {
			return err
		}
	}
	for _, p := range people {
		err = errors.Join(err, p.Type(ctx, p.Typist, "\x04"), p.Wait(ctx))
	}
	return err
}

// say has somebody write a message, which must come as it was typed.
func say(ctx context.Context, r *lab.Run, from, to *person) error {
	message := typist.Prose(1+from.rng.IntN(2*r.ParamInt("words")), from.rng)
	err := r.Think(ctx, from.rng)
	began := r.Now()
	if err = errors.Join(err, from.Type(ctx, from.Typist, message)); err != nil {
		return err
	}
	if r.Param("notices") == "yes" {
		r.Span(from.sel, began, r.Now(), label.StateExchange, "typing notices")
		r.Span(to.sel, began, r.Now(), label.StateExchange, "typing notices")
	}
	began = r.Now()
	err = from.Type(ctx, from.Typist, "\n")
	if _, expected := to.Expect(ctx, regexp.MustCompile(regexp.QuoteMeta(fmt.Sprintf("<%s> %s\r\n", from.name, message)))); err != nil || expected != nil {
		return errors.Join(err, expected)
	}
	r.Span(from.sel, began, r.Now(), label.StateExchange, "message")
	r.Span(to.sel, began, r.Now(), label.StateExchange, "message")
	return nil
}

// Package httpslongpoll is a program that waits for news at a service.
package httpslongpoll

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/typist"
	"tyto/lab/webapp"
)

// Scenario asks for what is new; the answer comes when there is something.
var Scenario = lab.Scenario{
	Name:     "https-longpoll",
	Doc:      "A notifier asks over HTTPS for what is new, and the server answers when something is, or after a while that nothing is. The benign twin of a shell over long polls.",
	Labels:   []label.Label{label.Poll},
	Twin:     "revshell-http",
	Hosts:    []string{"client", "server"},
	Variants: webapp.Variants("curl", "go", "requests", "aiohttp"),
	Params: []lab.Param{
		{Name: "events", Doc: "how many", Values: []string{"3", "6", "12"}},
		{Name: "pause", Doc: "between events in seconds, about", Values: []string{"1", "3", "8"}},
		{Name: "hold", Doc: "how long the server waits", Values: []string{"4s", "10s", "25s"}},
		{Name: "size", Doc: "of an event in words, about", Values: []string{"4", "25", "150"}},
		{Name: "port", Doc: "of the server", Values: []string{"443", "443", "443", "8443"}},
	},
	Limit:    5 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": serve, "client": webapp.LongPoll},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client := r.Host("client")
	kind, front, _ := strings.Cut(r.Variant(), "-")
	args, want := []string{r.Param("hold")}, ""
	for i := range r.ParamInt("events") {
		text := typist.Prose(1+int(float64(r.ParamInt("size"))*2*r.Rand().Float64()), r.Rand())
		args = append(args, fmt.Sprintf("%.3f", float64(r.ParamInt("pause"))*min(r.Rand().ExpFloat64(), 4)), text)
		want += fmt.Sprintf("%d %s\n", i+1, text)
	}
	s, err := webapp.Start(ctx, r, r.Host("server"), webapp.Options{
		Kind: front, Name: "push.corp.example", Port: r.ParamInt("port"), Program: "server", Clients: []*lab.Host{client}, Args: args,
	})
	if err != nil {
		return err
	}
	command, err := webapp.Client(r, client, kind, webapp.LongPollPython)
	if err != nil {
		return err
	}
	if command.Args = append(command.Args, s.URL("/events?since="), r.Param("events")); kind == "curl" {
		command.Args = append([]string{"sh", "-c", `n=0; while [ $n -lt $2 ]; do a=$(curl -sSf "$1$n") || exit; [ -z "$a" ] || { echo "$a"; n=${a%% *}; }; done`}, command.Args...)
	}
	out, err := client.Run(ctx, command)
	if err != nil {
		return err
	}
	if string(out) != want {
		return fmt.Errorf("the events came as\n%swant\n%s", out, want)
	}
	requests, err := s.Stop()
	if err != nil {
		return err
	}
	webapp.Tell(r, requests, func(*webapp.Request) (label.State, string) { return 0, "" }, label.Poll)
	half := label.Time(r.Profile().RTT.Duration() / 2)
	for _, q := range requests {
		r.Span(q.Flow(), q.Began-half, q.Began+half, label.StateExchange, "question")
		r.Span(q.Flow(), q.Began+half, max(q.Began+half, q.Over-half), label.StateIdle, "wait")
		r.Span(q.Flow(), q.Over-half, q.Over+half, label.StateExchange, "answer")
	}
	return nil
}

// serve is the service; after the arguments of Serve come how long it waits,
// and of each event how long after the one before it comes, and its text.
func serve(ctx context.Context, args []string) error {
	hold, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	events := slices.Collect(slices.Chunk(args[3:], 2))
	due := make([]time.Time, len(events)) // set by the first question
	return webapp.Serve(ctx, args, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		n, err := strconv.Atoi(q.FormValue("since"))
		if err != nil || n < 0 || n >= len(events) {
			http.Error(w, "no such event", http.StatusBadRequest)
			return
		}
		if due[n].IsZero() {
			pause, _ := time.ParseDuration(events[n][0] + "s") // Run wrote it
			due[n] = time.Now().Add(pause)
		}
		time.Sleep(min(hold, time.Until(due[n])))
		if !time.Now().Before(due[n]) {
			fmt.Fprintf(w, "%d %s\n", n+1, events[n][1])
		}
	}))
}

// Package httpsapipoll is a program that asks a service for its state.
package httpsapipoll

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario polls at a period with jitter; each answer is the next of a count.
var Scenario = lab.Scenario{
	Name:     "https-api-poll",
	Doc:      "A dashboard's agent asks an HTTPS service for small JSON at a period with jitter. The benign twin of a beacon.",
	Labels:   []label.Label{label.Poll},
	Twin:     "c2-https",
	Hosts:    []string{"client", "server"},
	Variants: webapp.Variants("curl", "go", "requests", "aiohttp"),
	Params: []lab.Param{
		{Name: "period", Doc: "between questions", Values: []string{"500ms", "1s", "2s", "5s", "10s"}},
		{Name: "jitter", Doc: "in percent of the period", Values: []string{"0", "0", "5", "20", "50"}},
		{Name: "polls", Doc: "how many", Values: []string{"6", "10", "16"}},
		{Name: "size", Doc: "of an answer in bytes, about", Values: []string{"60", "400", "2000", "9000"}},
		{Name: "change", Doc: "one answer of so many is longer", Values: []string{"0", "4", "10"}},
		{Name: "port", Doc: "of the server", Values: []string{"443", "443", "443", "8443"}},
	},
	Limit:    6 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": serve, "client": webapp.Poll},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client := r.Host("client")
	kind, front, _ := strings.Cut(r.Variant(), "-")
	s, err := webapp.Start(ctx, r, r.Host("server"), webapp.Options{
		Kind: front, Name: "status.corp.example", Port: r.ParamInt("port"), Program: "server", Clients: []*lab.Host{client},
		Args: []string{r.Param("size"), r.Param("change"), fmt.Sprint(r.Rand().Uint64())},
	})
	if err != nil {
		return err
	}
	period, err := time.ParseDuration(r.Param("period"))
	if err != nil {
		return err
	}
	polls, jitter := r.ParamInt("polls"), float64(r.ParamInt("jitter"))/100
	command, err := webapp.Client(r, client, kind, webapp.PollPython)
	if err != nil {
		return err
	}
	args, script := []string{s.URL("/api/v2/status?since=0")}, "set -e\n"
	for i := range polls - 1 {
		pause := fmt.Sprintf("%.3f", period.Seconds()*(1+jitter*(2*r.Rand().Float64()-1)))
		args = append(args, pause)
		script += fmt.Sprintf("curl -sSf '%s'\nsleep %s\n", s.URL(fmt.Sprint("/api/v2/status?since=", i)), pause)
	}
	if command.Args = append(command.Args, args...); kind == "curl" {
		command.Args = []string{"sh", "-c", script + fmt.Sprintf("curl -sSf '%s'\n", s.URL(fmt.Sprint("/api/v2/status?since=", polls-1)))}
	}
	out, err := client.Run(ctx, command)
	if err != nil {
		return err
	}
	answers := json.NewDecoder(strings.NewReader(string(out)))
	for i := range polls {
		var a status
		if err := answers.Decode(&a); err != nil || a.Sequence != i+1 {
			return fmt.Errorf("answer %d has number %d: %v", i+1, a.Sequence, err)
		}
	}
	requests, err := s.Stop()
	if err != nil {
		return err
	}
	if len(requests) != polls {
		return fmt.Errorf("%d requests, want %d", len(requests), polls)
	}
	webapp.Tell(r, requests, func(q *webapp.Request) (label.State, string) { return label.StateExchange, q.Path }, label.Poll)
	return nil
}

// status is the service's answer.
type status struct {
	Sequence int      `json:"sequence"`
	Healthy  bool     `json:"healthy"`
	Nodes    []string `json:"nodes"`
}

// serve is the service; its arguments are those of Serve, the size of an
// answer, how often it is longer, and a seed.
func serve(ctx context.Context, args []string) error {
	var size, change int
	var seed uint64
	if _, err := fmt.Sscan(strings.Join(args[2:], " "), &size, &change, &seed); err != nil {
		return err
	}
	var count atomic.Int64
	return webapp.Serve(ctx, args, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		a := status{Sequence: int(count.Add(1)), Healthy: true}
		rng := rand.New(rand.NewPCG(seed, uint64(a.Sequence)))
		nodes := size / 24
		if change > 0 && a.Sequence%change == 0 {
			nodes = nodes*2 + 3
		}
		for range nodes {
			a.Nodes = append(a.Nodes, fmt.Sprintf("node-%03d load %5.2f", rng.IntN(1000), 40*rng.Float64()))
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(a) // a client that has gone gets nothing
	}))
}

// Package metricspush is a machine whose measurements go to a collector.
package metricspush

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario posts all its metrics at a period with jitter.
var Scenario = lab.Scenario{
	Name:     "metrics-push",
	Doc:      "A machine posts its metrics to a collector over HTTPS at a period with jitter. Regular small uploads: the benign twin of a beacon and of slow exfiltration.",
	Labels:   []label.Label{label.Poll},
	Twin:     "exfil-https",
	Hosts:    []string{"client", "server"},
	Variants: webapp.Variants("curl", "go", "requests"),
	Params: []lab.Param{
		{Name: "pushes", Doc: "how many", Values: []string{"5", "9", "15"}},
		{Name: "period", Doc: "between them, in seconds", Values: []string{"0.5", "1", "3", "10"}},
		{Name: "jitter", Doc: "in percent of the period", Values: []string{"0", "5", "20"}},
		{Name: "metrics", Doc: "in one push", Values: []string{"3", "30", "300"}},
		{Name: "port", Doc: "of the server", Values: []string{"443", "443", "443", "9091"}},
	},
	Limit:    5 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": webapp.KeepFiles, "client": webapp.Push},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client := r.Host("client")
	kind, front, _ := strings.Cut(r.Variant(), "-")
	s, err := webapp.Start(ctx, r, r.Host("server"), webapp.Options{
		Kind: front, Name: "metrics.corp.example", Port: r.ParamInt("port"), Program: "server", Clients: []*lab.Host{client},
	})
	if err != nil {
		return err
	}
	command, err := webapp.Client(r, client, kind, webapp.PushPython)
	if err != nil {
		return err
	}
	url := s.URL(fmt.Sprintf("/metrics/job/node%02d", r.Rand().IntN(100)))
	command.Args = append(command.Args, url)
	counters, last, script := make([]int, r.ParamInt("metrics")), "", "set -e\n"
	for i := range r.ParamInt("pushes") {
		var pause, period float64
		if fmt.Sscan(r.Param("period"), &period); i > 0 {
			pause = period * (1 + float64(r.ParamInt("jitter"))/100*(2*r.Rand().Float64()-1))
		}
		last = ""
		for j := range counters {
			counters[j] += r.Rand().IntN(1000)
			last += fmt.Sprintf("node_counter_%d{cpu=\"%d\"} %d\n", j/4, j%4, counters[j])
		}
		file := fmt.Sprintf("metrics%d", i)
		if err := client.Write(file, last, 0o644); err != nil {
			return err
		}
		command.Args = append(command.Args, fmt.Sprintf("%.3f", pause), file)
		script += fmt.Sprintf("sleep %.3f; curl -sSf -H 'Content-Type: text/plain' --data-binary @%s %s\n", pause, file, url)
	}
	if kind == "curl" {
		command.Args = []string{"sh", "-c", script}
	}
	if _, err := client.Run(ctx, command); err != nil {
		return err
	}
	if got, err := s.Host.Read(url[strings.LastIndex(url, "/")+1:]); err != nil || string(got) != last {
		return fmt.Errorf("the last metrics came as %d other bytes: %v", len(got), err)
	}
	requests, err := s.Stop()
	if err != nil {
		return err
	}
	if len(requests) != r.ParamInt("pushes") {
		return fmt.Errorf("%d requests, want %d", len(requests), r.ParamInt("pushes"))
	}
	webapp.Tell(r, requests, func(q *webapp.Request) (label.State, string) { return label.StateExchange, q.Path }, label.Poll)
	return nil
}

// Package configagent is a machine that a management server configures.
package configagent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario lets an agent ask its management server for work and do it.
var Scenario = lab.Scenario{
	Name:   "config-agent",
	Doc:    "An agent of configuration management asks its server over HTTPS whether there is work, at a rhythm or by polls that the server holds; it runs commands, reports their output, and fetches files. Benign tasking: the twin of a tasked beacon that is hardest to tell from it.",
	Labels: []label.Label{label.Poll, label.Download},
	Twin:   "c2-https",
	Hosts:  []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "go-go", Needs: []string{"openssl", "ss", "ps", "ip"}}, {Name: "go-nginx", Needs: []string{"nginx", "openssl", "ss", "ps", "ip"}},
		{Name: "requests-go", Needs: []string{"/usr/bin/python3", "py:requests", "openssl", "ss", "ps", "ip"}}, {Name: "requests-nginx", Needs: []string{"/usr/bin/python3", "py:requests", "nginx", "openssl", "ss", "ps", "ip"}},
	},
	Params: auto.Params(
		lab.Param{Name: "hold", Doc: "how long the server holds a poll at most; then there is no other pause", Values: []string{"0s", "0s", "2s", "8s"}},
		lab.Param{Name: "orders", Doc: "that are given, at most", Values: []string{"0", "1", "3", "6"}},
		lab.Param{Name: "size", Doc: "of a file in kB, about", Values: []string{"2", "20", "150", "900"}},
		lab.Param{Name: "http", Doc: "highest version", Values: []string{"1", "2"}},
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"443", "443", "8140", "4505"}}),
	Limit: 6 * time.Minute, Run: run,
	Programs: map[string]func(context.Context, []string) error{"server": auto.ServeOrders, "client": auto.Managed},
}

func run(ctx context.Context, r *lab.Run) error {
	client, server, rng := r.Host("client"), r.Host("server"), r.Rand()
	kind, front, _ := strings.Cut(r.Variant(), "-")
	pauses, err := auto.Pauses(r, 4)
	if err != nil {
		return err
	}
	files := make(map[string]string)
	var orders []auto.Order
	for _, poll := range rng.Perm(len(pauses))[:min(r.ParamInt("orders"), len(pauses))] {
		o := auto.Order{Poll: poll + 1, ID: len(orders) + 1}
		if rng.IntN(4) == 0 {
			o.File = fmt.Sprintf("catalog-%d.bin", o.ID)
			files[o.File] = lab.Random(int(1000*float64(r.ParamInt("size"))*(.6+.8*rng.Float64())), rng)
		} else {
			all := slices.Sorted(maps.Keys(auto.Want))
			o.Command = all[rng.IntN(len(all))]
		}
		orders = append(orders, o)
	}
	r.SetParam("orders", fmt.Sprint(len(orders)))
	name, text := auto.EncodeOrders(orders)
	files[name] = text
	if err := server.WriteFiles("", files); err != nil {
		return err
	}
	hold, err := time.ParseDuration(r.Param("hold"))
	if err != nil {
		return err
	}
	s, err := webapp.Start(ctx, r, server, webapp.Options{
		Kind: front, Name: "config.corp.example", Port: r.ParamInt("port"), HTTP1: r.Param("http") == "1", Program: "server", Clients: []*lab.Host{client},
		Args: []string{hold.String(), fmt.Sprint(rng.Uint64())},
	})
	if err != nil {
		return err
	}
	command, err := webapp.Client(r, client, kind, auto.ManagedPython)
	if err != nil {
		return err
	}
	for i := range pauses {
		if hold > 0 {
			pauses[i] = min(pauses[i], 50*time.Millisecond)
		}
	}
	command.Args = append(append(command.Args, s.URL("")), auto.Seconds(pauses)...)
	command.Env = []string{"REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt"}
	if _, err := client.Run(ctx, command); err != nil {
		return err
	}
	for _, o := range orders {
		want := auto.Want[o.Command]
		if o.File != "" {
			want = fmt.Sprintf("wrote %d bytes", len(files[o.File]))
		}
		if got, err := server.Read(fmt.Sprint("result-", o.ID)); err != nil || !strings.Contains(string(got), want) {
			return fmt.Errorf("order %d came back without %q: %q %v", o.ID, want, got, err)
		}
	}
	requests, err := s.Stop()
	if err != nil {
		return err
	}
	half := label.Time(r.Profile().RTT.Duration() / 2)
	webapp.Tell(r, requests, func(q *webapp.Request) (label.State, string) {
		if strings.HasPrefix(q.Path, "/files/") {
			// All has come when the agent reports.
			i := slices.IndexFunc(requests, func(next webapp.Request) bool { return next.Began > q.Began && next.Method == "POST" })
			r.Label(q.Flow(), label.Download)
			r.Span(q.Flow(), q.Began-half, requests[i].Began-half, label.StateDownload, q.Path)
			return 0, ""
		}
		if q.Status == 204 {
			return label.StateCheckin, ""
		}
		return label.StateTasking, q.Path
	}, label.Poll)
	return nil
}

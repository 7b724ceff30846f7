// Package monitorchecks is a monitor that looks whether services work.
package monitorchecks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario checks the services of some hosts in rounds; some are down.
var Scenario = lab.Scenario{
	Name:   "monitor-checks",
	Doc:    "A monitor checks again and again whether services of many hosts answer: ports, web pages, names, greetings of SSH and mail; some are down. Many short sessions that try ports: the benign twin of a scan.",
	Labels: []label.Label{label.Poll},
	Twin:   "scan-ports",
	Hosts:  []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "plugins", Needs: []string{"/usr/lib/nagios/plugins/check_http@monitoring-plugins-basic", "/usr/lib/nagios/plugins/check_dns@monitoring-plugins-standard", "nslookup@bind9-dnsutils", "openssl"}},
		{Name: "go", Needs: []string{"openssl"}},
	},
	Params: auto.Params(
		lab.Param{Name: "hosts", Doc: "that are watched", Values: []string{"1", "4", "10", "20"}},
		lab.Param{Name: "services", Doc: "of a host, at most", Values: []string{"1", "3", "6"}},
		lab.Param{Name: "dead", Doc: "% of the hosts that are down, but for the first", Values: []string{"0", "0", "15"}},
		lab.Param{Name: "down", Doc: "% of the services on other hosts that are", Values: []string{"0", "5", "20"}},
		lab.Param{Name: "splay", Doc: "ms between two checks of a round, at most", Values: []string{"20", "200", "800"}}),
	Limit:    6 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"services": auto.Services, "check": auto.Check},
	Run:      run,
}

const wait = 12 * time.Second // for a service

func run(ctx context.Context, r *lab.Run) error {
	client, server, rng := r.Host("client"), r.Host("server"), r.Rand()
	pauses, err := auto.Pauses(r, 3)
	if err != nil {
		return err
	}
	addrs, alive, err := auto.Targets(ctx, r, server, r.ParamInt("hosts"), r.ParamInt("dead"))
	if err != nil {
		return err
	}
	all, works := auto.DrawServices(addrs, alive, r.ParamInt("services"), r.ParamInt("down"), rng)
	most := min(200, 120000/r.ParamInt("splay")) // checks, for a minute of them
	if rounds := max(2, most/len(all)); rounds < len(pauses) {
		pauses = pauses[:rounds]
		r.SetParam("times", fmt.Sprint(rounds))
	}
	if _, err := webapp.Certify(ctx, r, server, "rsa", "monitor.corp.example"); err != nil {
		return err
	}
	s, err := server.Start(ctx, lab.Command{Program: "services", Args: slices.Sorted(maps.Keys(works))})
	if err == nil {
		err = webapp.AwaitOutput(ctx, s, "ready", 1)
	}
	if err != nil {
		return err
	}
	if r.Variant() == "go" {
		r.Software("client", "net/http", runtime.Version())
	} else {
		r.Installed(client, "/usr/lib/nagios/plugins/check_http@monitoring-plugins-basic")
	}
	var checks sync.WaitGroup
	defer checks.Wait()
	results := make(chan error, len(pauses)*len(all))
	for _, pause := range pauses {
		err = errors.Join(err, r.Sleep(ctx, pause))
		for _, service := range all {
			err = errors.Join(err, r.Sleep(ctx, time.Duration(float64(r.ParamInt("splay"))*rng.Float64()*float64(time.Millisecond))))
			checks.Go(func() { results <- check(ctx, r, service, works[service]) })
		}
	}
	wrong := 0
	for range cap(results) {
		if failed := <-results; failed != nil {
			wrong++
			err = errors.Join(err, failed)
		}
	}
	if r.Profile().Loss > 0 && wrong*10 <= cap(results) && ctx.Err() == nil {
		return nil // time-outs
	}
	return err
}

// check checks a service once, and fails if the result is another than is true.
func check(ctx context.Context, r *lab.Run, service string, works bool) error {
	command := lab.Command{Args: auto.Plugin(service, wait)}
	if r.Variant() == "go" {
		command = lab.Command{Program: "check", Args: []string{service, wait.String()}}
	}
	p, err := r.Host("client").Start(ctx, command)
	if err != nil {
		return err
	}
	err = p.Wait(ctx)
	r.Label(lab.Of(p), label.Poll)
	r.Span(lab.Of(p), p.Started(), r.Now(), auto.CheckState(service), service)
	if works != (lab.Status(err) == 0) || lab.Status(err) < 0 {
		return fmt.Errorf("%s: works %v, the check says %v %s", service, works, err, p.Output())
	}
	return nil
}

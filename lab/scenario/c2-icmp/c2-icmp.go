// Package c2icmp is a beacon in echo requests.
package c2icmp

import (
	"context"
	"net/netip"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
)

// Scenario lets an agent check in by pings and gives it work now and then.
var Scenario = lab.Scenario{
	Name:       "c2-icmp",
	Doc:        "An agent checks in with its controller by echo requests that carry data, and is given work at times. Teaches beacons where nothing has ports.",
	Labels:     c2.Labels(),
	Techniques: []string{"T1095", "T1041", "T1132.001"},
	Twin:       "ping-monitor",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{{Name: "raw", Needs: []string{"ss", "ip"}}, {Name: "ping", Needs: []string{"ss", "ip"}}},
	Params: append(c2.Params(),
		lab.Param{Name: "payload", Doc: "bytes of a message in one echo request", Values: []string{"46", "180", "900"}},
		lab.Param{Name: "throttle", Doc: "between echo requests of a message, about", Values: []string{"5ms", "30ms", "200ms"}}),
	Programs: c2.Programs(),
	Limit:    9 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	r.SetParam("size", map[string]string{"3": "1", "20": "2", "150": "4", "900": "8"}[r.Param("size")])
	p, err := c2.Draw(r, true)
	if err != nil {
		return err
	}
	p.Transport, p.Client, p.Label, p.Server = "icmp", r.Variant(), r.ParamInt("payload"), netip.AddrPortFrom(server.Addr(), 1)
	if p.Throttle, err = time.ParseDuration(r.Param("throttle")); err != nil {
		return err
	}
	s, err := c2.Prepare(ctx, r, client, server, p)
	if err != nil {
		return err
	}
	return s.Play(ctx, r, client, server)
}

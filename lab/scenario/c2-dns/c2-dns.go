// Package c2dns is a beacon in DNS.
package c2dns

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
	"tyto/lab/label"
)

// Scenario lets an agent check in by DNS queries and gives it work now and
// then.
var Scenario = lab.Scenario{
	Name:       "c2-dns",
	Doc:        "An agent checks in by DNS queries, answered by its controller's name server, and is given work at times. Teaches beacons and data in names and answers.",
	Labels:     append(c2.Labels(), label.DNSTunnel),
	Techniques: []string{"T1071.004", "T1572", "T1041", "T1132.001"},
	Twin:       "dns-lookups",
	Hosts:      []string{"client", "resolver", "server"},
	Variants: []lab.Variant{
		variant("go-direct"), variant("go-unbound", "unbound"), variant("dig-direct", "dig"), variant("dig-unbound", "dig", "unbound"),
	},
	Params: append(c2.Params(),
		lab.Param{Name: "record", Doc: "type of the answers", Values: []string{"TXT", "TXT", "A"}},
		lab.Param{Name: "label", Doc: "bytes in a query's name", Values: []string{"40", "80", "120"}},
		lab.Param{Name: "socket", Doc: "of the queries: a new one for each, or for each message; always for each with dig", Values: []string{"query", "message"}},
		lab.Param{Name: "throttle", Doc: "between queries of a message, about", Values: []string{"20ms", "60ms", "200ms"}},
		lab.Param{Name: "domain", Doc: "of the controller", Values: []string{"cdn-sync.example", "t.weather.example.net", "ns1.telemetry.example"}}),
	Programs: c2.Programs(),
	Limit:    9 * time.Minute,
	Run:      run,
}

func variant(name string, needs ...string) lab.Variant {
	return lab.Variant{Name: name, Needs: append(needs, "ss", "ip")}
}

func run(ctx context.Context, r *lab.Run) error {
	client, resolver, server := r.Host("client"), r.Host("resolver"), r.Host("server")
	program, way, _ := strings.Cut(r.Variant(), "-")
	r.SetParam("size", map[string]string{"3": "1", "20": "1", "150": "2", "900": "3"}[r.Param("size")])
	if program == "dig" {
		r.SetParam("socket", "query")
		r.Installed(client, "dig")
	}
	p, err := c2.Draw(r, true)
	if err != nil {
		return err
	}
	p.Transport, p.Client, p.Name, p.Record = "dns", program, r.Param("domain"), r.Param("record")
	p.Label, p.FreshPort, p.Local = r.ParamInt("label"), r.Param("socket") == "query", client.Addr()
	if p.Throttle, err = time.ParseDuration(r.Param("throttle")); err != nil {
		return err
	}
	p.Server = netip.AddrPortFrom(server.Addr(), 53)
	if way == "unbound" {
		u, err := c2.Resolver(ctx, r, resolver, server, p.Name)
		if err != nil {
			return err
		}
		r.Label(lab.Of(u), label.Beacon, label.DNSTunnel)
		defer r.Segment(lab.Of(u), label.StateTunnel, "queries of "+client.Name())()
		p.Server = netip.AddrPortFrom(resolver.Addr(), 53)
	}
	s, err := c2.Prepare(ctx, r, client, server, p)
	if err != nil {
		return err
	}
	if err := s.Play(ctx, r, client, server); err != nil {
		return err
	}
	r.Label(lab.Of(s.Agent), label.DNSTunnel)
	return nil
}

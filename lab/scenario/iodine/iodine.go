// Package iodine is a network inside DNS.
package iodine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario brings up iodine's tunnel, straight to its server or through a
// resolver, and uses what is behind it.
var Scenario = lab.Scenario{
	Name:       "iodine",
	Doc:        "IP packets are inside DNS queries and answers (iodine), to the tunnel's own server or through an honest resolver. Teaches DNS tunnels whatever they carry.",
	Labels:     []label.Label{label.DNSTunnel, label.Tunnel},
	Techniques: []string{"T1071.004", "T1572"},
	Twin:       "dns-lookups",
	Hosts:      []string{"client", "resolver", "server"},
	Variants: []lab.Variant{
		{Name: "direct", Needs: inner.Needs("iodine", "iodined")},
		{Name: "unbound", Needs: inner.Needs("iodine", "iodined", "unbound")},
	},
	Params: append(inner.Params("1", "4", "12"),
		lab.Param{Name: "type", Doc: "of the queries", Values: []string{"NULL", "TXT", "CNAME", "SRV", "MX"}},
		lab.Param{Name: "lazy", Doc: "1 if the server holds a query until it has something to say", Values: []string{"1", "1", "0"}},
		lab.Param{Name: "interval", Doc: "longest time between two queries in seconds", Values: []string{"1", "2", "4"}},
		lab.Param{Name: "domain", Doc: "that the queries are below", Values: []string{"t.example.net", "cdn-sync.example.org", "ns1.tunnel.example.com", "x.example"}},
	),
	Programs: inner.Programs(),
	Limit:    12 * time.Minute,
	Run:      run,
}

const unboundConf = `server:
 username: ""
 chroot: ""
 pidfile: ""
 use-syslog: no
 interface: 0.0.0.0
 access-control: 0.0.0.0/0 allow
 module-config: "iterator"
 do-not-query-localhost: no
 prefetch: no
forward-zone:
 name: "%s"
 forward-addr: %s
`

func run(ctx context.Context, r *lab.Run) error {
	client, resolver, server := r.Host("client"), r.Host("resolver"), r.Host("server")
	s, err := inner.Start(ctx, r, server, true)
	if err != nil {
		return err
	}
	network, domain := fmt.Sprintf("172.16.%d.", r.Rand().IntN(256)), r.Param("domain")
	password := fmt.Sprintf("io%08x", r.Rand().Uint32())
	r.Installed(server, "iodined")
	if _, err := server.Start(ctx, lab.Command{Args: []string{"iodined", "-f", "-c", "-P", password, network + "1/24", domain}}); err != nil {
		return err
	}
	if err := server.WaitListen(ctx, "udp", 53); err != nil {
		return err
	}
	asked := server
	if r.Variant() == "unbound" {
		asked = resolver
		r.Installed(resolver, "unbound")
		if err := resolver.Write("dns.conf", fmt.Sprintf(unboundConf, domain, server.Addr()), 0o644); err != nil {
			return err
		}
		p, err := resolver.Start(ctx, lab.Command{Args: []string{"unbound", "-d", "-c", "dns.conf"}})
		if err != nil {
			return err
		}
		if err := resolver.WaitListen(ctx, "udp", 53); err != nil {
			return err
		}
		r.Label(lab.Of(p), label.DNSTunnel, label.Tunnel)
	}
	r.Installed(client, "iodine")
	p, err := client.Start(ctx, lab.Command{Args: []string{
		"iodine", "-f", "-r", "-P", password, "-T", r.Param("type"), "-L", r.Param("lazy"), "-I", r.Param("interval"), asked.Addr().String(), domain,
	}})
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.DNSTunnel, label.Tunnel)
	up := r.Segment(lab.Of(p), label.StateHandshake, strings.ToLower(r.Param("type")))
	if err := inner.Says(ctx, p, "transmitting data"); err != nil {
		return err
	}
	up()
	way := inner.Way{Addr: network + "1", Outer: inner.Single(lab.Of(p)), Device: true, Slow: true}
	if err := s.Carry(ctx, r, func(context.Context, string) (inner.Way, error) { return way, nil }); err != nil {
		return err
	}
	p.Stop()
	return nil
}

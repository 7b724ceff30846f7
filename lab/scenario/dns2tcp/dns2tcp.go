// Package dns2tcp is TCP connections inside DNS.
package dns2tcp

import (
	"context"
	"fmt"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario reaches services through DNS queries and answers.
var Scenario = lab.Scenario{
	Name:       "dns2tcp",
	Doc:        "TCP connections are inside DNS queries and answers (dns2tcp). Teaches a second encoding of DNS tunnels, that polls and is slow.",
	Labels:     []label.Label{label.DNSTunnel, label.Tunnel},
	Techniques: []string{"T1071.004", "T1572"},
	Twin:       "dns-lookups",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{{Name: "dns2tcp-dns2tcp", Needs: inner.Needs("dns2tcpc", "dns2tcpd")}},
	Params: append(inner.Params("1", "4", "12"),
		lab.Param{Name: "type", Doc: "of the queries", Values: []string{"TXT", "KEY"}},
		lab.Param{Name: "delay", Doc: "longest time in seconds that the server holds a query", Values: []string{"1", "3", "5"}},
		lab.Param{Name: "domain", Doc: "that the queries are below", Values: []string{"t.example.net", "cdn-sync.example.org", "ns1.tunnel.example.com", "x.example"}},
	),
	Programs: inner.Programs(),
	Limit:    12 * time.Minute,
	Run:      run,
}

const conf = `listen = 0.0.0.0
port = 53
domain = %s
key = %s
resources = web:127.0.0.1:%d , ssh:127.0.0.1:22
`

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	s, err := inner.Start(ctx, r, server, true)
	if err != nil {
		return err
	}
	domain, key := r.Param("domain"), fmt.Sprintf("k%08x", r.Rand().Uint32())
	if err := server.Write("dns2tcpd.conf", fmt.Sprintf(conf, domain, key, s.Port), 0o600); err != nil {
		return err
	}
	r.Installed(server, "dns2tcpd")
	if _, err := server.Start(ctx, lab.Command{Args: []string{"dns2tcpd", "-F", "-f", "dns2tcpd.conf"}}); err != nil {
		return err
	}
	if err := server.WaitListen(ctx, "udp", 53); err != nil {
		return err
	}
	r.Installed(client, "dns2tcpc")
	return s.Carry(ctx, r, func(ctx context.Context, activity string) (inner.Way, error) {
		entry, resource := inner.LocalPort(activity), "web"
		if activity == "shell" {
			resource = "ssh"
		}
		p, err := client.Start(ctx, lab.Command{Args: []string{
			"dns2tcpc", "-z", domain, "-k", key, "-r", resource, "-l", fmt.Sprint(entry), "-T", r.Param("type"), "-t", r.Param("delay"), server.Addr().String(),
		}})
		if err != nil {
			return inner.Way{}, err
		}
		r.Label(lab.Of(p), label.DNSTunnel, label.Tunnel)
		return inner.Way{Addr: "127.0.0.1", Web: entry, SSH: entry, Outer: inner.Single(lab.Of(p)), Slow: true, Retry: true}, client.WaitListen(ctx, "tcp", entry)
	})
}

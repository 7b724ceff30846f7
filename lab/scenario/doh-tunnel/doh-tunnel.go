// Package dohtunnel is a DNS tunnel whose queries go to their resolver over
// HTTPS.
package dohtunnel

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/anon"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario uses what is behind a tunnel in DNS over HTTPS.
var Scenario = lab.Scenario{
	Name:       "doh-tunnel",
	Doc:        "A DNS tunnel (iodine, dns2tcp) whose queries go to an honest resolver over HTTPS, so that their names cannot be seen. Teaches DNS tunnels by the sizes and times of requests alone.",
	Labels:     []label.Label{label.DNSTunnel, label.Tunnel},
	Techniques: []string{"T1071.004", "T1572", "T1071.001"},
	Twin:       "doh-lookups",
	Hosts:      []string{"client", "resolver", "server"},
	Variants: []lab.Variant{
		{Name: "iodine-unbound", Needs: inner.Needs("iodine", "iodined", "unbound")}, {Name: "dns2tcp-unbound", Needs: inner.Needs("dns2tcpc", "dns2tcpd", "unbound")},
		{Name: "iodine-go", Needs: inner.Needs("iodine", "iodined")},
	},
	Params: append(inner.Params("1", "4", "12"),
		lab.Param{Name: "type", Doc: "of the queries; dns2tcp knows TXT only", Values: []string{"NULL", "TXT", "CNAME", "SRV"}},
		lab.Param{Name: "wait", Doc: "longest time in seconds that the server holds a query", Values: []string{"1", "2", "4"}},
		lab.Param{Name: "domain", Doc: "that the queries are below", Values: []string{"t.example.net", "cdn-sync.example.org", "x.example"}},
		lab.Param{Name: "method", Doc: "of the requests", Values: []string{"GET", "POST"}},
		lab.Param{Name: "http", Doc: "version; with 1 there are several connections", Values: []string{"2", "2", "1"}},
		lab.Param{Name: "port", Doc: "of the resolver", Values: []string{"443", "443", "443", "8443"}},
	),
	Programs: programs(),
	Limit:    12 * time.Minute,
	Run:      run,
}

func programs() map[string]func(context.Context, []string) error {
	all := inner.Programs()
	all["stub"], all["resolver"] = anon.DoHStub, anon.DoHServer
	return all
}

const dns2tcpConf = "listen = 0.0.0.0\nport = 53\ndomain = %s\nkey = %s\nresources = web:127.0.0.1:%d , ssh:127.0.0.1:22\n"

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	s, err := inner.Start(ctx, r, server, true)
	if err != nil {
		return err
	}
	kind, resolver, _ := strings.Cut(r.Variant(), "-")
	if resolver == "unbound" {
		r.SetParam("http", "2") // it knows no other
	}
	secret, network := fmt.Sprintf("dt%08x", r.Rand().Uint32()), fmt.Sprintf("172.16.%d.", r.Rand().IntN(256))
	args := []string{"iodined", "-f", "-c", "-P", secret, network + "1/24", r.Param("domain")}
	if kind == "dns2tcp" {
		r.SetParam("type", "TXT")
		args = []string{"dns2tcpd", "-F", "-f", "dns2tcpd.conf"}
		if err := server.Write("dns2tcpd.conf", fmt.Sprintf(dns2tcpConf, r.Param("domain"), secret, s.Port), 0o600); err != nil {
			return err
		}
	}
	r.Installed(server, args[0])
	if _, err := server.Start(ctx, lab.Command{Args: args}); err != nil {
		return err
	}
	if err := server.WaitListen(ctx, "udp", 53); err != nil {
		return err
	}
	stub, err := anon.DoH{
		Kind: resolver, Port: r.ParamInt("port"), Domain: r.Param("domain"), Method: r.Param("method"), HTTP: r.Param("http"),
	}.Start(ctx, r, label.DNSTunnel, label.Tunnel)
	if err != nil {
		return err
	}
	outer := lab.Of(stub)
	if kind == "dns2tcp" {
		return carryDNS2TCP(ctx, r, s, secret, outer)
	}
	r.Installed(client, "iodine")
	up := r.Segment(outer, label.StateHandshake, strings.ToLower(r.Param("type")))
	p, err := client.Start(ctx, lab.Command{Args: []string{"iodine", "-f", "-r", "-P", secret, "-T", r.Param("type"), "-I", r.Param("wait"), "127.0.0.1", r.Param("domain")}})
	if err != nil {
		return err
	}
	if err := inner.Says(ctx, p, "transmitting data"); err != nil {
		return err
	}
	up()
	way := inner.Way{Addr: network + "1", Outer: inner.Single(outer), Device: true, Slow: true}
	defer p.Stop()
	return s.Carry(ctx, r, func(context.Context, string) (inner.Way, error) { return way, nil })
}

// carryDNS2TCP has a client of dns2tcp for each activity.
func carryDNS2TCP(ctx context.Context, r *lab.Run, s *inner.Services, secret string, outer lab.Selector) error {
	client := r.Host("client")
	r.Installed(client, "dns2tcpc")
	return s.Carry(ctx, r, func(ctx context.Context, activity string) (inner.Way, error) {
		entry, resource := inner.LocalPort(activity), "web"
		if activity == "shell" {
			resource = "ssh"
		}
		_, err := client.Start(ctx, lab.Command{Args: []string{
			"dns2tcpc", "-z", r.Param("domain"), "-k", secret, "-r", resource, "-l", fmt.Sprint(entry), "-T", "TXT", "-t", r.Param("wait"), "127.0.0.1",
		}})
		if err != nil {
			return inner.Way{}, err
		}
		return inner.Way{Addr: "127.0.0.1", Web: entry, SSH: entry, Outer: inner.Single(outer), Slow: true, Retry: true}, client.WaitListen(ctx, "tcp", entry)
	})
}

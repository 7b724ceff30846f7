// Package dnslookups is a program that looks up names again and again.
package dnslookups

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
)

// Scenario is a monitor that asks a resolver for a list of names in rounds.
var Scenario = lab.Scenario{
	Name:   "dns-lookups",
	Doc:    "A monitor looks up a list of names in rounds. The plain use of DNS, beside tunnels and beacons in it.",
	Labels: []label.Label{label.Poll},
	Twin:   "c2-dns",
	Hosts:  []string{"client", "resolver"},
	Variants: []lab.Variant{
		{Name: "dig-unbound", Needs: []string{"dig", "unbound"}}, {Name: "dig-dnsmasq", Needs: []string{"dig", "dnsmasq"}},
		{Name: "kdig-unbound", Needs: []string{"kdig", "unbound"}}, {Name: "kdig-dnsmasq", Needs: []string{"kdig", "dnsmasq"}},
		{Name: "getent-unbound", Needs: []string{"getent", "unbound"}}, {Name: "getent-dnsmasq", Needs: []string{"getent", "dnsmasq"}},
	},
	Params: []lab.Param{
		{Name: "names", Doc: "looked up in each round", Values: []string{"1", "4", "12", "30"}},
		{Name: "rounds", Doc: "of the list", Values: []string{"2", "4", "8"}},
		{Name: "pause", Doc: "between rounds, about", Values: []string{"200ms", "2s", "8s"}},
		{Name: "transport", Doc: "of the queries; always udp with getent", Values: []string{"udp", "udp", "udp", "tcp"}},
	},
	Limit: 5 * time.Minute,
	Run:   run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, resolver := r.Host("client"), r.Host("resolver")
	tool, daemon, _ := strings.Cut(r.Variant(), "-")
	if tool == "getent" {
		r.SetParam("transport", "udp")
	}
	zone := make(map[string]string) // name to address
	for len(zone) < r.ParamInt("names") {
		name := fmt.Sprintf("%s-%d.corp.example", []string{"web", "db", "mail", "files", "print", "ci", "vpn"}[r.Rand().IntN(7)], r.Rand().IntN(1000))
		zone[name] = fmt.Sprintf("10.%d.%d.%d", r.Rand().IntN(256), r.Rand().IntN(256), 1+r.Rand().IntN(254))
	}
	if err := serve(ctx, r, daemon, zone); err != nil {
		return err
	}
	if err := client.Resolver(resolver); err != nil {
		return err
	}
	r.Installed(client, tool)
	pause, err := time.ParseDuration(r.Param("pause"))
	if err != nil {
		return err
	}
	for round := range r.ParamInt("rounds") {
		if round > 0 {
			if err := r.Sleep(ctx, time.Duration(float64(pause)*(.7+.6*r.Rand().Float64()))); err != nil {
				return err
			}
		}
		for _, name := range slices.Sorted(maps.Keys(zone)) {
			if err := lookup(ctx, r, tool, name, zone[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// serve starts a resolver that knows the zone.
func serve(ctx context.Context, r *lab.Run, daemon string, zone map[string]string) error {
	h := r.Host("resolver")
	args := []string{"dnsmasq", "--keep-in-foreground", "--user=root", "--pid-file", "--no-resolv", "--no-hosts", "--conf-file=dns.conf"}
	conf, line := "", "host-record=%s,%s\n"
	if daemon == "unbound" {
		args = []string{"unbound", "-d", "-c", h.Dir() + "/dns.conf"}
		conf = "server:\n username: \"\"\n chroot: \"\"\n pidfile: \"\"\n use-syslog: no\n interface: 0.0.0.0\n access-control: 0.0.0.0/0 allow\n local-zone: corp.example static\n"
		line = " local-data: \"%s. 300 IN A %s\"\n"
	}
	for name, addr := range zone {
		conf += fmt.Sprintf(line, name, addr)
	}
	if err := h.Write("dns.conf", conf, 0o644); err != nil {
		return err
	}
	r.Installed(h, daemon)
	if _, err := h.Start(ctx, lab.Command{Args: args}); err != nil {
		return err
	}
	return h.WaitListen(ctx, "udp", 53)
}

// lookup asks for a name; the answer must be that address.
func lookup(ctx context.Context, r *lab.Run, tool, name, want string) error {
	args := []string{tool, "+short", "+" + map[string]string{"udp": "notcp", "tcp": "tcp"}[r.Param("transport")], name, "A"}
	if tool == "getent" {
		args = []string{"getent", "ahostsv4", name}
	}
	p, err := r.Host("client").Start(ctx, lab.Command{Args: args})
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.Poll)
	if err := p.Wait(ctx); err != nil {
		return err
	}
	r.Span(lab.Of(p), p.Started(), r.Now(), label.StateExchange, name)
	for line := range strings.Lines(p.Output()) { // a query that was lost makes other lines
		if f := strings.Fields(line); len(f) > 0 && f[0] == want {
			return nil
		}
	}
	return fmt.Errorf("%s is %s, want %s", name, p.Output(), want)
}

// Package ntpsync is a machine that keeps its clock right.
package ntpsync

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario asks time servers for the time again and again.
var Scenario = lab.Scenario{
	Name:   "ntp-sync",
	Doc:    "A machine asks time servers for the time at a rhythm: a daemon, a program each time, or a device's own client. Small regular datagrams each way: the benign twin of a beacon in DNS or ICMP.",
	Labels: []label.Label{label.Poll},
	Twin:   "c2-dns",
	Hosts:  []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "chrony-chrony", Needs: []string{"chronyd@chrony"}}, {Name: "ntpdig-chrony", Needs: []string{"ntpdig@ntpsec-ntpdig", "chronyd@chrony"}},
		{Name: "go-chrony", Needs: []string{"chronyd@chrony"}}, {Name: "go-go"}, {Name: "chrony-go", Needs: []string{"chronyd@chrony"}},
	},
	Params: auto.Params(
		lab.Param{Name: "servers", Doc: "addresses that are asked", Values: []string{"1", "1", "2", "4"}},
		lab.Param{Name: "source", Doc: "port of a client: another for each question, or the same", Values: []string{"fresh", "fresh", "same"}}),
	Limit:    6 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": auto.ServeTime, "client": auto.SNTP},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	server := r.Host("server")
	kind, other, _ := strings.Cut(r.Variant(), "-")
	pauses, err := auto.Pauses(r, 4)
	if err != nil {
		return err
	}
	addrs, _, err := auto.Targets(ctx, r, server, r.ParamInt("servers"), 0)
	if err != nil {
		return err
	}
	command := lab.Command{Program: "server", Args: addrs}
	if other == "chrony" {
		command = lab.Command{Args: []string{"chronyd", "-x", "-d", "-f", "/dev/null", "local stratum 2", "allow all", "cmdport 0", "port 123", "pidfile /run/chrony-server.pid"}}
		r.Installed(server, "chronyd@chrony")
	} else {
		r.Software("server", "lab time server", runtime.Version())
	}
	daemon, err := server.Start(ctx, command)
	if err != nil {
		return err
	}
	if err := server.WaitListen(ctx, "udp", 123); err != nil {
		return fmt.Errorf("%w\n%s", err, daemon.Output())
	}
	r.Label(lab.Service(server, "udp", 123), label.Poll)
	switch kind {
	case "chrony":
		return auto.Chrony(ctx, r, addrs, pauses)
	case "ntpdig":
		return dig(ctx, r, addrs, pauses)
	}
	r.Software("client", "lab time client", runtime.Version())
	var clients []func(context.Context) error
	for _, a := range addrs {
		clients = append(clients, func(ctx context.Context) error { return ask(ctx, r, a, pauses) })
	}
	return lab.Together(ctx, clients...)
}

// dig starts ntpdig after each pause.
func dig(ctx context.Context, r *lab.Run, addrs []string, pauses []time.Duration) error {
	r.Installed(r.Host("client"), "ntpdig@ntpsec-ntpdig")
	for _, pause := range pauses {
		if err := r.Sleep(ctx, pause); err != nil {
			return err
		}
		p, err := r.Host("client").Start(ctx, lab.Command{Args: append([]string{"ntpdig", "-t", "8"}, addrs...)})
		if err != nil {
			return err
		}
		if err := p.Wait(ctx); err != nil || !strings.Contains(p.Output(), "+/-") {
			return fmt.Errorf("ntpdig says %q: %w", p.Output(), err)
		}
		r.Span(lab.Of(p), p.Started(), r.Now(), label.StateExchange, "time")
	}
	return nil
}

// ask has a device ask a server after each pause.
func ask(ctx context.Context, r *lab.Run, addr string, pauses []time.Duration) error {
	client, server := r.Host("client"), netip.AddrPortFrom(netip.MustParseAddr(addr), 123)
	p, err := client.Start(ctx, lab.Command{Program: "client", Args: append([]string{server.String(), r.Param("source")}, auto.Seconds(pauses)...)})
	if err != nil {
		return err
	}
	if err := p.Wait(ctx); err != nil {
		return err
	}
	for _, e := range webapp.Events(p) {
		port, over, err := auto.Asked(e)
		if err != nil {
			return err
		}
		r.Span(auto.Flow("udp", netip.AddrPortFrom(client.Addr(), port), server), e.At, label.Time(over), label.StateExchange, "time")
	}
	return nil
}

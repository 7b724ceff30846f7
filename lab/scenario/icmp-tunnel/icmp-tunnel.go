// Package icmptunnel is TCP connections inside pings.
package icmptunnel

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario reaches services through ICMP echo requests and replies.
var Scenario = lab.Scenario{
	Name:       "icmp-tunnel",
	Doc:        "TCP connections are inside ICMP echo requests and replies (ptunnel-ng). Teaches pings that carry data, whatever it is.",
	Labels:     []label.Label{label.Tunnel},
	Techniques: []string{"T1095", "T1572"},
	Twin:       "ping-monitor",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{{Name: "ptunnel-ng", Needs: inner.Needs("ptunnel-ng")}},
	Params: append(params(),
		lab.Param{Name: "window", Doc: "packets on their way", Values: []string{"16", "64", "128"}},
		lab.Param{Name: "ack", Doc: "longest time between acknowledgements in ms", Values: []string{"500", "1000", "1500"}},
		lab.Param{Name: "payload", Doc: "bytes in a packet", Values: []string{"256", "512", "1024"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	s, err := inner.Start(ctx, r, server, true)
	if err != nil {
		return err
	}
	// Only the tunnel answers, not the kernel.
	if _, err := server.Run(ctx, lab.Command{Args: []string{"sh", "-c", "echo 1 >/proc/sys/net/ipv4/icmp_echo_ignore_all"}}); err != nil {
		return err
	}
	common := []string{"ptunnel-ng", "-w", r.Param("window"), "-a", r.Param("ack"), "-y", r.Param("payload"),
		"-P", fmt.Sprintf("pt%08x", r.Rand().Uint32()), "-m", fmt.Sprintf("%08x", r.Rand().Uint32())}
	r.Installed(server, "ptunnel-ng")
	if _, err := server.Start(ctx, lab.Command{Args: common}); err != nil {
		return err
	}
	// It listens when it has a raw socket.
	if _, err := server.Run(ctx, lab.Command{Args: []string{"sh", "-c", "until [ $(cat /proc/net/raw /proc/net/icmp | wc -l) -gt 2 ]; do sleep .02; done"}}); err != nil {
		return err
	}
	r.Installed(client, "ptunnel-ng")
	port := s.Port
	if s.Shell() {
		port = 22
	}
	const entry = 20080
	if _, err := client.Start(ctx, lab.Command{Args: append(common, "-p", server.Addr().String(), "-l", fmt.Sprint(entry), "-r127.0.0.1", "-R"+fmt.Sprint(port))}); err != nil {
		return err
	}
	if err := client.WaitListen(ctx, "tcp", entry); err != nil {
		return err
	}
	sel := lab.Service(server, "icmp", 0)
	r.Label(sel, label.Tunnel)
	return s.Carry(ctx, r, func(context.Context, string) (inner.Way, error) {
		return inner.Way{Addr: "127.0.0.1", Web: entry, SSH: entry, Outer: inner.Single(sel), Serial: true, Retry: true}, nil
	})
}

// params are without a mix: ptunnel-ng mistakes connections at the same time
// for one another.
func params() []lab.Param {
	all := inner.Params("10", "60", "300")
	all[0].Values = slices.DeleteFunc(all[0].Values, func(v string) bool { return v == "mix" })
	return all
}

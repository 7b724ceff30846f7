// Package sshvpnmix is an SSH client's SOCKS proxy that is used inside a VPN.
package sshvpnmix

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
	"tyto/lab/ssh"
)

// Scenario brings a VPN up, logs in through it, and uses what is behind the
// login.
var Scenario = lab.Scenario{
	Name:       "ssh-vpn-mix",
	Doc:        "A VPN carries the SSH session whose client is the SOCKS proxy (ssh -D) for everything. Teaches what is inside two layers of encryption, by sizes that both have changed.",
	Labels:     []label.Label{label.VPN, label.Tunnel, label.Proxy},
	Techniques: []string{"T1572", "T1090.001"},
	Twin:       "openvpn-udp",
	Hosts:      []string{"client", "server", "web"},
	Variants: []lab.Variant{
		{Name: "openvpn-openssh", Needs: inner.Needs("openvpn", "nc")}, {Name: "openvpntcp-openssh", Needs: inner.Needs("openvpn", "nc")},
		{Name: "wireguard-openssh", Needs: inner.Needs("wireguard-go", "wg", "nc", "ping")},
	},
	Params:   params(),
	Programs: inner.Programs(),
	Limit:    12 * time.Minute,
	Run:      run,
}

// params are those of both VPNs and of the login.
func params() []lab.Param {
	all := inner.OpenVPNParams("1194", "443", "51820", "53")
	for _, p := range inner.WireGuardParams() {
		if p.Name == "mtu" || p.Name == "psk" {
			all = append(all, p)
		}
	}
	return append(all, lab.Param{Name: "ssh", Doc: "port of the server inside the VPN", Values: []string{"2222", "22022", "8022"}})
}

func run(ctx context.Context, r *lab.Run) error {
	client, server, web := r.Host("client"), r.Host("server"), r.Host("web")
	s, err := inner.Start(ctx, r, web, true)
	if err != nil {
		return err
	}
	if err := server.Names(map[string]*lab.Host{s.Name: web}); err != nil {
		return err
	}
	gate, err := ssh.Start(ctx, r, server, ssh.Options{Port: r.ParamInt("ssh")})
	if err != nil {
		return err
	}
	c, err := s.SSH(ctx, r)
	if err != nil {
		return err
	}
	if err := errors.Join(c.Trust(ctx, gate), gate.Authorize(ctx, "root", c)); err != nil {
		return err
	}
	v, err := up(ctx, r)
	if err != nil {
		return err
	}
	entry, outer := 10000+r.Rand().IntN(10000), lab.Of(v.Client)
	ready := r.Segment(outer, label.StateExchange, fmt.Sprintf("tcp server:%d login", gate.Port))
	p, err := client.Start(ctx, lab.Command{Args: c.Args(ssh.Login{Server: gate, User: "root", Options: []string{
		"-v", "-N", "-D", fmt.Sprint("127.0.0.1:", entry), "-o", "ExitOnForwardFailure=yes", "-o", "HostName=" + v.Addr, "-o", fmt.Sprintf("HostKeyAlias=[%s]:%d", server.Addr(), gate.Port),
	}})})
	if err != nil {
		return err
	}
	if err := inner.Says(ctx, p, "forwarded to remote address socks"); err != nil {
		return err
	}
	ready()
	way := inner.Way{Proxy: fmt.Sprintf("socks5h://127.0.0.1:%d", entry), Outer: inner.Single(outer)}
	return v.Carry(ctx, r, s, func(context.Context, string) (inner.Way, error) { return way, nil })
}

// up brings the variant's VPN up.
func up(ctx context.Context, r *lab.Run) (inner.VPN, error) {
	switch kind, _, _ := strings.Cut(r.Variant(), "-"); kind {
	case "wireguard":
		ping, _, _ := strings.Cut(r.Param("keepalive"), " ")
		r.SetParam("keepalive", ping) // it knows no other number
		return inner.UpWireGuard(ctx, r)
	case "openvpntcp":
		return inner.UpOpenVPN(ctx, r, "tcp")
	default:
		return inner.UpOpenVPN(ctx, r, "udp")
	}
}

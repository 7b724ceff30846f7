// Package openconnect is a VPN over TLS and DTLS.
package openconnect

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
	"tyto/lab/pki"
)

// Scenario brings up a VPN of the kind of AnyConnect and uses what is behind it.
var Scenario = lab.Scenario{
	Name:       "openconnect",
	Doc:        "A VPN of openconnect and ocserv (AnyConnect's protocol), in TLS alone or with its data in DTLS. Teaches VPNs that begin as HTTPS.",
	Labels:     []label.Label{label.VPN, label.Tunnel},
	Techniques: []string{"T1572"},
	Twin:       "https-download",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "tls", Needs: inner.Needs("openconnect", "ocserv", "ocpasswd@ocserv")},
		{Name: "dtls", Needs: inner.Needs("openconnect", "ocserv", "ocpasswd@ocserv")},
	},
	Params: append(inner.Params("40", "300", "1500"),
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"443", "443", "4443", "8443"}},
		lab.Param{Name: "keepalive", Doc: "seconds between checks whether the other side lives", Values: []string{"10", "30", "90"}},
		lab.Param{Name: "mtu", Doc: "of the inner device, at most", Values: []string{"1400", "1300", "1200"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

//go:embed ocserv.conf
var conf string

const (
	name = "vpn.corp.example"
	user = "mortiz"
	// script configures the client's device, instead of Debian's.
	script = "#!/bin/sh\n[ \"$reason\" = connect ] && ip link set \"$TUNDEV\" mtu \"$INTERNAL_IP4_MTU\" up && ip addr add \"$INTERNAL_IP4_ADDRESS\" peer %s.1 dev \"$TUNDEV\"\nexit 0\n"
)

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	s, err := inner.Start(ctx, r, server, false)
	if err != nil {
		return err
	}
	authority, err := pki.New(r, "VPN Root")
	if err != nil {
		return err
	}
	cert, err := authority.Issue("rsa", name)
	if err != nil {
		return err
	}
	port, network, udp := r.Param("port"), fmt.Sprintf("10.77.%d", r.Rand().IntN(250)), ""
	if r.Variant() == "dtls" {
		udp = "udp-port = " + port + "\n"
	}
	err = errors.Join(cert.Write(server, "vpn"), client.Write("ca.pem", authority.PEM, 0o644), client.Names(map[string]*lab.Host{name: server}),
		client.Write("script", fmt.Sprintf(script, network), 0o755),
		server.Write("ocserv.conf", fmt.Sprintf(conf, server.Dir(), port, udp, r.Param("keepalive"), r.Param("mtu"), network), 0o600))
	if err != nil {
		return err
	}
	password := fmt.Sprintf("oc%08x\n", r.Rand().Uint32())
	if _, err := server.Run(ctx, lab.Command{Args: []string{"ocpasswd", "-c", "passwd", user}, Stdin: strings.NewReader(password + password)}); err != nil {
		return err
	}
	r.Installed(server, "ocserv")
	if _, err := server.Start(ctx, lab.Command{Args: []string{"ocserv", "-f", "-c", "ocserv.conf"}}); err != nil {
		return err
	}
	if err := server.WaitListen(ctx, "tcp", r.ParamInt("port")); err != nil {
		return err
	}
	args := []string{"openconnect", "--protocol=anyconnect", "--cafile=ca.pem", "--user=" + user, "--passwd-on-stdin", "--script=" + client.Dir() + "/script", "--non-inter"}
	ready := "Configured as"
	if r.Variant() == "tls" {
		args = append(args, "--no-dtls")
	} else {
		ready = "Established DTLS connection"
	}
	r.Installed(client, "openconnect")
	p, err := client.Start(ctx, lab.Command{Args: append(args, "https://"+name+":"+port), Stdin: strings.NewReader(password)})
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.VPN, label.Tunnel)
	up := r.Segment(lab.Of(p), label.StateHandshake, "")
	if err := inner.Says(ctx, p, ready); err != nil {
		return err
	}
	if err := inner.Answers(ctx, client, "tun0", network+".1"); err != nil {
		return err
	}
	up()
	carrier := lab.Of(p)
	if r.Variant() == "dtls" {
		carrier = carrier.And(lab.Service(server, "udp", r.ParamInt("port")))
	}
	if err := s.Carry(ctx, r, inner.Direct(network+".1", carrier)); err != nil {
		return err
	}
	p.Stop()
	return nil
}

// Package tinc is a VPN of tinc.
package tinc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario brings a VPN of two hosts up and uses what is behind it.
var Scenario = lab.Scenario{
	Name:       "tinc",
	Doc:        "A VPN of tinc: a TCP connection for what the nodes tell each other, with the packets in UDP or in the same connection. Teaches VPNs of two sessions, and of one that does both.",
	Labels:     []label.Label{label.VPN, label.Tunnel},
	Techniques: []string{"T1572"},
	Twin:       "openvpn-udp",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{{Name: "udp", Needs: inner.Needs("tincd@tinc", "ping")}, {Name: "tcp", Needs: inner.Needs("tincd@tinc", "ping")}},
	Params: append(inner.Params("40", "300", "1500"),
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"655", "655", "443", "4655"}},
		lab.Param{Name: "mode", Doc: "what is inside: packets or frames", Values: []string{"router", "router", "switch"}},
		lab.Param{Name: "cipher", Doc: "of packets", Values: []string{"aes-256-cbc", "aes-128-cbc", "camellia-256-cbc"}},
		lab.Param{Name: "digest", Doc: "of packets", Values: []string{"sha256", "sha1", "sha512"}},
		lab.Param{Name: "mac", Doc: "bytes of the digest that are sent", Values: []string{"4", "16"}},
		lab.Param{Name: "compression", Doc: "0 is none, 1 fast zlib, 10 fast lzo", Values: []string{"0", "0", "1", "10"}},
		lab.Param{Name: "ping", Doc: "seconds of silence until a node asks whether the other lives", Values: []string{"10", "30", "60"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

// pingTimeout is of tinc, in seconds: enough for the slowest network profile.
const pingTimeout = 8

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	s, err := inner.Start(ctx, r, server, false)
	if err != nil {
		return err
	}
	network := fmt.Sprintf("10.55.%d.", r.Rand().IntN(250))
	nodes := map[*lab.Host]string{client: "2", server: "1"}
	ports := map[*lab.Host]int{client: 10000 + r.Rand().IntN(40000), server: r.ParamInt("port")}
	about := make(map[string]string)
	for h, number := range nodes {
		node := fmt.Sprintf("PMTU = 1400\nAddress = %s\nPort = %d\nSubnet = %s%s/32\nCipher = %s\nDigest = %s\nMACLength = %s\nCompression = %s\n",
			h.Addr(), ports[h], network, number, r.Param("cipher"), r.Param("digest"), r.Param("mac"), r.Param("compression"))
		if r.Variant() == "tcp" {
			node += "TCPOnly = yes\n"
		}
		if about[h.Name()], err = prepare(ctx, r, h, node, fmt.Sprintf("ip addr add %s%s/24 dev $INTERFACE; ip link set $INTERFACE up\n", network, number)); err != nil {
			return err
		}
	}
	if err := errors.Join(client.Write("hosts/server", about["server"], 0o644), server.Write("hosts/client", about["client"], 0o644)); err != nil {
		return err
	}
	args := []string{"tincd", "-D", "-d5", "--pidfile=tinc.pid", "-c"}
	if _, err := server.Start(ctx, lab.Command{Args: append(args[:5:5], server.Dir())}); err != nil {
		return err
	}
	if err := server.WaitListen(ctx, "tcp", r.ParamInt("port")); err != nil {
		return err
	}
	p, err := client.Start(ctx, lab.Command{Args: append(args[:5:5], client.Dir(), "-o", "ConnectTo=server")})
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.VPN, label.Tunnel)
	up := r.Segment(lab.Of(p), label.StateHandshake, r.Variant())
	if err := inner.Says(ctx, p, "Connection with server"); err != nil {
		return err
	}
	if err := inner.Answers(ctx, client, "tinc0", network+"1"); err != nil {
		return err
	}
	up()
	carrier := lab.Of(p)
	if r.Variant() == "udp" {
		carrier = carrier.And(lab.Service(server, "udp", r.ParamInt("port")))
		probed := r.Segment(carrier, label.StateExchange, "path MTU probes")
		if err := inner.Says(ctx, p, "Fixing MTU of server"); err != nil {
			return err
		}
		probed()
	}
	if err := s.Carry(ctx, r, inner.Direct(network+"1", carrier)); err != nil {
		return err
	}
	p.Stop()
	return nil
}

// prepare makes a host a node and returns what the other must know of it.
func prepare(ctx context.Context, r *lab.Run, h *lab.Host, node, up string) (string, error) {
	r.Installed(h, "tincd@tinc")
	conf := fmt.Sprintf("Name = %s\nInterface = tinc0\nMode = %s\nPingInterval = %s\nPingTimeout = %d\n", h.Name(), r.Param("mode"), r.Param("ping"), pingTimeout)
	err := errors.Join(h.Write("tinc.conf", conf, 0o644), h.Write("tinc-up", "#!/bin/sh\n"+up, 0o755), h.Write("hosts/"+h.Name(), node, 0o644))
	if err != nil {
		return "", err
	}
	if _, err := h.Run(ctx, lab.Command{Args: []string{"tincd", "-c", h.Dir(), "-K2048"}}); err != nil {
		return "", err
	}
	about, err := h.Read("hosts/" + h.Name())
	return string(about), err
}

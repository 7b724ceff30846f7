// Package ipsecesp is a VPN of IPsec.
package ipsecesp

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario brings up IPsec with IKEv2 and uses what is behind it.
var Scenario = lab.Scenario{
	Name:       "ipsec-esp",
	Doc:        "A VPN of IPsec (IKEv2, ESP in UDP) carries one thing or several. Teaches ESP's sizes under several ciphers, beside the exchanges that keep it.",
	Labels:     []label.Label{label.VPN, label.Tunnel},
	Techniques: []string{"T1572"},
	Twin:       "wireguard",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{{Name: "strongswan-libipsec", Needs: inner.Needs("/usr/lib/ipsec/charon@strongswan-charon", "swanctl",
		"/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so@libcharon-extra-plugins", "/usr/lib/ipsec/plugins/libstrongswan-openssl.so@libstrongswan-standard-plugins")}},
	Params: append(inner.Params("40", "300", "1500"),
		lab.Param{Name: "esp", Doc: "ciphers of ESP", Values: []string{"aes128gcm16", "aes256gcm16", "aes128-sha256", "aes256-sha1", "aes256-sha384"}},
		lab.Param{Name: "ike", Doc: "ciphers of IKE", Values: []string{"aes128-sha256-ecp256", "aes256-sha384-modp2048", "aes256gcm16-prfsha384-ecp384"}},
		lab.Param{Name: "ports", Doc: "of the client: 500 and 4500, or any", Values: []string{"usual", "any"}},
		lab.Param{Name: "dpd", Doc: "seconds of silence until the other side is asked whether it lives", Values: []string{"10s", "30s", "120s"}},
		lab.Param{Name: "rekey", Doc: "time after which ESP gets new keys", Values: []string{"20s", "1h", "8h"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

// conf makes charon do ESP itself, in UDP: not every kernel can.
const conf = `charon {
	load_modular = yes
	install_virtual_ip_on = lo
	%s
	plugins { include /etc/strongswan.d/charon/*.conf
		kernel-libipsec { load = yes } }
	filelog { stderr { default = 1 } }
}
`

//go:embed swanctl.conf
var connection string

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	s, err := inner.Start(ctx, r, server, true)
	if err != nil {
		return err
	}
	network, secret := fmt.Sprintf("10.99.%d.", r.Rand().IntN(250)), fmt.Sprintf("%016x", r.Rand().Uint64())
	service := network + "1"
	// What is behind the server is an address of its own there.
	if _, err := server.Run(ctx, lab.Command{Args: []string{"ip", "addr", "add", service + "/32", "dev", "lo"}}); err != nil {
		return err
	}
	ports := ""
	if r.Param("ports") == "any" {
		ports = "port = 0\n\tport_nat_t = 0"
	}
	describe := func(peers, id, other, selectors, more string) string {
		return fmt.Sprintf(connection, peers, r.Param("ike"), r.Param("dpd"), id, other, selectors, r.Param("rekey"), r.Param("esp"), secret, more)
	}
	const us, them = "laptop-17", "vpn.corp.example"
	_, err = start(ctx, r, server, "", describe("pools = lab", them, us, "local_ts = "+service+"/32", fmt.Sprintf("pools { lab { addrs = %s64/26 } }", network)))
	if err != nil {
		return err
	}
	p, err := start(ctx, r, client, ports, describe("remote_addrs = "+server.Addr().String()+"\n\tvips = 0.0.0.0", us, them, "remote_ts = "+service+"/32", ""))
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.VPN, label.Tunnel)
	up := r.Segment(lab.Of(p), label.StateHandshake, r.Param("ike"))
	if _, err := client.Run(ctx, lab.Command{Args: []string{"swanctl", "--initiate", "--child", "net", "--timeout", "40"}}); err != nil {
		return err
	}
	up()
	if err := s.Carry(ctx, r, inner.Direct(service, lab.Of(p).And(lab.Service(server, "udp", 4500)))); err != nil {
		return err
	}
	_, err = client.Run(ctx, lab.Command{Args: []string{"swanctl", "--terminate", "--ike", "lab", "--timeout", "20"}})
	return err
}

// start starts a host's charon and tells it the connection.
func start(ctx context.Context, r *lab.Run, h *lab.Host, ports, connection string) (*lab.Process, error) {
	r.Installed(h, "/usr/lib/ipsec/charon@strongswan-charon")
	err := errors.Join(h.Write("strongswan.conf", fmt.Sprintf(conf, ports), 0o644), h.Write("swanctl.conf", connection, 0o600))
	if err != nil {
		return nil, err
	}
	p, err := h.Start(ctx, lab.Command{Args: []string{"/usr/lib/ipsec/charon"}, Env: []string{"STRONGSWAN_CONF=" + h.Dir() + "/strongswan.conf"}})
	if err != nil {
		return nil, err
	}
	if err := inner.Says(ctx, p, "spawning 16 worker threads"); err != nil {
		return nil, err
	}
	_, err = h.Run(ctx, lab.Command{Args: []string{"swanctl", "--load-all", "--file", "swanctl.conf"}})
	return p, err
}

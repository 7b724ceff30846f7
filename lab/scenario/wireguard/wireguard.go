// Package wireguard is a VPN of WireGuard.
package wireguard

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
)

// Scenario brings up a WireGuard tunnel and uses what is behind it.
var Scenario = lab.Scenario{
	Name:       "wireguard",
	Doc:        "A VPN of WireGuard carries one thing or several. Teaches its handshakes every two minutes, and inner packets padded to 16 bytes.",
	Labels:     []label.Label{label.VPN, label.Tunnel},
	Techniques: []string{"T1572"},
	Twin:       "openvpn-udp",
	Hosts:      []string{"client", "server"},
	// The kernel's own is the machine's to load, and speaks the same.
	Variants: []lab.Variant{{Name: "go-go", Needs: inner.Needs("wireguard-go", "wg")}},
	Params: append(inner.Params("40", "300", "2000"),
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"51820", "51820", "51820", "443", "53", "4500"}},
		lab.Param{Name: "keepalive", Doc: "seconds between the client's keepalives; 0 is none", Values: []string{"0", "15", "25"}},
		lab.Param{Name: "psk", Doc: "whether a shared key joins the handshake", Values: []string{"no", "yes"}},
		lab.Param{Name: "mtu", Doc: "of the inner device", Values: []string{"1420", "1380", "1280"}},
	),
	Programs: inner.Programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

// script makes a host's device: arguments are its address and that of the other.
const script = `set -e; umask 077; wireguard-go -f wg0 & until ip link show wg0 >/dev/null 2>&1 && test -S /run/wireguard/wg0.sock; do sleep .02; done
wg setconf wg0 wg.conf; ip addr add "$1" peer "$2" dev wg0; ip link set wg0 mtu "$3" up; echo ready; wait`

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	s, err := inner.Start(ctx, r, server, true)
	if err != nil {
		return err
	}
	n := r.Rand().IntN(250)
	addr := map[*lab.Host]string{client: fmt.Sprintf("10.66.%d.%d", n, 2+r.Rand().IntN(200)), server: fmt.Sprintf("10.66.%d.1", n)}
	private, public := make(map[*lab.Host]string), make(map[*lab.Host]string)
	for _, h := range []*lab.Host{client, server} {
		out, err := h.Run(ctx, lab.Command{Args: []string{"sh", "-c", "wg genkey | tee key; wg pubkey <key; wg genpsk"}})
		keys := strings.Fields(string(out))
		if err != nil || len(keys) != 3 {
			return fmt.Errorf("wg made no keys: %q, %w", out, err)
		}
		private[h], public[h] = keys[0], keys[1]
		if r.Param("psk") == "yes" {
			addr[nil] = "PresharedKey = " + keys[2] + "\n"
		}
	}
	start := func(h, other *lab.Host, device, peer string) (*lab.Process, error) {
		r.Installed(h, "wireguard-go")
		conf := fmt.Sprintf("[Interface]\nPrivateKey = %s\n%s[Peer]\nPublicKey = %s\n%sAllowedIPs = %s/32\n%s", private[h], device, public[other], addr[nil], addr[other], peer)
		if err := errors.Join(h.Write("wg.conf", conf, 0o600), h.Write("/run/wireguard/.keep", "", 0o600)); err != nil {
			return nil, err
		}
		p, err := h.Start(ctx, lab.Command{Args: []string{"sh", "-c", script, "sh", addr[h], addr[other], r.Param("mtu")}, Env: []string{"WG_PROCESS_FOREGROUND=1"}})
		if err != nil {
			return nil, err
		}
		return p, inner.Says(ctx, p, "ready\n")
	}
	if _, err := start(server, client, "ListenPort = "+r.Param("port")+"\n", ""); err != nil {
		return err
	}
	p, err := start(client, server, "", fmt.Sprintf("Endpoint = %s:%s\nPersistentKeepalive = %s\n", server.Addr(), r.Param("port"), r.Param("keepalive")))
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.VPN, label.Tunnel)
	up := r.Segment(lab.Of(p), label.StateHandshake, "")
	if _, err := client.Run(ctx, lab.Command{Args: []string{"ping", "-c1", "-W8", addr[server]}}); err != nil {
		return err
	}
	up()
	if err := s.Carry(ctx, r, inner.Direct(addr[server], lab.Of(p))); err != nil {
		return err
	}
	p.Stop()
	return nil
}

package inner

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tyto/lab"
	"tyto/lab/label"
)

// WireGuardParams are the parameters of WireGuard's scenarios beside Params.
func WireGuardParams() []lab.Param {
	return append(Params("40", "300", "2000"),
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"51820", "51820", "51820", "443", "53", "4500"}},
		lab.Param{Name: "keepalive", Doc: "seconds between the client's keepalives; 0 is none", Values: []string{"0", "15", "25"}},
		lab.Param{Name: "psk", Doc: "whether a shared key joins the handshake", Values: []string{"no", "yes"}},
		lab.Param{Name: "mtu", Doc: "of the inner device", Values: []string{"1420", "1380", "1280"}},
	)
}

// wireGuardUp makes a host's device: arguments are its address, that of the
// other, and the MTU. It waits for more than the socket's file, which wg removes
// if nobody listens yet.
const wireGuardUp = `set -e; umask 077; wireguard-go -f wg0 & until ss -xlH | grep -q wireguard/wg0.sock; do sleep .02; done
wg setconf wg0 wg.conf; ip addr add "$1" peer "$2" dev wg0; ip link set wg0 mtu "$3" up; echo ready; wait`

// UpWireGuard brings WireGuard up. The run has WireGuardParams.
func UpWireGuard(ctx context.Context, r *lab.Run) (v VPN, err error) {
	client, server := r.Host("client"), r.Host("server")
	n := r.Rand().IntN(250)
	addr := map[*lab.Host]string{client: fmt.Sprintf("10.66.%d.%d", n, 2+r.Rand().IntN(200)), server: fmt.Sprintf("10.66.%d.1", n)}
	private, public := make(map[*lab.Host]string), make(map[*lab.Host]string)
	for _, h := range []*lab.Host{client, server} {
		out, err := h.Run(ctx, lab.Command{Args: []string{"sh", "-c", "wg genkey | tee key; wg pubkey <key; wg genpsk"}})
		keys := strings.Fields(string(out))
		if err != nil || len(keys) != 3 {
			return v, fmt.Errorf("wg made no keys: %q, %w", out, err)
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
		p, err := h.Start(ctx, lab.Command{Args: []string{"sh", "-c", wireGuardUp, "sh", addr[h], addr[other], r.Param("mtu")}, Env: []string{"WG_PROCESS_FOREGROUND=1"}})
		if err != nil {
			return nil, err
		}
		return p, Says(ctx, p, "ready\n")
	}
	if _, err := start(server, client, "ListenPort = "+r.Param("port")+"\n", ""); err != nil {
		return v, err
	}
	v = VPN{Addr: addr[server]}
	v.Client, err = start(client, server, "", fmt.Sprintf("Endpoint = %s:%s\nPersistentKeepalive = %s\n", server.Addr(), r.Param("port"), r.Param("keepalive")))
	if err != nil {
		return v, err
	}
	r.Label(lab.Of(v.Client), label.VPN, label.Tunnel)
	if err := Answers(ctx, client, "wg0", addr[server]); err != nil {
		return v, err
	}
	r.Span(lab.Of(v.Client), v.Client.Started(), r.Now(), label.StateHandshake, "")
	return v, nil
}

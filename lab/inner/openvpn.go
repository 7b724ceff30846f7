package inner

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/pki"
)

// OpenVPNParams are the parameters of OpenVPN's scenarios beside Params.
func OpenVPNParams(ports ...string) []lab.Param {
	return append(Params("40", "300", "1500"),
		lab.Param{Name: "control", Doc: "how the control channel is protected beside TLS", Values: []string{"none", "tls-auth", "tls-crypt"}},
		lab.Param{Name: "cipher", Doc: "of the data channel", Values: []string{"AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305", "AES-256-CBC"}},
		lab.Param{Name: "port", Doc: "of the server", Values: ports},
		lab.Param{Name: "keepalive", Doc: "seconds between pings, and until the other side is given up", Values: []string{"5 30", "10 60", "10 120", "20 90"}},
		lab.Param{Name: "key", Doc: "of both certificates", Values: []string{"ecdsa", "rsa"}},
	)
}

// OpenVPN brings an OpenVPN tunnel up between the hosts "client" and "server"
// over "udp" or "tcp", carries what the run says, and takes it down.
func OpenVPN(ctx context.Context, r *lab.Run, proto string) error {
	s, err := Start(ctx, r, r.Host("server"), false)
	if err != nil {
		return err
	}
	v, err := UpOpenVPN(ctx, r, proto)
	if err != nil {
		return err
	}
	return v.Carry(ctx, r, s, Direct(v.Addr, lab.Of(v.Client)))
}

// VPN is a network between the hosts "client" and "server" that is up.
type VPN struct {
	Addr   string       // the server's address inside
	Client *lab.Process // whose flows are the outer ones
}

// Carry carries what the run says, and takes the network down.
func (v VPN) Carry(ctx context.Context, r *lab.Run, s *Services, way func(context.Context, string) (Way, error)) error {
	if err := s.Carry(ctx, r, way); err != nil {
		return err
	}
	v.Client.Stop()
	return nil
}

// UpOpenVPN brings OpenVPN up, over "udp" or "tcp". The run has OpenVPNParams.
func UpOpenVPN(ctx context.Context, r *lab.Run, proto string) (v VPN, err error) {
	client, server := r.Host("client"), r.Host("server")
	network := netip.AddrFrom4([4]byte{10, 8, byte(r.Rand().IntN(250)), 0})
	if err := openVPNKeys(ctx, r, client, server); err != nil {
		return v, err
	}
	common := fmt.Sprintf("dev tun\nport %s\nca ca.pem\ncert peer.pem\nkey peer.key\ndata-ciphers %s\nverb 3\npersist-tun\n", r.Param("port"), r.Param("cipher"))
	leave := ""
	if proto == "udp" {
		leave = "explicit-exit-notify 1\n"
	}
	switch r.Param("control") {
	case "tls-auth":
		common += "tls-auth control.key %s\n"
	case "tls-crypt":
		common += "tls-crypt control.key\n"
	}
	direction := func(text, n string) string { return strings.Replace(text, "%s", n, 1) }
	err = errors.Join(
		server.Write("vpn.conf", direction(common, "0")+fmt.Sprintf("proto %s4%s\nserver %s 255.255.255.0\ntopology subnet\ndh none\nkeepalive %s\n",
			proto, map[string]string{"tcp": "-server"}[proto], network, r.Param("keepalive")), 0o600),
		client.Write("vpn.conf", direction(common, "1")+fmt.Sprintf("client\nproto %s4%s\nnobind\nremote %s\nremote-cert-tls server\n%s",
			proto, map[string]string{"tcp": "-client"}[proto], server.Addr(), leave), 0o600))
	if err != nil {
		return v, err
	}
	r.Installed(server, "openvpn")
	if _, err := server.Start(ctx, lab.Command{Args: []string{"openvpn", "--config", "vpn.conf"}}); err != nil {
		return v, err
	}
	if err := server.WaitListen(ctx, proto, r.ParamInt("port")); err != nil {
		return v, err
	}
	r.Installed(client, "openvpn")
	v = VPN{Addr: network.Next().String()}
	v.Client, err = client.Start(ctx, lab.Command{Args: []string{"openvpn", "--config", "vpn.conf"}})
	if err != nil {
		return v, err
	}
	r.Label(lab.Of(v.Client), label.VPN, label.Tunnel)
	up := r.Segment(lab.Of(v.Client), label.StateHandshake, r.Param("control"))
	if err := Says(ctx, v.Client, "Initialization Sequence Completed"); err != nil {
		return v, err
	}
	up()
	return v, nil
}

// openVPNKeys gives both hosts certificates and a key for the control channel.
func openVPNKeys(ctx context.Context, r *lab.Run, client, server *lab.Host) error {
	authority, err := pki.New(r, "VPN Root")
	if err != nil {
		return err
	}
	if _, err := server.Run(ctx, lab.Command{Args: []string{"openvpn", "--genkey", "secret", "control.key"}}); err != nil {
		return err
	}
	control, err := server.Read("control.key")
	if err != nil {
		return err
	}
	for h, name := range map[*lab.Host]string{client: "laptop-17", server: "vpn.corp.example"} {
		cert, err := authority.Issue(r.Param("key"), name)
		if err != nil {
			return err
		}
		err = errors.Join(cert.Write(h, "peer"), h.Write("ca.pem", authority.PEM, 0o644), h.Write("control.key", string(control), 0o600))
		if err != nil {
			return err
		}
	}
	return nil
}

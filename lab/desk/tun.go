package desk

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
	"tyto/lab/sshmore"
)

// tunDir has the files of the tunnel's server and client: the same host may
// have another SSH server behind the tunnel.
const tunDir = "/etc/lab-tun"

const tunConfig = `Port %d
HostKey ` + tunDir + `/key
AuthorizedKeysFile ` + tunDir + `/allowed
PermitRootLogin prohibit-password
PermitTunnel yes
UsePAM no
PidFile none
Compression %s
ClientAliveInterval %s
`

var tunAccepted = regexp.MustCompile(`Accepted publickey for root`)

// SSHTun brings a tunnel of OpenSSH's -w up between the hosts "client" and
// "server", carries what the run says, and takes it down.
func SSHTun(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	s, err := inner.Start(ctx, r, server, false)
	if err != nil {
		return err
	}
	if s.Shell() && r.Param("port") == "22" {
		r.SetParam("port", "2222") // the other is for the shell inside
	}
	daemon, err := startTunServer(ctx, r, client, server)
	if err != nil {
		return err
	}
	// -w means packets unless frames were asked for before it.
	args := []string{"ssh", "-N", "-o", "Tunnel=" + r.Param("layer"), "-w", "0:0", "-i", tunDir + "/id", "-o", "UserKnownHostsFile=" + tunDir + "/known", "-o", "ExitOnForwardFailure=yes",
		"-o", "Compression=" + r.Param("compression"), "-o", "ServerAliveInterval=" + r.Param("alive"), "-p", r.Param("port"), fmt.Sprint("root@", server.Addr())}
	r.Installed(client, "ssh")
	p, err := client.Start(ctx, lab.Command{Args: args})
	if err != nil {
		return err
	}
	sel := lab.Of(p)
	r.Label(sel, label.VPN, label.Tunnel)
	at, err := sshmore.Await(ctx, r, daemon, tunAccepted, 1)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, last(p.Output()))
	}
	r.Span(sel, p.Started(), at, label.StateHandshake, "key")
	device := map[string]string{"point-to-point": "tun0", "ethernet": "tap0"}[r.Param("layer")]
	network := netip.AddrFrom4([4]byte{10, 9, byte(r.Rand().IntN(250)), 1})
	for h, addr := range map[*lab.Host]netip.Addr{server: network, client: network.Next()} {
		const up = `for i in $(seq 400); do ip link show "$1" >/dev/null 2>&1 && break; sleep .05; done; ip addr add "$2" dev "$1" && ip link set "$1" up`
		if _, err := h.Run(ctx, lab.Command{Args: []string{"sh", "-c", up, "sh", device, addr.String() + "/24"}}); err != nil {
			return fmt.Errorf("%w\n%s\n%s", err, last(p.Output()), last(daemon.Output()))
		}
	}
	if err := s.Carry(ctx, r, inner.Direct(network.String(), sel)); err != nil {
		return err
	}
	p.Stop()
	return nil
}

// startTunServer starts the server and makes the client know it, and it the
// client.
func startTunServer(ctx context.Context, r *lab.Run, client, server *lab.Host) (*lab.Process, error) {
	keys := map[*lab.Host]string{server: "key", client: "id"}
	public := make(map[*lab.Host]string)
	for h, name := range keys {
		if _, err := h.Run(ctx, lab.Command{Args: []string{"sh", "-c", `mkdir -p "$1" && ssh-keygen -q -t ed25519 -N '' -C tunnel -f "$1/$2"`, "sh", tunDir, name}}); err != nil {
			return nil, err
		}
		data, err := h.Read(tunDir + "/" + name + ".pub")
		if err != nil {
			return nil, err
		}
		public[h] = string(data)
	}
	f := strings.Fields(public[server])
	known := fmt.Sprintf("[%s]:%s %s %s\n%[1]s %[3]s %[4]s\n", server.Addr(), r.Param("port"), f[0], f[1])
	err := errors.Join(client.Write(tunDir+"/known", known, 0o644), server.Write(tunDir+"/allowed", public[client], 0o600),
		server.Write(tunDir+"/sshd_config", fmt.Sprintf(tunConfig, r.ParamInt("port"), r.Param("compression"), r.Param("alive")), 0o644))
	if err != nil {
		return nil, err
	}
	r.Installed(server, "sshd")
	p, err := server.Start(ctx, lab.Command{Args: []string{"/usr/sbin/sshd", "-D", "-e", "-f", tunDir + "/sshd_config"}})
	if err != nil {
		return nil, err
	}
	return p, server.WaitListen(ctx, "tcp", r.ParamInt("port"))
}

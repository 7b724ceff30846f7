// Package ssh starts the SSH servers and clients of several implementations on
// the hosts of a lab, with users and keys ready.
//
// A scenario names the pair in its variant ("dropbear-openssh" is the client
// dbclient and the server of OpenSSH) and lists Needs of both.
package ssh

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
)

// Server is an SSH server that listens.
type Server struct {
	Process *lab.Process
	Host    *lab.Host
	Kind    string // "openssh", "dropbear", "tinyssh"
	Port    int
	key     string // its public host key, "ssh-ed25519 AAAA…"
}

// Options is how a server is set up. The zero value is OpenSSH on port 22 with
// Debian's defaults.
type Options struct {
	Kind   string   // as in Server; "openssh" if empty
	Port   int      // 22 if 0
	Config []string // more lines of sshd_config, before the others; more arguments of dropbear and tinysshd
}

// Needs are the programs of servers and clients of that kind, for
// lab.Variant.Needs.
func Needs(client, server string) []string {
	clients := map[string][]string{
		"openssh": {"ssh"}, "dropbear": {"dbclient"}, "putty": {"plink", "puttygen"}, "paramiko": {"python3", "py:paramiko"},
	}
	servers := map[string][]string{"openssh": {"sshd"}, "dropbear": {"dropbear"}, "tinyssh": {"tinysshd", "socat"}}
	return append(append([]string{"ssh-keygen"}, clients[client]...), servers[server]...)
}

// Start starts a server and waits until it listens. Users log in by password
// (not with tinyssh) and by the keys that Client.Authorize adds.
func Start(ctx context.Context, r *lab.Run, h *lab.Host, o Options) (*Server, error) {
	s := &Server{Host: h, Kind: o.Kind, Port: o.Port}
	if s.Kind == "" {
		s.Kind = "openssh"
	}
	if s.Port == 0 {
		s.Port = 22
	}
	// Dropbear converts a key in OpenSSH's form.
	const key = "/etc/lab-ssh/host_ed25519"
	if _, err := h.Run(ctx, lab.Command{Args: []string{"mkdir", "-p", "/etc/lab-ssh"}}); err != nil {
		return nil, err
	}
	var err error
	switch s.Kind {
	case "openssh":
		err = s.openssh(ctx, key, o.Config)
	case "dropbear":
		err = s.dropbear(ctx, key, o.Config)
	case "tinyssh":
		err = s.tinyssh(ctx, o.Config)
	default:
		err = fmt.Errorf("there is no SSH server %q", s.Kind)
	}
	if err != nil {
		return nil, err
	}
	program := map[string]string{"openssh": "sshd", "dropbear": "dropbear", "tinyssh": "tinysshd"}[s.Kind]
	r.Installed(h, program)
	return s, h.WaitListen(ctx, "tcp", s.Port)
}

func (s *Server) openssh(ctx context.Context, key string, config []string) error {
	if err := s.keygen(ctx, key); err != nil {
		return err
	}
	lines := append(config, "HostKey "+key, fmt.Sprint("Port ", s.Port), "UsePAM no", "PidFile none", "PrintMotd no",
		"Subsystem sftp /usr/lib/openssh/sftp-server", "MaxStartups 100", "")
	if err := s.Host.Write("/etc/lab-ssh/sshd_config", strings.Join(lines, "\n"), 0o644); err != nil {
		return err
	}
	return s.start(ctx, "/usr/sbin/sshd", "-D", "-e", "-f", "/etc/lab-ssh/sshd_config")
}

func (s *Server) dropbear(ctx context.Context, key string, args []string) error {
	if err := s.keygen(ctx, key); err != nil {
		return err
	}
	own := key + ".dropbear"
	if _, err := s.Host.Run(ctx, lab.Command{Args: []string{"dropbearconvert", "openssh", "dropbear", key, own}}); err != nil {
		return err
	}
	return s.start(ctx, append([]string{"dropbear", "-F", "-E", "-m", "-r", own, "-p", fmt.Sprint(s.Port)}, args...)...)
}

func (s *Server) tinyssh(ctx context.Context, args []string) error {
	const dir = "/etc/lab-ssh/tinyssh"
	if _, err := s.Host.Run(ctx, lab.Command{Args: []string{"tinysshd-makekey", dir}}); err != nil {
		return err
	}
	out, err := s.Host.Run(ctx, lab.Command{Args: []string{"tinysshd-printkey", dir}})
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "ssh-ed25519" {
			s.key = f[0] + " " + f[1]
		}
	}
	// tinysshd speaks on its standard input and output.
	command := strings.Join(append(append([]string{"/usr/sbin/tinysshd"}, args...), "-v", dir), " ")
	return s.start(ctx, "socat", fmt.Sprintf("TCP-LISTEN:%d,fork,reuseaddr,nodelay", s.Port), "EXEC:"+command+",nofork")
}

func (s *Server) keygen(ctx context.Context, key string) error {
	if _, err := s.Host.Run(ctx, lab.Command{Args: []string{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key}}); err != nil {
		return err
	}
	public, err := s.Host.Read(key + ".pub")
	s.key = strings.TrimSpace(string(public))
	return err
}

func (s *Server) start(ctx context.Context, args ...string) (err error) {
	s.Process, err = s.Host.Start(ctx, lab.Command{Args: args})
	return err
}

// Authorize lets whoever has the key of a client log in as a user of the
// server's host.
func (s *Server) Authorize(ctx context.Context, user string, c *Client) error {
	home := "/home/" + user
	if user == "root" {
		home = "/root"
	}
	const add = `mkdir -p "$1/.ssh" && cat >>"$1/.ssh/authorized_keys" && chmod 700 "$1/.ssh" && chmod 600 "$1/.ssh/authorized_keys" && chown -R "$2": "$1/.ssh"`
	_, err := s.Host.Run(ctx, lab.Command{Args: []string{"sh", "-c", add, "sh", home, user}, Stdin: strings.NewReader(c.key + "\n")})
	return err
}

// LoginTime is how long a login may take before it is given up: what the slowest
// pair needs on the worst network profile.
const LoginTime = 20 * time.Second

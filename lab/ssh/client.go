package ssh

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"tyto/lab"
)

// Client is an SSH client on a host, for root there, with a key of its own.
type Client struct {
	Host *lab.Host
	Kind string // "openssh", "dropbear", "putty", "paramiko"
	key  string // public
	pins map[string]string
}

// Paths of the client's private key in the forms that the programs read.
// Dropbear's is not where dbclient looks for it by itself: nothing would keep
// it from using it.
const (
	keyFile         = "/root/.ssh/id_ed25519"
	dropbearKeyFile = "/root/.ssh/key_dropbear"
	puttyKeyFile    = "/root/.ssh/id.ppk"
	paramikoFile    = "/opt/lab-ssh/shell.py"
)

//go:embed shell.py
var paramikoShell string

// NewClient makes a client ready.
func NewClient(ctx context.Context, r *lab.Run, h *lab.Host, kind string) (*Client, error) {
	c := &Client{Host: h, Kind: kind, pins: make(map[string]string)}
	program := map[string]string{"openssh": "ssh", "dropbear": "dbclient", "putty": "plink", "paramiko": "py:paramiko"}[kind]
	if program == "" {
		return nil, fmt.Errorf("there is no SSH client %q", kind)
	}
	script := "mkdir -p -m 700 /root/.ssh && rm -f " + keyFile + " && ssh-keygen -q -t ed25519 -N '' -C root@" + h.Name() + " -f " + keyFile
	switch kind {
	case "dropbear":
		script += " && dropbearconvert openssh dropbear " + keyFile + " " + dropbearKeyFile
	case "putty":
		script += " && puttygen " + keyFile + " -O private -o " + puttyKeyFile
	}
	if _, err := h.Run(ctx, lab.Command{Args: []string{"sh", "-c", script}}); err != nil {
		return nil, err
	}
	public, err := h.Read(keyFile + ".pub")
	if err != nil {
		return nil, err
	}
	c.key = strings.TrimSpace(string(public))
	if kind == "paramiko" {
		if err := h.Write(paramikoFile, paramikoShell, 0o755); err != nil {
			return nil, err
		}
	}
	r.Installed(h, program)
	return c, nil
}

// Trust makes the client know the server's key, so that it does not ask.
func (c *Client) Trust(ctx context.Context, s *Server) error {
	name := s.Host.Addr().String()
	if s.Port != 22 {
		name = fmt.Sprintf("[%s]:%d", name, s.Port)
	}
	_, err := c.Host.Run(ctx, lab.Command{Args: []string{"sh", "-c", "cat >>/root/.ssh/known_hosts"}, Stdin: strings.NewReader(name + " " + s.key + "\n")})
	if err != nil || c.Kind != "putty" {
		return err
	}
	out, err := c.Host.Run(ctx, lab.Command{Args: []string{"ssh-keygen", "-lf", "-"}, Stdin: strings.NewReader(s.key + "\n")})
	if f := strings.Fields(string(out)); err == nil && len(f) > 1 {
		c.pins[name] = f[1]
	}
	return err
}

// Login is one invocation of a client.
type Login struct {
	Server   *Server
	User     string
	Password bool     // the client asks for it on its terminal, and uses no key
	Options  []string // of the program, before the host
	Command  []string // to run there; a shell on a terminal if empty
}

// Args is the command line of a login.
func (c *Client) Args(l Login) []string {
	addr, port := l.Server.Host.Addr().String(), fmt.Sprint(l.Server.Port)
	var args []string
	switch c.Kind {
	case "openssh":
		args = []string{"ssh"}
		if l.Server.Port != 22 {
			args = append(args, "-p", port)
		}
		if l.Password {
			args = append(args, "-o", "PubkeyAuthentication=no")
		}
	case "dropbear":
		args = []string{"dbclient", "-y", "-p", port}
		if !l.Password {
			args = append(args, "-i", dropbearKeyFile)
		}
	case "putty":
		args = []string{"plink", "-ssh", "-P", port, "-hostkey", c.pins[pinName(l.Server)]}
		if l.Password {
			args = append(args, "-no-antispoof")
		} else {
			args = append(args, "-no-antispoof", "-i", puttyKeyFile)
		}
	case "paramiko":
		args = []string{"/usr/bin/python3", paramikoFile, port, keyFile}
	}
	args = append(args, l.Options...)
	return slices.Concat(args, []string{l.User + "@" + addr}, l.Command)
}

func pinName(s *Server) string {
	if s.Port == 22 {
		return s.Host.Addr().String()
	}
	return fmt.Sprintf("[%s]:%d", s.Host.Addr(), s.Port)
}

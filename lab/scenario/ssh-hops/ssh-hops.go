// Package sshhops is a person who logs in from host to host by hand.
package sshhops

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/desk"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
)

// Scenario logs in to the middle host, and from its shell to the server, and
// works there: each key goes through both sessions.
var Scenario = lab.Scenario{
	Name:       "ssh-hops",
	Doc:        "A person logs in to a host and from its prompt to a third, and works there: a stepping stone. Teaches that two sessions carry the same keys, each decrypted in between; ssh-jump has them one inside the other.",
	Labels:     []label.Label{label.Shell},
	Techniques: []string{"T1021.004"},
	Twin:       "ssh-jump",
	Hosts:      []string{"client", "middle", "server"},
	Variants: []lab.Variant{
		variant("openssh", "openssh", "openssh"), variant("openssh", "dropbear", "openssh"), variant("openssh", "openssh", "dropbear"),
		variant("putty", "openssh", "openssh"), variant("dropbear", "dropbear", "dropbear"),
	},
	Params: []lab.Param{
		sshmore.Port, sshmore.Role, sshmore.Terminal,
		{Name: "before", Doc: "commands on the middle host first", Values: []string{"0", "1", "3"}},
		{Name: "commands", Doc: "at least so many on the server", Values: []string{"3", "6", "10"}},
		{Name: "hop", Doc: "how the second login is made", Values: []string{"key", "password"}},
	},
	Limit: 12 * time.Minute,
	Run:   run,
}

func variant(client, middle, server string) lab.Variant {
	needs := append(ssh.Needs(client, middle), ssh.Needs("openssh", server)...)
	return lab.Variant{Name: client + "-" + middle + "-" + server, Needs: append(needs, "ssh-keyscan", "ss")}
}

func run(ctx context.Context, r *lab.Run) error {
	kinds := strings.Split(r.Variant(), "-")
	middle, err := sshmore.NewDesk(ctx, r, r.Host("middle"), ssh.Options{Kind: kinds[1], Port: r.ParamInt("port")})
	if err != nil {
		return err
	}
	server, err := sshmore.NewDesk(ctx, r, r.Host("server"), ssh.Options{Kind: kinds[2]})
	if err != nil {
		return err
	}
	if err := errors.Join(desk.LetOn(ctx, middle, server), middle.Host.Names(map[string]*lab.Host{"db1": server.Host})); err != nil {
		return err
	}
	c, err := sshmore.NewClient(ctx, r, r.Host("client"), kinds[0], middle)
	if err != nil {
		return err
	}
	t, err := c.Host.Terminal(ctx, lab.Command{Args: c.Args(ssh.Login{Server: middle.Server, User: middle.User})}, r.Param("terminal"))
	if err != nil {
		return err
	}
	first, second := lab.Of(t.Process), lab.From(middle.Host).And(lab.Service(server.Host, "tcp", 22))
	r.Label(first, label.Shell)
	r.Label(second, label.Shell)
	handshake := r.Segment(first, label.StateHandshake, "key")
	p := desk.NewPane(r, t, lab.Selector{}) // what both flows carry
	if err := p.Ready(ctx); err != nil {
		return err
	}
	handshake()
	for range r.ParamInt("before") {
		if err := p.Counted(ctx, sshmore.Pick(r.Rand(), "cat /etc/hosts", "ls -l", "who", "id", "uptime")); err != nil {
			return err
		}
	}
	if err := hop(ctx, r, p, server, second); err != nil {
		return err
	}
	script := lab.Script{Role: sshmore.RoleOf(r), Count: r.ParamInt("commands")}
	if err := lab.Shell(ctx, r, t, lab.Selector{}, script); err != nil {
		return err
	}
	if err := p.Command(ctx, "exit", "closed."); err != nil {
		return err
	}
	if accepted, _ := server.Verdicts(); accepted != 1 {
		return fmt.Errorf("the server accepted %d logins, want 1", accepted)
	}
	return lab.Leave(ctx, r, t, lab.Selector{})
}

// hop types the second login.
func hop(ctx context.Context, r *lab.Run, p *desk.Pane, server *sshmore.Desk, second lab.Selector) error {
	prompt := server.User + "@" + server.Host.Name() + ":"
	handshake := r.Segment(second, label.StateHandshake, r.Param("hop")) // from its first packet on
	if r.Param("hop") == "key" {
		if err := p.Command(ctx, "ssh "+server.User+"@db1", prompt); err != nil {
			return err
		}
	} else {
		if err := p.Command(ctx, "ssh -o PubkeyAuthentication=no "+server.User+"@db1", "assword:"); err != nil {
			return err
		}
		if err := p.Secret(ctx, server.Password, prompt); err != nil {
			return err
		}
	}
	handshake()
	_, err := server.Accepted(ctx, r)
	return err
}

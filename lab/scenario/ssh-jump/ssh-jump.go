// Package sshjump is a shell on a host that is reached through another.
package sshjump

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
)

// Scenario works at a prompt of a server that only the middle host can reach:
// the client's session with the middle carries the one with the server.
var Scenario = lab.Scenario{
	Name:       "ssh-jump",
	Doc:        "A person works in a shell through a jump host (ProxyJump): SSH inside SSH. Teaches keystrokes below a second layer, and the hop that follows.",
	Labels:     []label.Label{label.PortForward, label.Shell},
	Techniques: []string{"T1021.004", "T1090.001", "T1572"},
	Twin:       "ssh-reverse-login",
	Hosts:      []string{"client", "middle", "server"},
	Variants: []lab.Variant{
		variant("openssh", "openssh", "openssh"), variant("openssh", "dropbear", "openssh"), variant("openssh", "openssh", "dropbear"),
		variant("openssh", "openssh", "tinyssh"), variant("dropbear", "openssh", "openssh"), variant("dropbear", "dropbear", "dropbear"),
	},
	Params: []lab.Param{
		sshmore.Port, sshmore.Role, sshmore.Terminal,
		{Name: "commands", Doc: "at least so many", Values: []string{"3", "7", "12"}},
	},
	Limit: 10 * time.Minute,
	Run:   run,
}

func variant(client, middle, server string) lab.Variant {
	return lab.Variant{Name: client + "-" + middle + "-" + server, Needs: append(ssh.Needs(client, middle), ssh.Needs(client, server)...)}
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
	c, err := sshmore.NewClient(ctx, r, r.Host("client"), kinds[0], middle, server)
	if err != nil {
		return err
	}
	jump := fmt.Sprintf("%s@%s:%d", middle.User, middle.Host.Addr(), middle.Port)
	args := c.Args(ssh.Login{Server: server.Server, User: server.User, Options: []string{"-J", jump}})
	if kinds[0] == "dropbear" {
		// It starts itself for the first host, by the name that it was started by;
		// the key is for both.
		args = c.Args(ssh.Login{Server: server.Server, User: server.User})
		key := args[len(args)-2]
		args = []string{"/usr/bin/dbclient", "-y", "-y", "-i", key, fmt.Sprintf("%s@%s^%d,%s@%s^22", middle.User, middle.Host.Addr(), middle.Port, server.User, server.Host.Addr())}
	}
	t, err := c.Host.Terminal(ctx, lab.Command{Args: args}, r.Param("terminal"))
	if err != nil {
		return err
	}
	outer := lab.Of(t.Process)
	inner := lab.From(middle.Host).And(lab.Service(server.Host, "tcp", server.Port))
	r.Label(outer, label.PortForward)
	r.Label(inner, label.Shell)
	login := r.Segment(outer, label.StateHandshake, "jump host")
	if _, err := middle.Accepted(ctx, r); err != nil {
		return err
	}
	login()
	within := r.Segment(outer, label.StateTunnel, fmt.Sprintf("handshake, tcp %s:%d", server.Host.Addr(), server.Port))
	handshake := r.Segment(inner, label.StateHandshake, "")
	// There are no other flows than the two, and both carry all that is typed.
	if err := sshmore.Work(ctx, r, t, lab.Selector{}, r.ParamInt("commands"), func() { within(); handshake() }); err != nil {
		return err
	}
	if accepted, _ := server.Verdicts(); accepted != 1 {
		return fmt.Errorf("the server accepted %d logins, want 1", accepted)
	}
	return nil
}

// Package sshagentforward is a hop to a second host by a forwarded agent.
package sshagentforward

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
	"tyto/lab/typist"
)

// Scenario logs in at a middle host with agent forwarding, goes on to a server
// by the agent's key, works on both and comes back.
var Scenario = lab.Scenario{
	Name:       "ssh-agent-forward",
	Doc:        "A person logs in with a forwarded agent and types on to the next host, whose login the agent signs through the first session. Teaches hops with a shell on each, as stolen agents give them.",
	Labels:     []label.Label{label.Shell},
	Techniques: []string{"T1021.004", "T1563.001"},
	Twin:       "ssh-jump",
	Hosts:      []string{"client", "middle", "server"},
	Variants: []lab.Variant{
		variant("openssh", "openssh", "openssh"), variant("openssh", "dropbear", "openssh"), variant("openssh", "openssh", "tinyssh"),
		variant("dropbear", "openssh", "openssh"), variant("dropbear", "dropbear", "dropbear"),
	},
	Params: []lab.Param{
		sshmore.Port, sshmore.Role, sshmore.Terminal,
		{Name: "hop", Doc: "the client that is typed on the middle host", Values: []string{"ssh", "dbclient"}},
		{Name: "before", Doc: "commands on the middle host before the hop, at least", Values: []string{"1", "3"}},
		{Name: "commands", Doc: "on the server, at least", Values: []string{"2", "5", "9"}},
	},
	Limit: 10 * time.Minute,
	Run:   run,
}

func variant(client, middle, server string) lab.Variant {
	needs := append(ssh.Needs(client, middle), ssh.Needs(client, server)...)
	return lab.Variant{Name: client + "-" + middle + "-" + server, Needs: append(needs, "ssh-agent", "ssh-add", "ssh", "dbclient")}
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
	if err := sshmore.Agent(ctx, c.Host, "/root/.ssh/id_ed25519", 0); err != nil {
		return err
	}
	login := lab.Command{
		Args: c.Args(ssh.Login{Server: middle.Server, User: middle.User, Options: []string{"-A"}}),
		Env:  []string{"SSH_AUTH_SOCK=" + sshmore.AgentSocket},
	}
	t, err := c.Host.Terminal(ctx, login, r.Param("terminal"))
	if err != nil {
		return err
	}
	outer := lab.Of(t.Process)
	inner := lab.From(middle.Host).And(lab.Service(server.Host, "tcp", server.Port))
	r.Label(outer, label.Shell)
	r.Label(inner, label.Shell)
	handshake := r.Segment(outer, label.StateHandshake, "key, -A")
	r.Installed(middle.Host, r.Param("hop"))

	// The prompt of the server has its name; what is typed has its address.
	hop := map[string]string{"ssh": "ssh -o StrictHostKeyChecking=accept-new ", "dbclient": "dbclient -y "}[r.Param("hop")]
	commands := sshmore.RoleOf(r).Commands(r.ParamInt("before"), r.Rand())
	commands = append(commands, typist.Command{Text: fmt.Sprintf("%s%s@%s", hop, server.User, server.Host.Addr()), Want: "@server:"})
	commands = append(commands, sshmore.RoleOf(r).Commands(r.ParamInt("commands"), r.Rand())...)
	commands = append(commands, typist.Command{Text: "exit", Want: "@middle:"})
	work := func(ctx context.Context) error {
		// There are no other flows than the two; what is typed before the
		// second begins is not in it.
		return lab.Shell(ctx, r, t, lab.Selector{}, lab.Script{Commands: commands, Ready: handshake})
	}
	watch := func(ctx context.Context) error {
		at, err := server.AcceptedWithin(ctx, r, untilHop)
		r.Span(inner, t.Started(), at, label.StateHandshake, "key of the forwarded agent")
		return err
	}
	if err := lab.Together(ctx, work, watch); err != nil {
		return err
	}
	return lab.Leave(ctx, r, t, outer)
}

// untilHop is the longest until the server accepts the login.
const untilHop = 5 * time.Minute

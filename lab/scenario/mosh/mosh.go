// Package mosh is a person at a prompt by mosh.
package mosh

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

// Scenario starts a mosh server over SSH and works in its shell by datagrams.
var Scenario = lab.Scenario{
	Name:       "mosh",
	Doc:        "A person works in a mosh shell: a command over SSH starts it, then keys and screens are datagrams with heartbeats. Teaches keystrokes without SSH or TCP.",
	Labels:     []label.Label{label.Command, label.Shell},
	Techniques: []string{"T1021.004", "T1059.004"},
	Twin:       "ssh-shell",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{variant("openssh", "openssh"), variant("openssh", "dropbear"), variant("dropbear", "openssh"), variant("dropbear", "dropbear")},
	Params: []lab.Param{
		sshmore.Port, sshmore.Terminal,
		{Name: "commands", Doc: "how many", Values: []string{"3", "7", "12"}},
		{Name: "predict", Doc: "whether the client shows keys before their echo comes", Values: []string{"adaptive", "always", "never"}},
		{Name: "udp", Doc: "port of the mosh server", Values: []string{"60001", "60017", "61234", "51443"}},
	},
	Limit: 10 * time.Minute,
	Run:   run,
}

func variant(client, server string) lab.Variant {
	return sshmore.Variant(client, server, "mosh", "mosh-server@mosh", "ss")
}

func run(ctx context.Context, r *lab.Run) error {
	kind, serverKind, _ := strings.Cut(r.Variant(), "-")
	d, err := sshmore.NewDesk(ctx, r, r.Host("server"), ssh.Options{Kind: serverKind, Port: r.ParamInt("port")})
	if err != nil {
		return err
	}
	c, err := sshmore.NewClient(ctx, r, r.Host("client"), kind, d)
	if err != nil {
		return err
	}
	r.Installed(c.Host, "mosh")
	r.Installed(d.Host, "mosh")
	login := c.Args(ssh.Login{Server: d.Server, User: d.User})
	target := login[len(login)-1]
	args := []string{"mosh", "--ssh=" + strings.Join(login[:len(login)-1], " "), "--predict=" + r.Param("predict"), "--port=" + r.Param("udp"), "--experimental-remote-ip=local", target}
	t, err := c.Host.Terminal(ctx, lab.Command{Args: args, Env: []string{"LC_ALL=C.UTF-8"}}, r.Param("terminal"))
	if err != nil {
		return err
	}
	start := lab.Of(t.Process).And(lab.Service(d.Host, "tcp", d.Port))
	sel := lab.Of(t.Process).And(lab.Service(d.Host, "udp", r.ParamInt("udp")))
	r.Label(start, label.Command)
	r.Label(sel, label.Shell)
	at, err := d.Accepted(ctx, r)
	if err != nil {
		return err
	}
	r.Span(start, t.Started(), at, label.StateHandshake, "key")
	exchange := r.Segment(start, label.StateExchange, "mosh-server")
	if err := d.Host.WaitListen(ctx, "udp", r.ParamInt("udp")); err != nil {
		return err
	}
	if _, err := d.Gone(ctx, r); err != nil {
		return err
	}
	exchange()
	r.Keys(sel, t)
	view, err := sshmore.NewView(t, r.Param("terminal"))
	if err == nil {
		err = view.Shows(ctx, r, "")
	}
	if err != nil {
		return err
	}
	for _, c := range commands(r) {
		if err := command(ctx, r, sel, view, c); err != nil {
			return err
		}
	}
	return lab.Leave(ctx, r, t, sel)
}

// command types a command, after a moment, and waits for its answer.
func command(ctx context.Context, r *lab.Run, sel lab.Selector, v *sshmore.View, c typist.Command) error {
	if err := r.Think(ctx, r.Rand()); err != nil {
		return err
	}
	line := r.Typist().Line(c, typist.Shell{Editing: true}, r.Rand())
	typing := r.Segment(sel, label.StateKeystrokes, c.Text)
	if err := v.Press(ctx, line); err != nil {
		return err
	}
	typing()
	if err := v.Shows(ctx, r, c.Want); err != nil {
		return fmt.Errorf("command %q: %w", c.Text, err)
	}
	r.Span(sel, v.First, v.Last, label.StateOutput, c.Text)
	return nil
}

// commands end with a number that was not on the screen before.
func commands(r *lab.Run) (all []typist.Command) {
	files := []string{"README.md", "notes.txt", "src/report.sh", "src/parse.sh", "logs/service.log", "data/requests.csv"}
	for range r.ParamInt("commands") {
		file, a, b := sshmore.Pick(r.Rand(), files...), 100+r.Rand().IntN(900), 1000+r.Rand().IntN(9000)
		text := sshmore.Pick(r.Rand(), "tail -%[2]d "+file, "ls -l "+file, "head -c 300 "+file, "wc "+file, "uptime", "ps", "df /", "grep -n e "+file+" | tail -%[2]d", "date", "id")
		text = fmt.Sprintf(strings.Replace(text, "%[2]d", fmt.Sprint(2+r.Rand().IntN(8)), 1)+"; echo $((%d*%d))", a, b)
		all = append(all, typist.Command{Text: text, Want: fmt.Sprint(a * b)})
	}
	return all
}

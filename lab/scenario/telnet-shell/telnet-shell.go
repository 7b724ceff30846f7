// Package telnetshell is a person at a prompt by telnet.
package telnetshell

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/desk"
	"tyto/lab/label"
	"tyto/lab/sshmore"
)

// Scenario logs in by telnet, works at the prompt and logs out.
var Scenario = lab.Scenario{
	Name:       "telnet-shell",
	Doc:        "A person logs in by telnet and works at the prompt: keys and echoes in the clear. Teaches keystrokes without the frames of SSH.",
	Labels:     []label.Label{label.Shell},
	Techniques: []string{"T1021", "T1059.004"},
	Twin:       "ssh-shell",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{variant("telnet", "inetutils"), variant("busybox", "inetutils"), variant("telnet", "go"), variant("busybox", "go")},
	Params: []lab.Param{
		sshmore.Role, sshmore.Terminal,
		{Name: "port", Doc: "of the server", Values: []string{"23", "23", "2323", "8023"}},
		{Name: "commands", Doc: "at least so many", Values: []string{"4", "8", "14"}},
	},
	Programs: map[string]func(context.Context, []string) error{"telnet-server": desk.TelnetServer},
	Limit:    12 * time.Minute,
	Run:      run,
}

var clients = map[string][]string{"telnet": {"telnet"}, "busybox": {"busybox", "telnet"}}

func variant(client, server string) lab.Variant {
	needs := []string{map[string]string{"telnet": "telnet@inetutils-telnet", "busybox": "busybox"}[client], "login", "ss", "ps"}
	if server == "inetutils" {
		needs = append(needs, "telnetd@inetutils-telnetd", "socat")
	}
	return lab.Variant{Name: client + "-" + server, Needs: needs}
}

func run(ctx context.Context, r *lab.Run) error {
	client, kind, _ := strings.Cut(r.Variant(), "-")
	server, port := r.Host("server"), r.Param("port")
	user, password := sshmore.Pick(r.Rand(), "mortiz", "deploy", "ops", "wei"), sshmore.Password(r.Rand())
	if err := desk.Home(ctx, server, user, password); err != nil {
		return err
	}
	if err := desk.StartTelnet(ctx, r, server, kind, r.ParamInt("port")); err != nil {
		return err
	}
	r.Installed(r.Host("client"), map[string]string{"telnet": "telnet@inetutils-telnet", "busybox": "busybox"}[client])
	t, err := r.Host("client").Terminal(ctx, lab.Command{Args: append(clients[client], fmt.Sprint(server.Addr()), port)}, r.Param("terminal"))
	if err != nil {
		return err
	}
	sel := lab.Of(t.Process)
	r.Label(sel, label.Shell)
	for _, ask := range []struct{ question, answer string }{{`ogin: ?$`, user}, {`assword: ?$`, password}} {
		if _, err := t.Expect(ctx, regexp.MustCompile(ask.question)); err != nil {
			return err
		}
		if err := t.Type(ctx, r.Typist(), ask.answer+"\n"); err != nil {
			return err
		}
	}
	return sshmore.Work(ctx, r, t, sel, r.ParamInt("commands"), func() {
		r.Span(sel, t.Started(), r.Now(), label.StateHandshake, "password")
	})
}

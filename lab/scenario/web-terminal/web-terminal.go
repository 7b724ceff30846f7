// Package webterminal is somebody who works at a prompt in a web page.
package webterminal

import (
	"context"
	"errors"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/typist"
	"tyto/lab/webapp"
)

// Scenario is a shell in a WebSocket, in the way of ttyd: a byte before the
// data tells what a message is.
var Scenario = lab.Scenario{
	Name:       "web-terminal",
	Doc:        "A person works in a shell that a web page shows: keys and output are WebSocket messages over TLS. The benign twin of a reverse shell over WebSocket.",
	Labels:     []label.Label{label.Shell},
	Techniques: []string{"T1059.004"},
	Twin:       "revshell-websocket",
	Hosts:      []string{"client", "server"},
	Variants:   webapp.Variants("go", "websockets"),
	Params: []lab.Param{
		{Name: "role", Doc: "who works there", Values: []string{"developer", "administrator", "analyst"}},
		{Name: "commands", Doc: "at least so many", Values: []string{"4", "8", "14"}},
		{Name: "screen", Doc: "full-screen program used in between", Values: []string{"none", "none", "vim", "nano", "less", "top"}},
		{Name: "terminal", Doc: "columns and rows", Values: []string{"80x24", "100x30", "132x43", "211x55"}},
		{Name: "ping", Doc: "time between the server's pings", Values: []string{"5s", "30s", "1h"}},
		{Name: "port", Doc: "of the server", Values: []string{"443", "443", "7681", "8443"}},
	},
	Limit:    12 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": webapp.ServeShells, "client": webapp.WebTerminal},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	kind, front, _ := strings.Cut(r.Variant(), "-")
	role, err := typist.ParseRole(r.Param("role"))
	if err != nil {
		return err
	}
	s, err := webapp.Start(ctx, r, server, webapp.Options{
		Kind: front, Name: "console.corp.example", Port: r.ParamInt("port"), Program: "server", Clients: []*lab.Host{client}, Args: []string{r.Param("ping")},
	})
	if err != nil {
		return err
	}
	command, err := webapp.Client(r, client, kind, webapp.TerminalPython)
	if err := errors.Join(err, server.WriteFiles("/root", role.Files())); err != nil {
		return err
	}
	command.Args = append(command.Args, "wss://"+s.Authority()+"/ws")
	t, err := client.Terminal(ctx, command, r.Param("terminal"))
	if err != nil {
		return err
	}
	sel := lab.Of(t.Process)
	r.Label(sel, label.Shell)
	script := lab.Script{Role: role, Count: r.ParamInt("commands"), Ready: r.Segment(sel, label.StateHandshake, "WebSocket")}
	for _, s := range typist.Screens(r.Rand()) {
		if s.Name == r.Param("screen") {
			script.Screens = append(script.Screens, s)
		}
	}
	if err := lab.Shell(ctx, r, t, sel, script); err != nil {
		return err
	}
	return lab.Leave(ctx, r, t, sel)
}

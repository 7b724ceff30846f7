// Package sshshell is somebody who works at the prompt of another host.
package sshshell

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/typist"
)

// Scenario logs in, works with think time between commands and perhaps a
// full-screen program, and logs out.
var Scenario = lab.Scenario{
	Name:       "ssh-shell",
	Doc:        "A person works in an interactive SSH shell. Teaches keystrokes and output without and with a line editor's redraws.",
	Labels:     []label.Label{label.Shell},
	Techniques: []string{"T1021.004", "T1059.004"},
	Twin:       "ssh-exec",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		variant("openssh", "openssh"), variant("openssh", "dropbear"), variant("openssh", "tinyssh"),
		variant("dropbear", "openssh"), variant("dropbear", "dropbear"), variant("putty", "openssh"), variant("paramiko", "openssh"),
	},
	Params: []lab.Param{
		{Name: "role", Doc: "who works there", Values: []string{"developer", "administrator", "analyst", "intruder"}},
		{Name: "auth", Doc: "how they log in; always by key where the implementation knows nothing else", Values: []string{"key", "password"}},
		{Name: "port", Doc: "of the server", Values: []string{"22", "22", "2222", "443", "8022"}},
		{Name: "commands", Doc: "at least so many", Values: []string{"4", "8", "14"}},
		{Name: "screen", Doc: "full-screen program used in between", Values: []string{"none", "none", "vim", "nano", "less", "top"}},
		{Name: "terminal", Doc: "columns and rows", Values: []string{"80x24", "100x30", "132x43", "211x55"}},
	},
	Limit: 12 * time.Minute,
	Run:   run,
}

func variant(client, server string) lab.Variant {
	return lab.Variant{Name: client + "-" + server, Needs: append(ssh.Needs(client, server), "vi", "nano", "less", "top", "ss")}
}

func run(ctx context.Context, r *lab.Run) error {
	server, user := r.Host("server"), "mortiz"
	password := "pw-" + fmt.Sprint(100000+r.Rand().IntN(900000))
	clientKind, serverKind, _ := strings.Cut(r.Variant(), "-")
	if clientKind == "paramiko" || serverKind == "tinyssh" {
		r.SetParam("auth", "key")
	}
	if err := server.AddUser(ctx, user, password); err != nil {
		return err
	}
	if err := server.WriteFiles("/home/"+user, typist.Developer.Files()); err != nil {
		return err
	}
	if _, err := server.Run(ctx, lab.Command{Args: []string{"chown", "-R", user + ":", "/home/" + user}}); err != nil {
		return err
	}
	s, err := ssh.Start(ctx, r, server, ssh.Options{Kind: serverKind, Port: r.ParamInt("port")})
	if err != nil {
		return err
	}
	c, err := ssh.NewClient(ctx, r, r.Host("client"), clientKind)
	if err != nil {
		return err
	}
	if err := c.Trust(ctx, s); err != nil {
		return err
	}
	if err := s.Authorize(ctx, user, c); err != nil {
		return err
	}
	byPassword := r.Param("auth") == "password"
	t, err := c.Host.Terminal(ctx, lab.Command{Args: c.Args(ssh.Login{Server: s, User: user, Password: byPassword})}, r.Param("terminal"))
	if err != nil {
		return err
	}
	r.Label(lab.Of(t.Process), label.Shell)
	if byPassword {
		if _, err := t.Expect(ctx, regexp.MustCompile(`assword: ?$`)); err != nil {
			return err
		}
		if err := t.Type(ctx, r.Typist(), password+"\n"); err != nil {
			return err
		}
	}
	role, err := typist.ParseRole(r.Param("role"))
	if err != nil {
		return err
	}
	script := lab.Script{Role: role, Count: r.ParamInt("commands"), Ready: func() {
		r.Span(lab.Of(t.Process), t.Started(), r.Now(), label.StateHandshake, r.Param("auth"))
	}}
	for _, s := range typist.Screens(r.Rand()) {
		if s.Name == r.Param("screen") {
			script.Screens = append(script.Screens, s)
		}
	}
	if err := lab.Shell(ctx, r, t, lab.Of(t.Process), script); err != nil {
		return err
	}
	return lab.Leave(ctx, r, t, lab.Of(t.Process))
}

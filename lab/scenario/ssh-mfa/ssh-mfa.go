// Package sshmfa is a shell after a login with a second factor.
package sshmfa

import (
	"context"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/desk"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
)

// Scenario logs in with a key or password and a code from somewhere else, and
// works at the prompt.
var Scenario = lab.Scenario{
	Name:       "ssh-mfa",
	Doc:        "A person logs in with a key or password and a one-time code, perhaps a wrong one first, and works in the shell. Teaches a handshake in which a person looks something up and types.",
	Labels:     []label.Label{label.Shell},
	Techniques: []string{"T1021.004", "T1078"},
	Twin:       "ssh-wrong-password",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		sshmore.Variant("openssh", "openssh", "oathtool", "/usr/lib/x86_64-linux-gnu/security/pam_oath.so@libpam-oath"),
		sshmore.Variant("dropbear", "openssh", "oathtool", "/usr/lib/x86_64-linux-gnu/security/pam_oath.so@libpam-oath"),
		sshmore.Variant("putty", "openssh", "oathtool", "/usr/lib/x86_64-linux-gnu/security/pam_oath.so@libpam-oath"),
		{Name: "openssh-go", Needs: append(ssh.Needs("openssh", ""), "setpriv@util-linux", "ss", "ps")},
		{Name: "dropbear-go", Needs: append(ssh.Needs("dropbear", ""), "setpriv@util-linux", "ss", "ps")},
	},
	Params: []lab.Param{
		sshmore.Port, sshmore.Role, sshmore.Terminal,
		{Name: "auth", Doc: "what comes before the code", Values: []string{"key", "password"}},
		{Name: "mistake", Doc: "a wrong code first", Values: []string{"no", "no", "yes"}},
		{Name: "commands", Doc: "at least so many", Values: []string{"2", "4", "8"}},
	},
	Programs: desk.SSHPrograms(),
	Limit:    10 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	kind, serverKind, _ := strings.Cut(r.Variant(), "-")
	c, err := ssh.NewClient(ctx, r, r.Host("client"), kind)
	if err != nil {
		return err
	}
	f, err := desk.NewTwoFactor(ctx, r, serverKind)
	if err != nil {
		return err
	}
	args, err := f.Args(ctx, c)
	if err != nil {
		return err
	}
	t, err := c.Host.Terminal(ctx, lab.Command{Args: args}, r.Param("terminal"))
	if err != nil {
		return err
	}
	sel := lab.Of(t.Process)
	r.Label(sel, label.Shell)
	if err := f.Login(ctx, r, t, r.Param("mistake") == "yes"); err != nil {
		return err
	}
	return sshmore.Work(ctx, r, t, sel, r.ParamInt("commands"), func() {
		r.Span(sel, t.Started(), r.Now(), label.StateHandshake, r.Param("auth")+" and a code")
	})
}

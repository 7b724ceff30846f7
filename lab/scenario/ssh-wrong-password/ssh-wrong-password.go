// Package sshwrongpassword is a person who mistypes an SSH password.
package sshwrongpassword

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
)

// Scenario types wrong passwords and then gives up, is shown the door, or gets
// it right and works.
var Scenario = lab.Scenario{
	Name:       "ssh-wrong-password",
	Doc:        "A person types an SSH password wrong once or more, and gives up or gets it right. Teaches refused logins apart from short sessions and from guessing by programs.",
	Labels:     []label.Label{label.LoginFailed, label.Shell},
	Techniques: []string{"T1110.001", "T1021.004"},
	Twin:       "ssh-bruteforce",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		sshmore.Variant("openssh", "openssh"), sshmore.Variant("openssh", "dropbear"), sshmore.Variant("dropbear", "openssh"),
		sshmore.Variant("dropbear", "dropbear"), sshmore.Variant("putty", "openssh"), sshmore.Variant("putty", "dropbear"),
	},
	Params: []lab.Param{
		sshmore.Port, sshmore.Role, sshmore.Terminal,
		{Name: "wrong", Doc: "passwords in a connection", Values: []string{"1", "1", "2", "3"}},
		{Name: "then", Doc: "what the person does; three wrong ones are all that OpenSSH's client lets them try", Values: []string{"give-up", "succeed"}},
		{Name: "connections", Doc: "one after the other; only the last one may succeed", Values: []string{"1", "1", "2", "3"}},
		{Name: "commands", Doc: "at least so many after a success", Values: []string{"1", "3", "6"}},
	},
	Limit: 8 * time.Minute,
	Run:   run,
}

func run(ctx context.Context, r *lab.Run) error {
	kind, serverKind, _ := strings.Cut(r.Variant(), "-")
	wrong, connections := r.ParamInt("wrong"), r.ParamInt("connections")
	if kind == "openssh" && wrong == 3 {
		r.SetParam("then", "give-up")
	}
	d, err := sshmore.NewDesk(ctx, r, r.Host("server"), ssh.Options{Kind: serverKind, Port: r.ParamInt("port")})
	if err != nil {
		return err
	}
	c, err := sshmore.NewClient(ctx, r, r.Host("client"), kind, d)
	if err != nil {
		return err
	}
	for i := range connections {
		if i > 0 {
			if err := r.Think(ctx, r.Rand()); err != nil {
				return err
			}
		}
		t, err := c.Host.Terminal(ctx, lab.Command{Args: c.Args(ssh.Login{Server: d.Server, User: d.User, Password: true})}, r.Param("terminal"))
		if err != nil {
			return err
		}
		handshake := r.Segment(lab.Of(t.Process), label.StateHandshake, fmt.Sprintf("%d passwords refused", wrong))
		for n := range wrong {
			if err := sshmore.TypePassword(ctx, r, t, mistype(d.Password, r.Rand())); err != nil {
				return err
			}
			if err := d.Refused(ctx, r, wrong*i+n+1); err != nil {
				return err
			}
		}
		if i == connections-1 && r.Param("then") == "succeed" {
			r.Label(lab.Of(t.Process), label.Shell)
			if err := sshmore.TypePassword(ctx, r, t, d.Password); err != nil {
				return err
			}
			return sshmore.Work(ctx, r, t, lab.Of(t.Process), r.ParamInt("commands"), handshake)
		}
		r.Label(lab.Of(t.Process), label.LoginFailed)
		if err := leave(ctx, r, t, kind); err != nil {
			return err
		}
		handshake()
	}
	if accepted, refused := d.Verdicts(); accepted > 0 || refused != connections*wrong {
		return fmt.Errorf("the server accepted %d logins and refused %d passwords, want 0 and %d", accepted, refused, connections*wrong)
	}
	return nil
}

// leave ends a client that asks for yet another password; OpenSSH's does not
// after three.
func leave(ctx context.Context, r *lab.Run, t *lab.Terminal, kind string) error {
	if kind != "openssh" || r.ParamInt("wrong") < 3 {
		if err := sshmore.AwaitPassword(ctx, t); err != nil {
			return err
		}
		keys := []string{"\x03"}
		if kind == "dropbear" {
			keys = append(keys, "\r") // it looks at what was typed
		}
		if err := t.Press(ctx, r.Typist().Press(keys, r.Rand())); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, ssh.LoginTime)
	defer cancel()
	if err := t.Wait(ctx); lab.Status(err) < 0 {
		return fmt.Errorf("a client that was refused goes on: %w", err)
	}
	return nil
}

// mistype returns a password like the right one, or another one of theirs.
func mistype(password string, rng *rand.Rand) string {
	i := rng.IntN(len(password))
	switch rng.IntN(3) {
	case 0:
		return password[:i] + password[i+1:]
	case 1:
		return password[:i] + string(rune('a'+rng.IntN(26))) + password[i:]
	}
	return "other-" + sshmore.Password(rng)
}

package desk

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"tyto/lab"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
)

// oathPAM asks for the password, unless there was a key, and for a code.
const oathPAM = "%sauth required pam_oath.so usersfile=/etc/lab-users.oath window=20 digits=6\naccount required pam_permit.so\nsession required pam_permit.so\n"

// TwoFactor is a server that asks for a code beside a key or password.
type TwoFactor struct {
	*sshmore.Desk
	secret string // of the codes, if they go with time
	code   string // else
	Key    bool   // a key comes first, else the password
}

// NewTwoFactor starts a server on the host "server": of kind "openssh", with
// codes that go with time (PAM), or "go".
func NewTwoFactor(ctx context.Context, r *lab.Run, kind string) (*TwoFactor, error) {
	f := &TwoFactor{Key: r.Param("auth") == "key", code: Digits(6, r.Rand())}
	h := r.Host("server")
	if kind == "go" {
		d, err := SSHDesk(ctx, r, h, kind, r.ParamInt("port"), f.code)
		f.Desk = d
		return f, err
	}
	methods, password := "keyboard-interactive", "auth requisite pam_unix.so\n"
	if f.Key {
		methods, password = "publickey,keyboard-interactive", ""
	}
	if err := h.Write("/etc/pam.d/sshd", fmt.Sprintf(oathPAM, password), 0o644); err != nil {
		return nil, err
	}
	d, err := sshmore.NewDesk(ctx, r, h, ssh.Options{Port: r.ParamInt("port"), Config: []string{"UsePAM yes", "PasswordAuthentication no", "AuthenticationMethods " + methods}})
	if err != nil {
		return nil, err
	}
	f.Desk = d
	for range 40 {
		f.secret += fmt.Sprintf("%x", r.Rand().IntN(16))
	}
	return f, h.Write("/etc/lab-users.oath", fmt.Sprintf("HOTP/T30/6 %s - %s\n", d.User, f.secret), 0o600)
}

// Code is what the person's telephone shows.
func (f *TwoFactor) Code(ctx context.Context) (string, error) {
	if f.secret == "" {
		return f.code, nil
	}
	out, err := f.Host.Run(ctx, lab.Command{Args: []string{"oathtool", "--totp", f.secret}})
	return strings.TrimSpace(string(out)), err
}

// Args is the command line of a client that knows the server and may log in.
func (f *TwoFactor) Args(ctx context.Context, c *ssh.Client) ([]string, error) {
	l := ssh.Login{Server: f.Server, User: f.User, Password: !f.Key}
	if f.secret != "" {
		err := errors.Join(c.Trust(ctx, f.Server), f.Authorize(ctx, f.User, c))
		return c.Args(l), err
	}
	key, err := f.Host.Read(hostKeyFile + ".pub")
	if err != nil {
		return nil, err
	}
	known := fmt.Sprintf("[%s]:%d %s%[1]s %[3]s", f.Host.Addr(), f.Port, key)
	return c.Args(l), c.Host.Write("/root/.ssh/known_hosts", known, 0o644)
}

var (
	asksPassword = regexp.MustCompile(`[Pp]assword: ?$`)
	asksCode     = regexp.MustCompile(`(': ?|code: ?)$`)
)

// Login answers at the terminal of a client: the password if there is no key,
// then the code, which takes a while to find and may be wrong at first.
func (f *TwoFactor) Login(ctx context.Context, r *lab.Run, t *lab.Terminal, mistake bool) error {
	if mistake {
		if err := f.try(ctx, r, t, func() (string, error) { return Digits(6, r.Rand()), nil }); err != nil {
			return err
		}
	}
	return f.try(ctx, r, t, func() (string, error) { return f.Code(ctx) })
}

func (f *TwoFactor) try(ctx context.Context, r *lab.Run, t *lab.Terminal, code func() (string, error)) error {
	if !f.Key {
		if _, err := t.Expect(ctx, asksPassword); err != nil {
			return err
		}
		if err := errors.Join(r.Think(ctx, r.Rand()), t.Type(ctx, r.Typist(), f.Password+"\n")); err != nil {
			return err
		}
	}
	if _, err := t.Expect(ctx, asksCode); err != nil {
		return err
	}
	if err := r.Sleep(ctx, Pause(5, r.Rand())); err != nil {
		return err
	}
	text, err := code()
	if err != nil {
		return err
	}
	return t.Type(ctx, r.Typist(), text+"\n")
}

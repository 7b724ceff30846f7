package sshmore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tyto/lab"
	"tyto/lab/ssh"
)

// Method is a way to log in at a desk from the host "client".
type Method struct {
	Name    string
	Desk    *Desk
	Args    []string // of the client
	Env     []string
	Secrets []string // that it asks for, in order
}

// AgentSocket is where clients find the agent, in SSH_AUTH_SOCK.
const AgentSocket = keysDir + "/agent"

const (
	keysDir = "/root/.ssh"
	// pam is the way of sshd to ask for passwords that needs nothing of the
	// machine.
	pam = "auth required pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so\n"
)

// NewMethod starts the server on the host "server" and makes both sides ready
// for a method: "ed25519", "rsa" and "ecdsa" keys, a key with "passphrase", an
// "agent" that offers some others first, a "certificate", "questions"
// (keyboard-interactive) or "two-factor" (a key, then questions).
func NewMethod(ctx context.Context, r *lab.Run, kind, serverKind, name string, others, port int) (*Method, error) {
	o := ssh.Options{Kind: serverKind, Port: port}
	switch name {
	case "certificate":
		o.Config = []string{"TrustedUserCAKeys /etc/ssh/authority.pub"}
	case "questions":
		o.Config = []string{"UsePAM yes", "PasswordAuthentication no", "AuthenticationMethods keyboard-interactive"}
	case "two-factor":
		o.Config = []string{"UsePAM yes", "PasswordAuthentication no", "AuthenticationMethods publickey,keyboard-interactive"}
	}
	server, h := r.Host("server"), r.Host("client")
	if err := server.Write("/etc/pam.d/sshd", pam, 0o644); err != nil {
		return nil, err
	}
	d, err := NewDesk(ctx, r, server, o)
	if err != nil {
		return nil, err
	}
	c, err := NewClient(ctx, r, h, kind, d)
	if err != nil {
		return nil, err
	}
	m := &Method{Name: name, Desk: d}
	l := ssh.Login{Server: d.Server, User: d.User}
	key := keysDir + "/of-method"
	passphrase := ""
	switch name {
	case "questions":
		m.Secrets = []string{d.Password}
		l.Password = kind == "putty" // it has no other key then
	case "two-factor":
		m.Secrets = []string{d.Password}
	case "passphrase":
		passphrase = Password(r.Rand())
		m.Secrets = []string{passphrase}
	}
	if name == "questions" || name == "two-factor" || kind == "putty" {
		m.Args = c.Args(l)
		return m, nil
	}
	public, err := newKey(ctx, h, key, name, passphrase)
	if err != nil {
		return nil, err
	}
	l.Options = []string{"-i", key, "-o", "IdentitiesOnly=yes"}
	switch {
	case kind == "dropbear":
		_, err = h.Run(ctx, lab.Command{Args: []string{"dropbearconvert", "openssh", "dropbear", key, key + ".dropbear"}})
		l.Password = true // not the client's usual key
		l.Options = []string{"-i", key + ".dropbear"}
	case name == "certificate":
		err = sign(ctx, h, d, key)
		public = ""
	case name == "agent":
		err = Agent(ctx, h, key, others)
		m.Env = []string{"SSH_AUTH_SOCK=" + AgentSocket}
		l.Options = nil
	}
	m.Args = c.Args(l)
	return m, errors.Join(err, d.Allow(ctx, public))
}

// newKey makes a key pair and returns the public key.
func newKey(ctx context.Context, h *lab.Host, file, kind, passphrase string) (string, error) {
	if kind != "rsa" && kind != "ecdsa" {
		kind = "ed25519"
	}
	if _, err := h.Run(ctx, lab.Command{Args: []string{"ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "key", "-f", file}}); err != nil {
		return "", err
	}
	public, err := h.Read(file + ".pub")
	return string(public), err
}

// sign makes a certificate for a key, by an authority that the server trusts.
func sign(ctx context.Context, h *lab.Host, d *Desk, key string) error {
	authority := keysDir + "/authority"
	public, err := newKey(ctx, h, authority, "", "")
	if err != nil {
		return err
	}
	if _, err := h.Run(ctx, lab.Command{Args: []string{"ssh-keygen", "-q", "-s", authority, "-I", "person", "-n", d.User, key + ".pub"}}); err != nil {
		return err
	}
	return d.Host.Write("/etc/ssh/authority.pub", public, 0o644)
}

// Agent starts an agent at AgentSocket that offers other keys before a key,
// which is in it only afterwards.
func Agent(ctx context.Context, h *lab.Host, key string, others int) error {
	if _, err := h.Start(ctx, lab.Command{Args: []string{"ssh-agent", "-D", "-a", AgentSocket}}); err != nil {
		return err
	}
	if err := WaitFile(ctx, h, AgentSocket); err != nil {
		return err
	}
	var keys []string
	for i := range others {
		keys = append(keys, fmt.Sprintf("%s/other%d", keysDir, i))
		if _, err := newKey(ctx, h, keys[i], []string{"rsa", "ecdsa", "ed25519"}[i%3], ""); err != nil {
			return err
		}
	}
	keys = append(keys, key)
	_, err := h.Run(ctx, lab.Command{
		Args: []string{"sh", "-c", "ssh-add -q " + strings.Join(keys, " ") + " && rm -f " + strings.Join(keys, " ") + " " + keysDir + "/id_*"},
		Env:  []string{"SSH_AUTH_SOCK=" + AgentSocket},
	})
	return err
}

package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
	"tyto/lab/typist"
)

// SSHPrograms are for lab.Scenario.Programs.
func SSHPrograms() map[string]func(context.Context, []string) error {
	return map[string]func(context.Context, []string) error{"ssh-client": SSHClient, "ssh-server": SSHServer}
}

const (
	hostKeyFile = "/etc/lab-ssh/host_ed25519" // of package ssh's servers, too
	keyFile     = "/root/.ssh/id_ed25519"
)

// serverBanners are of releases that answer chaff.
var serverBanners = []string{
	"SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.5", "SSH-2.0-OpenSSH_9.9p1", "SSH-2.0-OpenSSH_10.0p2 Debian-7", "SSH-2.0-OpenSSH_9.6",
}

// SSHDesk starts an SSH server on a host, with a user: one of package ssh, or
// SSHServer if kind is "go". second is what that asks for after the password or
// key, if not empty.
func SSHDesk(ctx context.Context, r *lab.Run, h *lab.Host, kind string, port int, second string) (*sshmore.Desk, error) {
	if kind != "go" {
		return sshmore.NewDesk(ctx, r, h, ssh.Options{Kind: kind, Port: port})
	}
	d := &sshmore.Desk{
		Server: &ssh.Server{Host: h, Kind: "openssh", Port: port}, // it writes what OpenSSH's does
		User:   sshmore.Pick(r.Rand(), "mortiz", "deploy", "ops", "jlarsen", "ahmed.k", "wei"), Password: sshmore.Password(r.Rand()),
	}
	if err := Home(ctx, h, d.User, d.Password); err != nil {
		return nil, err
	}
	if _, err := h.Run(ctx, lab.Command{Args: []string{"sh", "-c", "mkdir -p /etc/lab-ssh && ssh-keygen -q -t ed25519 -N '' -C '' -f " + hostKeyFile}}); err != nil {
		return nil, err
	}
	s := SSHService{Port: port, Banner: sshmore.Pick(r.Rand(), serverBanners...), HostKey: hostKeyFile, User: d.User, Second: second, Ask: "Verification code: "}
	if r.Param("auth") == "password" {
		s.Password = d.Password
	} else {
		public, err := r.Host("client").Read(keyFile + ".pub")
		if err != nil {
			return nil, err
		}
		s.Allowed = string(public)
	}
	arg, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	r.Software(h.Name(), "golang.org/x/crypto/ssh", moduleVersion("golang.org/x/crypto"))
	if d.Process, err = h.Start(ctx, lab.Command{Program: "ssh-server", Args: []string{string(arg)}}); err != nil {
		return nil, err
	}
	return d, h.WaitListen(ctx, "tcp", port)
}

// NewKey makes the key of the client's root, which SSHDesk and Allow let in.
func NewKey(ctx context.Context, client *lab.Host) (public string, err error) {
	if _, err := client.Run(ctx, lab.Command{Args: []string{"sh", "-c", "mkdir -p -m 700 /root/.ssh && rm -f " + keyFile + " && ssh-keygen -q -t ed25519 -N '' -C root -f " + keyFile}}); err != nil {
		return "", err
	}
	data, err := client.Read(keyFile + ".pub")
	return string(data), err
}

// Start starts SSHClient on a terminal of the client, which knows the key of
// the desk's server.
func (l SSHLogin) Start(ctx context.Context, r *lab.Run, client *lab.Host, d *sshmore.Desk, size string) (*lab.Terminal, error) {
	key, err := d.Host.Read(hostKeyFile + ".pub")
	if err != nil {
		return nil, err
	}
	l.Addr, l.User, l.HostKey, l.Seed = fmt.Sprintf("%s:%d", d.Host.Addr(), d.Port), d.User, string(key), r.Rand().Uint64()
	if r.Param("auth") != "password" {
		l.Key = keyFile
	}
	arg, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	r.Software(client.Name(), "golang.org/x/crypto/ssh", moduleVersion("golang.org/x/crypto"))
	return client.Terminal(ctx, lab.Command{Program: "ssh-client", Args: []string{string(arg)}}, size)
}

// Home makes a user whose home directory has the files that the commands of
// typists need.
func Home(ctx context.Context, h *lab.Host, user, password string) error {
	if err := errors.Join(h.AddUser(ctx, user, password), h.WriteFiles("/home/"+user, typist.Developer.Files())); err != nil {
		return err
	}
	_, err := h.Run(ctx, lab.Command{Args: []string{"chown", "-R", user + ":", "/home/" + user}})
	return err
}

// Digits draws n digits.
func Digits(n int, rng *rand.Rand) string {
	var b strings.Builder
	for range n {
		fmt.Fprint(&b, rng.IntN(10))
	}
	return b.String()
}

// moduleVersion is the version of a module of this program.
func moduleVersion(path string) string {
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "unknown"
}

// Pause draws a time of about so many seconds.
func Pause(seconds float64, rng *rand.Rand) time.Duration {
	return time.Duration(seconds * (.4 + min(rng.ExpFloat64(), 3)*.6) * float64(time.Second))
}

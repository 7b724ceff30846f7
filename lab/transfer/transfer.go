// Package transfer is what scenarios of files and forwards over SSH share: a
// client and a server of a variant, with an account whose login shell tells
// when each session ran, and which files SFTP moved.
//
// A scenario has the hosts "client" and "server", variants made by Variants and
// the parameters Params.
package transfer

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/ssh"
	"tyto/lab/typist"
)

// Site is a client, a server, and an account there.
type Site struct {
	Run      *lab.Run
	Client   *lab.Host
	Host     *lab.Host // of the server
	Server   *ssh.Server
	Key      *ssh.Client // whom other servers can authorize
	Kind     string      // of the client
	User     string
	Home     string // the account's directory on Host
	password string // the client logs in with it; by key if empty
	seen     int    // sessions that were told
	logins   int    // logins that were awaited
}

// Paths on the hosts.
const (
	accountFile = "/opt/lab-ssh/account"
	remoteFile  = "/opt/lab-ssh/remote"
	askFile     = "/opt/lab-ssh/ask"
	logFile     = "/run/lab-sessions"
)

//go:embed account.sh
var accountShell string

//go:embed remote.sh
var remoteShell string

// Variants makes variants of pairs of a client and a server ("putty-openssh"),
// which also need programs.
func Variants(needs []string, pairs ...string) (all []lab.Variant) {
	for _, pair := range pairs {
		client, server, _ := strings.Cut(pair, "-")
		all = append(all, lab.Variant{Name: pair, Needs: append(ssh.Needs(client, server), needs...)})
	}
	return all
}

// Params are the parameters of all, and more.
func Params(more ...lab.Param) []lab.Param {
	return append(more,
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"22", "22", "22", "2222", "443", "8022"}},
		lab.Param{Name: "auth", Doc: "how the client logs in; always by key at tinyssh and from paramiko", Values: []string{"key", "key", "password"}},
		lab.Param{Name: "cipher", Doc: "that the client wants; PuTTY's default with PuTTY", Values: []string{"default", "default", "aes128-ctr", chacha}},
		lab.Param{Name: "compress", Doc: "ask for compression, where the client can", Values: []string{"no", "no", "yes"}},
	)
}

const chacha = "chacha20-poly1305@openssh.com"

// Start makes the site of a run.
func Start(ctx context.Context, r *lab.Run) (*Site, error) {
	kind, serverKind, _ := strings.Cut(r.Variant(), "-")
	s := &Site{Run: r, Client: r.Host("client"), Host: r.Host("server"), Kind: kind}
	s.User = []string{"deploy", "mortiz", "backup2", "jlind", "svc-files", "ops"}[r.Rand().IntN(6)]
	s.Home = "/home/" + s.User
	password := fmt.Sprint("pw-", 100000+r.Rand().IntN(900000))
	switch {
	case serverKind == "tinyssh" || kind == "paramiko":
		r.SetParam("auth", "key")
	case r.Param("auth") == "password":
		s.password = password
	}
	if kind == "putty" || kind == "paramiko" || serverKind == "tinyssh" {
		r.SetParam("cipher", "default")
	}
	if kind == "dropbear" || kind == "paramiko" || serverKind == "tinyssh" {
		r.SetParam("compress", "no")
	}
	err := errors.Join(
		s.Host.AddUser(ctx, s.User, password),
		s.Host.Write(accountFile, accountShell, 0o755),
		s.Host.Write(logFile, "", 0o666),
		s.Client.Write(askFile, "#!/bin/sh\necho "+password+"\n", 0o755),
	)
	if err != nil {
		return nil, err
	}
	const account = "echo " + accountFile + " >>/etc/shells && usermod -s " + accountFile + ` "$1"`
	if _, err := s.Host.Run(ctx, lab.Command{Args: []string{"sh", "-c", account, "sh", s.User}}); err != nil {
		return nil, err
	}
	if s.Server, err = ssh.Start(ctx, r, s.Host, ssh.Options{Kind: serverKind, Port: r.ParamInt("port")}); err != nil {
		return nil, err
	}
	if s.Key, err = ssh.NewClient(ctx, r, s.Client, kind); err != nil {
		return nil, err
	}
	if err := errors.Join(s.Key.Trust(ctx, s.Server), s.Server.Authorize(ctx, s.User, s.Key)); err != nil {
		return nil, err
	}
	login := s.Login(nil).Args
	script := strings.NewReplacer("LOGIN", strings.Join(login[:len(login)-1], " "), "TARGET", login[len(login)-1]).Replace(remoteShell)
	return s, s.Client.Write(remoteFile, script, 0o755)
}

// Target is the account as programs name it, "user@address".
func (s *Site) Target() string { return s.User + "@" + s.Host.Addr().String() }

// Login is the command line of a login, with options of the client and a
// command to run there, if there are any.
func (s *Site) Login(options []string, command ...string) lab.Command {
	return lab.Command{Env: s.Env(), Args: s.Key.Args(ssh.Login{
		Server: s.Server, User: s.User, Password: s.password != "", Options: slices.Concat(s.options(), options), Command: command,
	})}
}

// Env is the environment in which the client finds the password, if it needs
// one.
func (s *Site) Env() []string {
	switch {
	case s.password == "":
		return nil
	case s.Kind == "dropbear":
		return []string{"DROPBEAR_PASSWORD=" + s.password}
	}
	return []string{"SSH_ASKPASS=" + askFile, "SSH_ASKPASS_REQUIRE=force"}
}

// options are those of the client that the parameters ask for.
func (s *Site) options() (args []string) {
	cipher := s.Run.Param("cipher")
	switch s.Kind {
	case "openssh":
		if cipher != "default" {
			args = append(args, "-o", "Ciphers="+cipher)
		}
	case "dropbear":
		if cipher != "default" {
			args = append(args, "-c", cipher)
		}
	case "putty":
		if s.password != "" {
			args = append(args, "-pw", s.password)
		}
	}
	if s.Run.Param("compress") == "yes" {
		args = append(args, "-C")
	}
	return args
}

// OpenSSH are the arguments that make OpenSSH's scp and sftp log in
// as Login does: with its own client or, by a wrapper, with that of the
// variant.
func (s *Site) OpenSSH() []string {
	if s.Kind != "openssh" {
		return []string{"-S", remoteFile}
	}
	args := append([]string{"-o", fmt.Sprint("Port=", s.Server.Port)}, s.options()...)
	if s.password != "" {
		args = append(args, "-o", "PubkeyAuthentication=no")
	}
	return args
}

// SSHFS are the arguments that make sshfs log in as Login does and mount a
// directory of the account on another of the client.
func (s *Site) SSHFS(from, on string) []string {
	args := []string{"-o", "ssh_command=" + remoteFile}
	if s.Kind == "openssh" {
		args = s.OpenSSH()
	}
	return append(args, s.Target()+":"+from, on)
}

// Shell is the remote shell of the variant, as one word for programs that call
// one with options, host and command.
func (s *Site) Shell() string {
	if s.Kind != "openssh" {
		return remoteFile
	}
	login := s.Login(nil).Args
	return strings.Join(login[:len(login)-1], " ")
}

// PuTTY are the arguments that make pscp and psftp log in as Login does.
func (s *Site) PuTTY() []string {
	login := s.Login(nil).Args
	return slices.DeleteFunc(login[1:len(login)-1], func(a string) bool { return a == "-ssh" || a == "-no-antispoof" })
}

// Content makes the content of a file of about n bytes, 0.6 to 1.4 times as
// many: random, or text.
func Content(n int, rng *rand.Rand) string {
	n = max(1, int(float64(n)*(.6+.8*rng.Float64())))
	if rng.IntN(3) > 0 {
		return lab.Random(n, rng)
	}
	const words = 20000
	text := typist.Prose(min(n/3+1, words), rng)
	return strings.Repeat(text+"\n", n/len(text)+1)[:n]
}

// Files makes count files with made-up names and Content, by name, of about
// size bytes together.
func Files(count, size int, rng *rand.Rand) map[string]string {
	files := make(map[string]string)
	for len(files) < count {
		files[Name(rng)] = Content(size/count, rng)
	}
	return files
}

// Change adds, removes or edits a few files, or none, and returns the name of
// the one that it removed.
func Change(files map[string]string, rng *rand.Rand) (old string) {
	for range rng.IntN(4) {
		names := slices.Sorted(maps.Keys(files))
		name := names[rng.IntN(len(names))]
		switch content := files[name]; rng.IntN(4) {
		case 0:
			files[fmt.Sprint("new", len(names), "-", Name(rng))] = Content(len(content), rng)
		case 1:
			files[name] += Content(500, rng)
		case 2:
			at := rng.IntN(len(content))
			files[name] = content[:at] + Content(100, rng) + content[at:]
		case 3:
			if old == "" && len(names) > 1 {
				delete(files, name)
				old = name
			}
		}
	}
	return old
}

// Name makes up the name of a file.
func Name(rng *rand.Rand) string {
	stem := []string{"report", "budget", "image", "backup", "export", "notes", "build", "db", "mail", "plan"}[rng.IntN(10)]
	return fmt.Sprintf("%s-%d.%s", stem, rng.IntN(10000), []string{"pdf", "csv", "bin", "zip", "txt"}[rng.IntN(5)])
}

// WriteHome writes files below the account's directory, as its own.
func (s *Site) WriteHome(ctx context.Context, dir string, files map[string]string) error {
	if err := s.Host.WriteFiles(s.Home+"/"+dir, files); err != nil {
		return err
	}
	_, err := s.Host.Run(ctx, lab.Command{Args: []string{"chown", "-R", s.User + ":", s.Home}})
	return err
}

// Sum is the SHA-256 of content as sha256sum prints it.
func Sum(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }

// Same compares files of a host with what they must be.
func Same(h *lab.Host, dir string, want map[string]string) error {
	for name, content := range want {
		got, err := h.Read(dir + "/" + name)
		if err != nil {
			return err
		}
		if string(got) != content {
			return fmt.Errorf("%s:%s/%s has other content (%d bytes, want %d)", h.Name(), dir, name, len(got), len(content))
		}
	}
	return nil
}

// Pause is the time between two logins, 0.2 to 8 seconds, evenly by order of
// magnitude.
func (s *Site) Pause(ctx context.Context) error {
	return s.Run.Sleep(ctx, time.Duration(.2*math.Pow(40, s.Run.Rand().Float64())*float64(time.Second)))
}

// await calls done about every millisecond until it is true, for at most a
// minute.
func await(ctx context.Context, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}

package desk

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/crypto/ssh"

	"tyto/lab/webapp"
)

// SSHService is what the program SSHServer is told, as JSON in its argument.
type SSHService struct {
	Port     int
	Banner   string // SSH-2.0-…
	HostKey  string // file of the private key
	User     string // the one user there is
	Allowed  string // the user's public key, as in authorized_keys; none if empty
	Password string // the user's; none if empty
	// Second is what the user must answer to a second question, after the
	// password or key.
	Second string
	Ask    string // the second question
}

// SSHServer is a program of a scenario: an SSH server that answers the chaff of
// SSHClient and gives its user a shell on a terminal. Its argument is an
// SSHService. It writes "Accepted METHOD for USER" when somebody has logged in.
func SSHServer(ctx context.Context, args []string) error {
	var s SSHService
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &s) != nil {
		return errors.New("want a service as JSON")
	}
	config, err := s.config()
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprint(":", s.Port))
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	for {
		c, err := l.Accept()
		if err != nil {
			return nil
		}
		go func() {
			defer c.Close()
			if err := s.serve(ctx, c, config); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
}

var errRefused = errors.New("permission denied")

func (s *SSHService) config() (*ssh.ServerConfig, error) {
	data, err := os.ReadFile(s.HostKey)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(data)
	if err != nil {
		return nil, err
	}
	c := &ssh.ServerConfig{ServerVersion: s.Banner}
	c.AddHostKey(signer)
	switch {
	case s.Password != "" && s.Second != "":
		c.KeyboardInteractiveCallback = func(m ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			if err := s.ask(ask, "Password: ", s.Password); err != nil || m.User() != s.User {
				return nil, errRefused
			}
			return nil, s.ask(ask, s.Ask, s.Second)
		}
	case s.Password != "":
		c.PasswordCallback = func(m ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			if m.User() != s.User || string(password) != s.Password {
				return nil, errRefused
			}
			return nil, nil
		}
	}
	if s.Allowed == "" {
		return c, nil
	}
	allowed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.Allowed))
	if err != nil {
		return nil, err
	}
	c.PublicKeyCallback = func(m ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if m.User() != s.User || string(key.Marshal()) != string(allowed.Marshal()) {
			return nil, errRefused
		}
		if s.Second == "" {
			return nil, nil
		}
		return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{
			KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
				return nil, s.ask(ask, s.Ask, s.Second)
			},
		}}
	}
	return c, nil
}

// ask asks one question.
func (s *SSHService) ask(ask ssh.KeyboardInteractiveChallenge, question, want string) error {
	answers, err := ask("", "", []string{question}, []bool{false})
	if err != nil {
		return err
	}
	if len(answers) != 1 || answers[0] != want {
		return errRefused
	}
	return nil
}

func (s *SSHService) serve(ctx context.Context, conn net.Conn, config *ssh.ServerConfig) error {
	c, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Printf("Accepted login for %s\n", c.User())
	go func() {
		for q := range requests {
			if q.Type == chaffRequest {
				c.SendRequest(chaffAnswer, false, nil)
			} else if q.WantReply {
				q.Reply(false, nil)
			}
		}
	}()
	for n := range channels {
		if n.ChannelType() != "session" {
			n.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		channel, requests, err := n.Accept()
		if err != nil {
			return err
		}
		go s.session(ctx, channel, requests)
	}
	return nil
}

// session serves requests until a shell starts, and those that follow.
func (s *SSHService) session(ctx context.Context, channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	columns, rows := 80, 24
	var shell *exec.Cmd
	for q := range requests {
		ok := true
		switch q.Type {
		case "env":
		case "pty-req":
			columns, rows, ok = size(q.Payload)
		case "shell":
			shell = exec.CommandContext(ctx, "setpriv", "--reuid", s.User, "--regid", s.User, "--init-groups", "bash", "-l")
			shell.Dir = "/home/" + s.User
			shell.Env = []string{"TERM=xterm-256color", "LANG=C.UTF-8", "HOME=/home/" + s.User, "USER=" + s.User, "LOGNAME=" + s.User, "PATH=/usr/local/bin:/usr/bin:/bin"}
			master, err := webapp.OnTerminal(shell, columns, rows)
			if ok = err == nil; ok {
				go relay(channel, master, shell)
			}
		default:
			ok = false
		}
		if q.WantReply {
			q.Reply(ok, nil)
		}
	}
	if shell != nil && shell.Process != nil {
		shell.Process.Signal(syscall.SIGHUP)
	}
}

// size reads the size of the terminal in a request for one.
func size(payload []byte) (columns, rows int, ok bool) {
	var q struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}
	if ssh.Unmarshal(payload, &q) != nil {
		return 0, 0, false
	}
	return int(q.Columns), int(q.Rows), true
}

// relay connects a channel and a shell's terminal until the shell ends.
func relay(channel ssh.Channel, master *os.File, shell *exec.Cmd) {
	go io.Copy(master, channel)
	io.Copy(channel, master)
	status := 0
	if exit := (*exec.ExitError)(nil); errors.As(shell.Wait(), &exit) {
		status = exit.ExitCode()
	}
	channel.SendRequest("exit-status", false, binary.BigEndian.AppendUint32(nil, uint32(status)))
	channel.Close()
	master.Close()
}

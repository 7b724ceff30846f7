package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"tyto/lab/webapp"
)

// SSHLogin is what the program SSHClient is told, as JSON in its argument.
type SSHLogin struct {
	Addr, User string
	Banner     string // SSH-2.0-…
	HostKey    string // a line as in authorized_keys
	Key        string // file of the private key; asks for secrets on the terminal if empty
	Cipher     string // preferred; the library's choice if empty
	Interval   time.Duration
	Always     bool // as in Pacer
	Chaff      bool // the server knows what to do with it
	Seed       uint64
}

// Names of the global requests that stand for the messages PING and PONG: the
// library cannot send those, and these are as long and have no answer either.
const (
	chaffRequest = "PING"
	chaffAnswer  = "PONG"
)

// bulk is from how many bytes on output is no typing.
const bulk = 256

// SSHClient is a program of a scenario: an SSH client on a terminal that hides
// when keys are pressed. Its argument is an SSHLogin.
func SSHClient(ctx context.Context, args []string) error {
	var l SSHLogin
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &l) != nil {
		return errors.New("want a login as JSON")
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr)
	if err != nil {
		return err
	}
	held := &heldConn{Conn: conn}
	config, err := l.config()
	if err != nil {
		return err
	}
	c, channels, requests, err := ssh.NewClientConn(held, l.Addr, config)
	if err != nil {
		return err
	}
	defer c.Close()
	go ssh.DiscardRequests(requests)
	session, err := ssh.NewClient(c, channels, nil).NewSession()
	if err != nil {
		return err
	}
	restore, columns, rows, err := webapp.Raw()
	if err != nil {
		return err
	}
	defer restore()
	c.SendRequest("no-more-sessions@openssh.com", false, nil)
	in, err := session.StdinPipe()
	if err != nil {
		return err
	}
	session.Stdout, session.Stderr = os.Stdout, os.Stderr
	session.Setenv("LANG", "C.UTF-8") // servers may refuse it
	if err := session.RequestPty("xterm-256color", rows, columns, ssh.TerminalModes{ssh.TTY_OP_ISPEED: 38400, ssh.TTY_OP_OSPEED: 38400}); err != nil {
		return err
	}
	if err := session.Shell(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- session.Wait() }()
	t := &typing{c: c, conn: held, in: in, chaff: l.Chaff,
		pacer: &Pacer{Interval: l.Interval, Always: l.Always, Rand: rand.New(rand.NewPCG(l.Seed, 1))}}
	return t.run(typed(), ended)
}

func (l *SSHLogin) config() (*ssh.ClientConfig, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(l.HostKey))
	if err != nil {
		return nil, fmt.Errorf("host key: %w", err)
	}
	c := &ssh.ClientConfig{User: l.User, ClientVersion: l.Banner, HostKeyCallback: ssh.FixedHostKey(key), HostKeyAlgorithms: []string{key.Type()}}
	if l.Cipher != "" {
		c.Ciphers = []string{l.Cipher}
	}
	if l.Key == "" {
		host, _, _ := net.SplitHostPort(l.Addr)
		c.Auth = []ssh.AuthMethod{
			ssh.KeyboardInteractive(answer),
			ssh.PasswordCallback(func() (string, error) { return secret(fmt.Sprintf("%s@%s's password: ", l.User, host)) }),
		}
		return c, nil
	}
	data, err := os.ReadFile(l.Key)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(data)
	if err != nil {
		return nil, err
	}
	// The same key does for servers that ask questions afterwards.
	c.Auth = []ssh.AuthMethod{ssh.PublicKeys(signer), ssh.KeyboardInteractive(answer)}
	return c, nil
}

// answer asks a server's questions on the terminal.
func answer(_, instruction string, questions []string, _ []bool) (answers []string, err error) {
	if instruction != "" {
		fmt.Println(instruction)
	}
	for _, q := range questions {
		a, err := secret(q)
		if err != nil {
			return nil, err
		}
		answers = append(answers, a)
	}
	return answers, nil
}

// secret asks for what is not shown.
func secret(question string) (string, error) {
	fmt.Print(question)
	text, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Println()
	return string(text), err
}

// typed tells what is typed, a read at a time, until the input ends.
func typed() <-chan []byte {
	keys := make(chan []byte)
	go func() {
		defer close(keys)
		buf := make([]byte, 16<<10)
		for n, err := os.Stdin.Read(buf); err == nil; n, err = os.Stdin.Read(buf) {
			keys <- append([]byte(nil), buf[:n]...)
		}
	}()
	return keys
}

// typing sends what is typed, in its time.
type typing struct {
	c     ssh.Conn
	conn  *heldConn
	in    io.WriteCloser
	pacer *Pacer
	chaff bool
}

func (t *typing) run(keys <-chan []byte, ended <-chan error) error {
	var tick <-chan struct{}
	for {
		if t.pacer.Active() && tick == nil {
			tick = at(t.pacer.Next())
		}
		select {
		case data, ok := <-keys:
			if !ok {
				keys = nil
				t.in.Close()
				continue
			}
			if err := t.key(data); err != nil {
				return err
			}
		case <-tick:
			tick = nil
			if err := t.tick(); err != nil {
				return err
			}
		case err := <-ended:
			t.conn.Release(false)
			// The shell's status is that of its last command.
			if exit := (*ssh.ExitError)(nil); errors.As(err, &exit) {
				return nil
			}
			return err
		}
	}
}

func (t *typing) key(data []byte) error {
	if _, err := t.in.Write(data); err != nil {
		return nil // the far side is about to say why
	}
	now := time.Now()
	switch {
	case len(data) >= bulk || t.conn.Waits() >= bulk:
		t.pacer.Stop()
		return t.conn.Release(false)
	case t.pacer.Key(now):
		return t.conn.Release(true)
	}
	return nil
}

func (t *typing) tick() error {
	if !t.pacer.Active() {
		return nil
	}
	if t.pacer.Tick(time.Now(), t.conn.Waits() > 0) && t.chaff {
		if _, _, err := t.c.SendRequest(chaffRequest, false, nil); err != nil {
			return nil // the session's end tells
		}
	}
	return t.conn.Release(t.pacer.Active())
}

// at tells a time as exactly as the system can: the runtime's timers are up to
// a millisecond late.
func at(t time.Time) <-chan struct{} {
	c := make(chan struct{})
	go func() {
		defer close(c)
		for d := time.Until(t); d > 0; d = time.Until(t) {
			left := unix.NsecToTimespec(int64(d))
			unix.Nanosleep(&left, nil)
		}
	}()
	return c
}

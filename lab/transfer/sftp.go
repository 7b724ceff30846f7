package transfer

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"strings"

	"tyto/lab"
)

//go:embed sftp.py
var paramikoSFTP string

var sftpPrompt = regexp.MustCompile(`(^|[\r\n])(\x1b\[[0-9;?]*[a-zA-Z])*p?sftp> ?(\x1b\[[0-9;?]*[a-zA-Z])*$`)

// SFTP gives commands to the variant's SFTP client, as a batch or at its prompt,
// and returns the client, which ends by itself.
func (s *Site) SFTP(ctx context.Context, lines []Line, batch bool) (*lab.Process, error) {
	var text strings.Builder
	for _, l := range lines {
		fmt.Fprintln(&text, l.Text)
	}
	c, program := lab.Command{Env: s.Env()}, "sftp"
	switch s.Kind {
	case "paramiko":
		c.Args = s.Login(nil).Args
		c.Args[1], c.Stdin = "/opt/lab-ssh/sftp.py", strings.NewReader(text.String())
		return s.startWith(ctx, c, c.Args[1], paramikoSFTP)
	case "putty":
		c.Args, program = append([]string{"psftp"}, s.PuTTY()...), "psftp"
	default:
		c.Args = append([]string{"sftp"}, s.OpenSSH()...)
	}
	s.Run.Installed(s.Client, program)
	if batch {
		c.Args = append(c.Args, "-b", "commands", s.Target())
		return s.startWith(ctx, c, "commands", text.String())
	}
	c.Args = append(c.Args, s.Target())
	t, err := s.Client.Terminal(ctx, c, "100x30")
	if err != nil {
		return nil, err
	}
	if _, err := t.Expect(ctx, sftpPrompt); err != nil {
		return nil, err
	}
	rng := s.Run.NewRand("person")
	if err := Console(ctx, s.Run, t, lab.Of(t.Process), sftpPrompt, lines, rng); err != nil {
		return nil, err
	}
	return t.Process, Quit(ctx, s.Run, t, "quit", rng)
}

// startWith starts a client that reads a file.
func (s *Site) startWith(ctx context.Context, c lab.Command, name, content string) (*lab.Process, error) {
	if err := s.Client.Write(name, content, 0o644); err != nil {
		return nil, err
	}
	return s.Client.Start(ctx, c)
}

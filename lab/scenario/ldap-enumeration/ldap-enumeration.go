// Package ldapenumeration lists a directory, as somebody does who looks for
// ways to attack a domain.
package ldapenumeration

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/ad"
	"tyto/lab/label"
)

// Scenario asks for all users, groups, computers and more, with their access
// control lists.
var Scenario = lab.Scenario{
	Name:       "ldap-enumeration",
	Doc:        "A program collects all users, groups, computers, policies, service names and access control lists of Active Directory over LDAP, as BloodHound's collectors do. The hostile twin of an application's lookups.",
	Labels:     []label.Label{label.Enumeration},
	Techniques: []string{"T1087.002", "T1069.002", "T1018", "T1482", "T1615"},
	Twin:       "ldap-lookups",
	Hosts:      []string{"client", "dc"},
	Variants: []lab.Variant{
		{Name: "openldap-samba", Needs: ad.Needs("ldapsearch", "/usr/share/doc/libsasl2-modules-gssapi-mit/copyright@libsasl2-modules-gssapi-mit")},
		{Name: "ldap3-samba", Needs: ad.Needs("py:ldap3")},
	},
	Params: []lab.Param{
		ad.Realm, ad.People, ad.Kerberos,
		{Name: "security", Doc: "of the connection; never gssapi with ldap3", Values: []string{"none", "tls", "starttls", "gssapi"}},
		{Name: "collect", Doc: "what: everything, or only users and groups, or only what can be attacked", Values: []string{"all", "accounts", "weak"}},
		{Name: "lists", Doc: "whether access control lists are asked for", Values: []string{"yes", "no"}},
		{Name: "page", Doc: "entries in one answer", Values: []string{"20", "100", "500"}},
		{Name: "pause", Doc: "between questions in seconds, about", Values: []string{"0", "0.5", "3"}},
	},
	Limit: 5 * time.Minute,
	Run:   run,
}

//go:embed collect.py
var program string

func run(ctx context.Context, r *lab.Run) error {
	if strings.HasPrefix(r.Variant(), "ldap3") && r.Param("security") == "gssapi" {
		r.SetParam("security", "none")
	}
	security := r.Param("security")
	d, err := ad.Start(ctx, r, r.Host("dc"), ad.Options{
		People: r.ParamInt("people"), Services: 3 + r.Rand().IntN(6), Types: func() int { return []int{0, ad.RC4, ad.AES}[r.Rand().IntN(3)] },
		Global: []string{"ldap server require strong auth = no"},
	})
	if err != nil {
		return err
	}
	s, err := d.Join(ctx, r.Host("client"))
	if err != nil {
		return err
	}
	user := d.Person(r.Rand())
	var env []string
	if security == "gssapi" {
		if env, err = s.Ticket(ctx, user.Name, user.Password); err != nil {
			return err
		}
	}
	work, err := json.Marshal(map[string]any{
		"tool": strings.TrimSuffix(r.Variant(), "-samba"), "server": d.Name(d.DC), "base": d.Base, "security": security, "page": r.ParamInt("page"),
		"user": strings.ToLower(user.Name + "@" + d.Realm), "password": user.Password, "pause": r.Param("pause"), "collect": r.Param("collect"),
		"lists": r.Param("lists") == "yes",
	})
	if err != nil {
		return err
	}
	c, err := s.Python(program, env, string(work))
	if err != nil {
		return err
	}
	r.Installed(s.Host, map[string]string{"openldap-samba": "ldapsearch", "ldap3-samba": "py:ldap3"}[r.Variant()])
	p, _, err := s.RunAndTell(ctx, c)
	if err != nil {
		return err
	}
	port := 389
	if security == "tls" {
		port = 636
	}
	r.Label(lab.Of(p).And(lab.Service(d.DC, "tcp", port)), label.Enumeration)
	return check(d, p, r.Param("collect"))
}

// check holds what was found against who is there.
func check(d *ad.Domain, p *lab.Process, collect string) error {
	for _, u := range d.Users {
		if collect == "weak" && len(u.Services) == 0 {
			continue
		}
		if !strings.Contains(p.Output(), "found "+u.Name+"\n") {
			return fmt.Errorf("%s was not found\n%s", u.Name, p.Output())
		}
	}
	return nil
}

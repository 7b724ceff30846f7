// Package ldaplookups is an application that looks people up in a directory.
package ldaplookups

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

// Scenario asks for one person after the other, as mail servers, wikis and
// printers do.
var Scenario = lab.Scenario{
	Name:   "ldap-lookups",
	Doc:    "An application looks people and their groups up in Active Directory over LDAP, LDAPS, StartTLS or with Kerberos. The benign twin of listing all of the directory.",
	Labels: []label.Label{label.Poll},
	Twin:   "ldap-enumeration",
	Hosts:  []string{"client", "dc"},
	Variants: []lab.Variant{
		{Name: "openldap-samba", Needs: ad.Needs("ldapsearch", "/usr/share/doc/libsasl2-modules-gssapi-mit/copyright@libsasl2-modules-gssapi-mit")},
		{Name: "ldap3-samba", Needs: ad.Needs("py:ldap3")},
	},
	Params: []lab.Param{
		ad.Realm, ad.People, ad.Kerberos,
		{Name: "security", Doc: "of the connection; never gssapi with ldap3", Values: []string{"none", "tls", "starttls", "gssapi"}},
		{Name: "lookups", Doc: "how many", Values: []string{"4", "9", "20"}},
		{Name: "connection", Doc: "a new one for each lookup or one for all; always new with openldap", Values: []string{"new", "keep"}},
		{Name: "pause", Doc: "between lookups in seconds, about", Values: []string{"0.2", "1", "4"}},
	},
	Limit: 5 * time.Minute,
	Run:   run,
}

//go:embed lookups.py
var program string

func run(ctx context.Context, r *lab.Run) error {
	if strings.HasPrefix(r.Variant(), "openldap") {
		r.SetParam("connection", "new")
	} else if r.Param("security") == "gssapi" {
		r.SetParam("security", "tls")
	}
	security := r.Param("security")
	d, err := ad.Start(ctx, r, r.Host("dc"), ad.Options{People: r.ParamInt("people"), Global: []string{"ldap server require strong auth = no"}})
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
		"tool": strings.TrimSuffix(r.Variant(), "-samba"), "server": d.Name(d.DC), "base": d.Base, "security": security,
		"user": strings.ToLower(user.Name + "@" + d.Realm), "password": user.Password, "keep": r.Param("connection") == "keep", "pause": r.Param("pause"), "people": people(r, d),
	})
	if err != nil {
		return err
	}
	c, err := s.Python(program, env, string(work))
	if err != nil {
		return err
	}
	r.Installed(s.Host, map[string]string{"openldap-samba": "ldapsearch", "ldap3-samba": "py:ldap3"}[r.Variant()])
	p, err := s.Start(ctx, c)
	if err != nil {
		return err
	}
	port := map[string]int{"tls": 636}[security]
	if port == 0 {
		port = 389
	}
	sel := lab.Of(p).And(lab.Service(d.DC, "tcp", port))
	r.Label(sel, label.Poll)
	if err := p.Wait(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, p.Output())
	}
	count, err := d.Tell(p)
	if err == nil && count[label.StateExchange] != r.ParamInt("lookups") {
		err = fmt.Errorf("it told %d lookups, want %s", count[label.StateExchange], r.Param("lookups"))
	}
	return err
}

// people draws whom is asked for: names of accounts.
func people(r *lab.Run, d *ad.Domain) (names []string) {
	for range r.ParamInt("lookups") {
		names = append(names, d.Users[r.Rand().IntN(len(d.Users))].Name)
	}
	return names
}

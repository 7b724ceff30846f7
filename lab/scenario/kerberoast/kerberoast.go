// Package kerberoast is an intruder who asks for tickets to break offline.
package kerberoast

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

// Scenario finds accounts of services and asks for a ticket of each.
var Scenario = lab.Scenario{
	Name:       "kerberoast",
	Doc:        "An intruder lists the service principal names of Active Directory and asks for a ticket of each, to guess the services' passwords offline. Teaches ticket requests for many services in a row, which nobody uses.",
	Labels:     []label.Label{label.Enumeration, label.CredentialDump},
	Techniques: []string{"T1558.003", "T1087.002"},
	Twin:       "ad-logon",
	Hosts:      []string{"client", "dc"},
	Variants: []lab.Variant{
		{Name: "mit-samba", Needs: ad.Needs("ldapsearch", "kvno@krb5-user")},
		{Name: "impacket-samba", Needs: ad.Needs("py:impacket", "py:ldap3")},
	},
	Params: []lab.Param{
		ad.Realm, ad.People, ad.Kerberos,
		{Name: "services", Doc: "accounts with service principal names", Values: []string{"3", "8", "20"}},
		{Name: "types", Doc: "encryption that is asked for; rc4 is the quickest to guess by", Values: []string{"rc4", "rc4", "any"}},
		{Name: "security", Doc: "of the search", Values: []string{"none", "tls"}},
		{Name: "pause", Doc: "between requests in seconds, about", Values: []string{"0", "0.3", "3"}},
	},
	Limit: 5 * time.Minute,
	Run:   run,
}

//go:embed roast.py
var program string

// types are what accounts of services may have, by what is asked for.
var types = map[string][]int{"rc4": {0, ad.RC4, ad.RC4 | ad.AES}, "any": {0, ad.AES, ad.RC4 | ad.AES}}

func run(ctx context.Context, r *lab.Run) error {
	r.Note("a ticket-granting ticket is asked for before; its flows have no label")
	r.SetParam("kerberos", "tcp") // requests for services carry a ticket that is too large for UDP
	d, err := ad.Start(ctx, r, r.Host("dc"), ad.Options{
		People: r.ParamInt("people"), Services: r.ParamInt("services"), Types: func() int { return types[r.Param("types")][r.Rand().IntN(3)] },
		Global: []string{"ldap server require strong auth = no", "kdc force enable rc4 weak session keys = yes"},
	})
	if err != nil {
		return err
	}
	s, err := d.Join(ctx, r.Host("client"))
	if err != nil {
		return err
	}
	user := d.Person(r.Rand())
	tool := strings.TrimSuffix(r.Variant(), "-samba")
	var env []string
	if tool == "mit" {
		r.Installed(s.Host, "kinit")
		if env, err = s.Ticket(ctx, user.Name, user.Password); err != nil {
			return err
		}
	} else {
		r.Installed(s.Host, "py:impacket")
	}
	work, err := json.Marshal(map[string]any{
		"tool": tool, "server": d.Name(d.DC), "base": d.Base, "realm": d.Realm, "user": user.Name, "password": user.Password,
		"types": r.Param("types"), "security": r.Param("security"), "pause": r.Param("pause"),
	})
	if err != nil {
		return err
	}
	c, err := s.Python(program, env, string(work))
	if err != nil {
		return err
	}
	p, _, err := s.RunAndTell(ctx, c)
	if err != nil {
		return err
	}
	r.Label(lab.Of(p).And(lab.Service(d.DC, "tcp", map[string]int{"none": 389, "tls": 636}[r.Param("security")])), label.Enumeration)
	if tool == "mit" {
		r.Label(lab.Of(p).And(s.Kerberos()), label.CredentialDump)
	}
	if got := strings.Count(p.Output(), "\nticket "); got != r.ParamInt("services") {
		return fmt.Errorf("%d tickets came, want %s\n%s", got, r.Param("services"), p.Output())
	}
	return nil
}

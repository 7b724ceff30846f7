// Package passwordspray is a program that tries one password for many users of
// a domain.
package passwordspray

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/ad"
	"tyto/lab/label"
)

// Scenario guesses over Kerberos, SMB or LDAP, in vain or with success once.
var Scenario = lab.Scenario{
	Name:       "password-spray",
	Doc:        "A program tries a password or two for many users of Active Directory, over Kerberos, SMB or LDAP; one of them may be right. Teaches refused logins, each in sessions of its own.",
	Labels:     []label.Label{label.BruteForce, label.LoginFailed},
	Techniques: []string{"T1110.003"},
	Twin:       "ad-logon",
	Hosts:      []string{"client", "dc"},
	Variants: []lab.Variant{
		{Name: "kerberos-kinit", Needs: ad.Needs()}, {Name: "kerberos-python", Needs: ad.Needs("py:impacket")},
		{Name: "smb-smbclient", Needs: ad.Needs("smbclient")}, {Name: "smb-impacket", Needs: ad.Needs("py:impacket")},
		{Name: "ldap-openldap", Needs: ad.Needs("ldapsearch")}, {Name: "ldap-ldap3", Needs: ad.Needs("py:ldap3")},
	},
	Params: []lab.Param{
		ad.Realm, ad.People, ad.Kerberos,
		{Name: "users", Doc: "that are tried", Values: []string{"4", "8", "16"}},
		{Name: "passwords", Doc: "for each user", Values: []string{"1", "1", "2"}},
		{Name: "success", Doc: "whether one guess is right", Values: []string{"no", "yes"}},
		{Name: "security", Doc: "of LDAP", Values: []string{"none", "tls"}},
		{Name: "pause", Doc: "between guesses in seconds, about", Values: []string{"0", "0.5", "3"}},
	},
	Limit: 6 * time.Minute,
	Run:   run,
}

//go:embed spray.py
var program string

// programs are what the tools are made of.
var programs = map[string]string{
	"openldap": "ldapsearch", "ldap3": "py:ldap3", "impacket": "py:impacket", "python": "py:impacket", "kinit": "kinit", "smbclient": "smbclient",
}

type guess struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

func run(ctx context.Context, r *lab.Run) error {
	protocol, tool, _ := strings.Cut(r.Variant(), "-")
	if tool == "python" {
		r.SetParam("kerberos", "tcp")
	}
	if protocol != "ldap" {
		r.SetParam("security", "none")
	}
	passwords := draw(r, r.ParamInt("passwords"))
	lucky := r.Rand().IntN(4)
	d, err := ad.Start(ctx, r, r.Host("dc"), ad.Options{
		People: max(r.ParamInt("people"), r.ParamInt("users")+2), Active: r.ParamInt("users") + 1,
		Global: []string{"ldap server require strong auth = no"},
		Edit: func(users []*ad.User) {
			if r.Param("success") == "yes" {
				users[lucky].Password = passwords[len(passwords)-1]
			}
		},
	})
	if err != nil {
		return err
	}
	s, err := d.Join(ctx, r.Host("client"))
	if err != nil {
		return err
	}
	var guesses []guess
	for _, password := range passwords {
		for _, u := range d.Users[:r.ParamInt("users")] {
			guesses = append(guesses, guess{u.Name, password})
		}
	}
	r.Rand().Shuffle(len(guesses), func(i, j int) { guesses[i], guesses[j] = guesses[j], guesses[i] })
	r.Installed(s.Host, programs[tool])
	var found []guess
	switch tool {
	case "kinit", "smbclient", "openldap":
		found, err = byTool(ctx, r, s, tool, guesses)
	default:
		found, err = byProgram(ctx, r, s, tool, guesses)
	}
	want := 0
	if r.Param("success") == "yes" {
		want = 1
	}
	if err == nil && (len(found) != want || want == 1 && found[0] != guess{d.Users[lucky].Name, d.Users[lucky].Password}) {
		err = fmt.Errorf("it found %v of %v", found, guesses)
	}
	return err
}

// draw draws passwords that people choose.
func draw(r *lab.Run, n int) (passwords []string) {
	for i := range n {
		season := []string{"Winter", "Spring", "Summer", "Autumn", "Welcome", "Company"}[r.Rand().IntN(6)]
		passwords = append(passwords, fmt.Sprintf("%s%d!%d", season, 2020+r.Rand().IntN(8), i))
	}
	return passwords
}

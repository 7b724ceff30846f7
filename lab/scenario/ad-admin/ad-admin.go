// Package adadmin is an administrator who manages accounts of a domain.
package adadmin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/ad"
	"tyto/lab/label"
)

// Scenario adds an account, puts it into a group, resets a password, looks at
// the group, and deletes an account.
var Scenario = lab.Scenario{
	Name:   "ad-admin",
	Doc:    "An administrator manages accounts of Active Directory: adds, groups, resets, looks up, deletes. The benign twin of enumeration by remote procedure calls and of directory replication. Changes are told as commands, lists as enumeration.",
	Labels: []label.Label{label.Command, label.Enumeration},
	Twin:   "samr-enumeration",
	Hosts:  []string{"client", "dc"},
	Variants: []lab.Variant{
		{Name: "net-samba", Needs: ad.Needs("/usr/bin/net@samba-common-bin")},
		{Name: "sambatool-samba", Needs: ad.Needs()},
		{Name: "openldap-samba", Needs: ad.Needs("ldapmodify@ldap-utils")},
	},
	Params: []lab.Param{
		ad.Realm, ad.People, ad.Kerberos,
		{Name: "people-added", Doc: "how many accounts are made", Values: []string{"1", "2", "4"}},
		{Name: "security", Doc: "of LDAP with openldap; it is what the others do themselves", Values: []string{"tls", "starttls"}},
		{Name: "delete", Doc: "whether an account is deleted in the end", Values: []string{"no", "yes"}},
	},
	Limit: 8 * time.Minute,
	Run:   run,
}

func run(ctx context.Context, r *lab.Run) error {
	d, err := ad.Start(ctx, r, r.Host("dc"), ad.Options{RPC: true, People: r.ParamInt("people")})
	if err != nil {
		return err
	}
	s, err := d.Join(ctx, r.Host("client"))
	if err != nil {
		return err
	}
	r.Note("changes of accounts are labelled as commands, lists of members as enumeration")
	t := newTool(r, s, strings.TrimSuffix(r.Variant(), "-samba"))
	r.Installed(s.Host, t.program)
	group := d.Groups[r.Rand().IntN(len(d.Groups)-1)] // not the administrators, who come last
	var added []string
	for i := range r.ParamInt("people-added") {
		name := fmt.Sprintf("%s%d", []string{"trainee", "guest", "contractor", "temp"}[r.Rand().IntN(4)], 10*i+r.Rand().IntN(10))
		added = append(added, name)
		if err := t.all(ctx, []task{{"add", name, ad.Password(r.Rand()), ""}, {"member", name, "", group.Name}}); err != nil {
			return err
		}
	}
	tasks := []task{{"reset", d.Person(r.Rand()).Name, ad.Password(r.Rand()), ""}, {"members", "", "", group.Name}}
	r.Rand().Shuffle(len(tasks), func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
	last := added[len(added)-1]
	if r.Param("delete") == "yes" {
		tasks = append(tasks, task{"delete", last, "", ""})
		added = added[:len(added)-1]
	}
	if err := t.all(ctx, tasks); err != nil {
		return err
	}
	return check(ctx, d, group.Name, added)
}

// check looks into the directory itself.
func check(ctx context.Context, d *ad.Domain, group string, added []string) error {
	out, err := d.DC.Run(ctx, lab.Command{Args: []string{"samba-tool", "group", "listmembers", group, "-s", ad.Config}})
	if err != nil {
		return err
	}
	for _, name := range added {
		if !strings.Contains(string(out), name+"\n") {
			return fmt.Errorf("%s is not in %s: %s", name, group, out)
		}
	}
	return nil
}

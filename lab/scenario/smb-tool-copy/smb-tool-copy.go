// Package smbtoolcopy is an intruder who copies programs to another host.
package smbtoolcopy

import (
	"context"
	"strconv"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/ad"
	"tyto/lab/label"
)

// Scenario writes programs to ADMIN$ or C$ with an administrator's password.
var Scenario = lab.Scenario{
	Name:       "smb-tool-copy",
	Doc:        "An intruder who has an administrator's password copies programs to an administrative share over SMB 3. The hostile twin of work with documents.",
	Labels:     []label.Label{label.Mount, label.Upload},
	Techniques: []string{"T1570", "T1021.002", "T1078.002"},
	Twin:       "smb-files",
	Hosts:      []string{"client", "dc"},
	Variants: []lab.Variant{
		{Name: "smbclient-samba", Needs: ad.Needs("smbclient")},
		{Name: "impacket-samba", Needs: ad.Needs("py:impacket")},
	},
	Params: []lab.Param{
		ad.Realm, ad.Kerberos, ad.Protection,
		{Name: "login", Doc: "how they prove who they are; always ntlm with impacket", Values: []string{"kerberos", "ntlm"}},
		{Name: "share", Doc: "administrative share", Values: []string{"ADMIN$", "C$"}},
		{Name: "tools", Doc: "programs copied", Values: []string{"1", "1", "2", "4"}},
		{Name: "size", Doc: "of a program in kB, about", Values: []string{"30", "300", "1500"}},
		{Name: "clean", Doc: "whether they are removed in the end", Values: []string{"no", "yes"}},
		{Name: "pause", Doc: "of the program between steps in seconds, about", Values: []string{"0", "1", "4"}},
	},
	Limit: 8 * time.Minute,
	Run:   run,
}

func run(ctx context.Context, r *lab.Run) error {
	tool := strings.TrimSuffix(r.Variant(), "-samba")
	if tool == "impacket" {
		r.SetParam("login", "ntlm")
	}
	d, err := ad.Start(ctx, r, r.Host("dc"), ad.Options{
		Shares: map[string][]string{"ADMIN$": {"browseable = no"}, "C$": {"browseable = no"}}, Global: ad.ProtectionConfig(r.Param("protection")),
	})
	if err != nil {
		return err
	}
	s, err := d.Join(ctx, r.Host("client"))
	if err != nil {
		return err
	}
	admin := d.Admin()
	login := ad.Login{User: admin.Name, Password: admin.Password}
	if r.Param("login") == "kerberos" {
		if login.Env, err = s.Ticket(ctx, admin.Name, admin.Password); err != nil {
			return err
		}
	}
	pause, err := strconv.ParseFloat(r.Param("pause"), 64)
	if err != nil {
		return err
	}
	e := ad.NewToolCopy(r.Param("share"), r.ParamInt("tools"), 1000*r.ParamInt("size"), r.Param("clean") == "yes", r.Rand())
	return e.Run(ctx, s, tool, login, pause)
}

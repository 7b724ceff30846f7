// Package smbfiles is somebody who works with documents on a file share.
package smbfiles

import (
	"context"
	"strconv"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/ad"
	"tyto/lab/label"
)

// Scenario lists, reads, writes, renames and deletes documents.
var Scenario = lab.Scenario{
	Name:   "smb-files",
	Doc:    "Somebody works with the documents of a share over SMB 3: lists, reads, writes, renames and deletes. The benign twin of copying a program to an administrative share.",
	Labels: []label.Label{label.Mount, label.Upload, label.Download},
	Twin:   "smb-tool-copy",
	Hosts:  []string{"client", "dc"},
	Variants: []lab.Variant{
		{Name: "smbclient-samba", Needs: ad.Needs("smbclient")},
		{Name: "impacket-samba", Needs: ad.Needs("py:impacket")},
	},
	Params: []lab.Param{
		ad.Realm, ad.Kerberos, ad.Protection,
		{Name: "login", Doc: "how they prove who they are; always ntlm with impacket, whose ticket requests lack a checksum that Samba wants", Values: []string{"kerberos", "ntlm"}},
		{Name: "files", Doc: "in the directory", Values: []string{"8", "20", "60"}},
		{Name: "size", Doc: "of them together in kB", Values: []string{"100", "600", "2500"}},
		{Name: "steps", Doc: "about so many", Values: []string{"2", "4", "7"}},
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
	share := []string{"documents", "data", "team", "public"}[r.Rand().IntN(4)]
	d, err := ad.Start(ctx, r, r.Host("dc"), ad.Options{Shares: map[string][]string{share: nil}, Global: ad.ProtectionConfig(r.Param("protection"))})
	if err != nil {
		return err
	}
	s, err := d.Join(ctx, r.Host("client"))
	if err != nil {
		return err
	}
	user := d.Person(r.Rand())
	login := ad.Login{User: user.Name, Password: user.Password}
	if r.Param("login") == "kerberos" {
		if login.Env, err = s.Ticket(ctx, user.Name, user.Password); err != nil {
			return err
		}
	}
	pause, err := strconv.ParseFloat(r.Param("pause"), 64)
	if err != nil {
		return err
	}
	e := ad.NewErrand(share, r.ParamInt("files"), r.ParamInt("steps"), 1000*r.ParamInt("size"), r.Rand())
	return e.Run(ctx, s, tool, login, pause)
}

// Package passthehash is an intruder who logs in with the hash of a password.
package passthehash

import (
	"context"
	"strconv"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/ad"
	"tyto/lab/label"
)

// Scenario uses a share by NTLM, with the NT hash of somebody's password and
// not the password.
var Scenario = lab.Scenario{
	Name:       "pass-the-hash",
	Doc:        "An intruder uses a file share with the NT hash of somebody's password. The login is the same on the wire as with the password: what can be told is NTLM where Kerberos is usual, by a program that is not usual.",
	Labels:     []label.Label{label.Mount, label.Upload, label.Download},
	Techniques: []string{"T1550.002", "T1021.002", "T1039"},
	Twin:       "smb-files",
	Hosts:      []string{"client", "dc"},
	Variants: []lab.Variant{
		{Name: "smbclient-samba", Needs: ad.Needs("smbclient")},
		{Name: "impacket-samba", Needs: ad.Needs("py:impacket")},
	},
	Params: []lab.Param{
		ad.Realm, ad.Kerberos, ad.Protection,
		{Name: "share", Doc: "that is used", Values: []string{"C$", "documents", "data"}},
		{Name: "files", Doc: "in the directory", Values: []string{"8", "20", "60"}},
		{Name: "size", Doc: "of them together in kB", Values: []string{"100", "600", "2500"}},
		{Name: "steps", Doc: "about so many", Values: []string{"2", "4", "7"}},
		{Name: "pause", Doc: "of the program between steps in seconds, about", Values: []string{"0", "1", "4"}},
	},
	Limit: 8 * time.Minute,
	Run:   run,
}

func run(ctx context.Context, r *lab.Run) error {
	d, err := ad.Start(ctx, r, r.Host("dc"), ad.Options{Shares: map[string][]string{r.Param("share"): nil}, Global: ad.ProtectionConfig(r.Param("protection"))})
	if err != nil {
		return err
	}
	s, err := d.Join(ctx, r.Host("client"))
	if err != nil {
		return err
	}
	victim := d.Person(r.Rand())
	if r.Param("share") == "C$" {
		victim = d.Admin()
	}
	hash, err := ad.NTHash(ctx, s.Host, victim.Password)
	if err != nil {
		return err
	}
	pause, err := strconv.ParseFloat(r.Param("pause"), 64)
	if err != nil {
		return err
	}
	e := ad.NewErrand(r.Param("share"), r.ParamInt("files"), r.ParamInt("steps"), 1000*r.ParamInt("size"), r.Rand())
	return e.Run(ctx, s, strings.TrimSuffix(r.Variant(), "-samba"), ad.Login{User: victim.Name, Hash: hash}, pause)
}

// Package dcsync is an intruder who has a domain controller replicate the
// secrets of a domain to him.
package dcsync

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

// Scenario reads password hashes by the protocol of directory replication.
var Scenario = lab.Scenario{
	Name:       "dcsync",
	Doc:        "An intruder with an administrator's password plays a domain controller and has another one replicate the accounts' secrets: some of them, all, or the whole directory. Teaches directory replication from a host that is no domain controller.",
	Labels:     []label.Label{label.CredentialDump},
	Techniques: []string{"T1003.006"},
	Twin:       "ad-admin",
	Hosts:      []string{"client", "dc"},
	Variants: []lab.Variant{
		{Name: "python-samba", Needs: ad.Needs("py:samba")},
		{Name: "sambatool-samba", Needs: ad.Needs("samba-tool@samba-common-bin")},
	},
	Params: []lab.Param{
		ad.Realm, ad.People, ad.Kerberos,
		{Name: "scope", Doc: "accounts that are asked for, each alone; the whole directory with samba-tool", Values: []string{"one", "some", "all"}},
		{Name: "pause", Doc: "between accounts in seconds, about; none with samba-tool", Values: []string{"0", "0", "0.5"}},
	},
	Limit: 8 * time.Minute,
	Run:   run,
}

//go:embed replicate.py
var program string

func run(ctx context.Context, r *lab.Run) error {
	d, err := ad.Start(ctx, r, r.Host("dc"), ad.Options{People: r.ParamInt("people")})
	if err != nil {
		return err
	}
	s, err := d.Join(ctx, r.Host("client"))
	if err != nil {
		return err
	}
	victim := d.Person(r.Rand())
	hash, err := ad.NTHash(ctx, s.Host, victim.Password)
	if err != nil {
		return err
	}
	r.Installed(s.Host, "py:samba")
	if r.Variant() == "sambatool-samba" {
		return clone(ctx, r, s, victim, hash)
	}
	names := []string{victim.Name}
	for _, u := range d.Users {
		if scope := r.Param("scope"); u != victim && (scope == "all" || scope == "some" && r.Rand().IntN(4) == 0) {
			names = append(names, u.Name)
		}
	}
	admin := d.Admin()
	work, err := json.Marshal(map[string]any{
		"server": d.Name(d.DC), "domain": d.NetBIOS, "user": admin.Name, "password": admin.Password, "accounts": names, "port": d.DRSPort, "pause": r.Param("pause"),
	})
	if err != nil {
		return err
	}
	c, err := s.Python(program, nil, string(work))
	if err != nil {
		return err
	}
	p, _, err := s.RunAndTell(ctx, c)
	if err != nil {
		return err
	}
	r.Label(lab.Of(p).And(lab.Service(d.DC, "tcp", d.DRSPort)), label.CredentialDump)
	if got := strings.Count(p.Output(), "\nhash "); got != len(names) || !strings.Contains(p.Output(), "\nhash "+victim.Name+" "+hash) {
		return fmt.Errorf("%d hashes came, want %d and that of %s\n%s", got, len(names), victim.Name, p.Output())
	}
	return nil
}

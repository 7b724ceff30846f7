// Package ad makes an Active Directory domain in the lab: a domain controller
// of Samba with people, groups, computers and services, and workstations that
// belong to it.
//
// Making a domain takes ten seconds of a processor, so each realm is made once
// on a machine and kept in CacheDir; each run then puts its own people,
// passwords and addresses into a copy.
package ad

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"tyto/lab"
	"tyto/lab/pki"
)

// Domain is a domain whose controller runs.
type Domain struct {
	Realm   string // "CORP.EXAMPLE"
	NetBIOS string // "CORP"
	Base    string // distinguished name
	DC      *lab.Host
	// DRSPort is where the controller's directory replication listens.
	DRSPort int
	// Administrator's password; the account's name is Administrator.
	Administrator string
	Users         []*User // those who can log in come first
	Groups        []*Group
	Computers     []*Computer
	Authority     *pki.Authority // of the controller's certificate

	run    *lab.Run
	active int
	hosts  []*lab.Host
	samba  *lab.Process
	pairs  map[string]string // passwords of computers
}

// Options is how a domain is made. The zero value is a small one without
// shares.
type Options struct {
	People int // 12 if zero
	Active int // how many can log in; 6 if zero
	// Services are so many accounts with service principal names, and Types
	// draws their encryption types.
	Services int
	Types    func() int
	// Edit changes who is there before the domain is made, if it is not nil.
	Edit func(users []*User)
	// Shares are lines of smb.conf beyond path and "read only = no", by name
	// of share; the files are below Path(share).
	Shares map[string][]string
	Global []string // more lines of [global]
	// RPC says that remote procedure calls over SMB are used. What serves them
	// is started at the first one, which takes long, so one is made before.
	RPC bool
	// Hosts get an address in the domain's zone and an account, beside the
	// domain controller.
	Hosts []*lab.Host
}

// Realms are the names of domains: one is drawn in each run.
var Realms = []string{"CORP.EXAMPLE", "AD.NORTHWIND.EXAMPLE", "HQ.EXAMPLE.ORG"}

// People is the knob of scenarios for Options.People.
var People = lab.Param{Name: "people", Doc: "accounts of people in the domain", Values: []string{"12", "30", "80"}}

// Realm is the knob of the domain's name.
var Realm = lab.Param{Name: "realm", Doc: "name of the domain", Values: Realms}

// Needs are the programs of a domain and its workstations, and more.
func Needs(more ...string) []string {
	return append([]string{
		"samba", "/usr/share/doc/samba-ad-dc/copyright@samba-ad-dc", "/usr/share/samba/setup/provision.ldif@samba-ad-provision",
		"kinit@krb5-user", "openssl", "tar", "/usr/bin/python3",
	}, more...)
}

// Config is the controller's configuration, on its host.
const Config = home + "/etc/smb.conf"

// home is where the controller's files are, on its host.
const home = "/srv/ad"

//go:embed prepare.py
var prepareProgram string

// Start makes the domain of the run's parameter "realm" on a host and waits
// until it answers.
func Start(ctx context.Context, r *lab.Run, dc *lab.Host, o Options) (*Domain, error) {
	rng := r.Rand()
	d := &Domain{Realm: r.Param("realm"), DC: dc, run: r, DRSPort: 50000 + rng.IntN(10000), pairs: make(map[string]string)}
	first, _, _ := strings.Cut(d.Realm, ".")
	d.NetBIOS = first
	d.Base = "DC=" + strings.ReplaceAll(strings.ToLower(d.Realm), ".", ",DC=")
	if err := d.unpack(ctx); err != nil {
		return nil, fmt.Errorf("domain %s: %w", d.Realm, err)
	}
	if err := d.populate(ctx, o, rng); err != nil {
		return nil, fmt.Errorf("people of %s: %w", d.Realm, err)
	}
	if err := d.configure(ctx, o); err != nil {
		return nil, err
	}
	for _, p := range []string{"samba", "samba-ad-dc"} {
		r.Software(dc.Name(), p, lab.PackageVersion(p))
	}
	r.Note("the domain controller is Samba; its domain was made once on the machine, so the security identifier of the realm is the same in all runs")
	if err := d.start(ctx); err != nil || !o.RPC {
		return d, err
	}
	return d, d.warm(ctx)
}

// warm makes remote procedure calls on the controller itself until one is
// answered.
func (d *Domain) warm(ctx context.Context) (err error) {
	login := d.NetBIOS + `\Administrator%` + d.Administrator
	for range 6 {
		c := lab.Command{Args: []string{"net", "rpc", "share", "list", "-S", d.Name(d.DC), "-U", login, "-s", Config}}
		if _, err = d.DC.Run(ctx, c); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// populate draws who is there and puts them into the directory.
func (d *Domain) populate(ctx context.Context, o Options, rng *rand.Rand) error {
	d.active = max(o.Active, 6)
	p := drawPopulation(max(o.People, 12), d.active, rng)
	if o.Services > 0 {
		p.addServices(o.Services, d.Realm, o.Types, rng)
	}
	if o.Edit != nil {
		p.edit(o.Edit)
	}
	p.Server = d.DC.Name()
	p.Addresses = map[string]string{p.Server: d.DC.Addr().String()}
	d.hosts = append(o.Hosts, d.DC)
	for _, h := range o.Hosts {
		p.Addresses[h.Name()] = h.Addr().String()
		c := &Computer{Name: h.Name(), System: systems[0][0], Version: systems[0][1], Services: []string{"cifs"}, Password: Password(rng)}
		d.pairs[h.Name()] = c.Password
		p.Computers = append(p.Computers, c)
	}
	admins := &Group{Name: "Domain Admins", Builtin: true, Members: []string{d.admin(p.Users).Name}}
	p.Groups = append(p.Groups, admins)
	d.Administrator, d.Users, d.Groups, d.Computers = p.Administrator, p.Users, p.Groups, p.Computers
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := d.DC.Write("prepare.py", prepareProgram, 0o644); err != nil {
		return err
	}
	_, err = d.DC.Run(ctx, lab.Command{Args: []string{"/usr/bin/python3", d.DC.Dir() + "/prepare.py", home + "/etc/smb.conf"}, Stdin: bytes.NewReader(text)})
	return err
}

// admin is the person of users who administers the domain.
func (d *Domain) admin(users []*User) *User { return users[d.active-1] }

// Admin is the person who is a domain administrator.
func (d *Domain) Admin() *User { return d.admin(d.Users) }

// Person draws one of the people who can log in and are no administrators.
func (d *Domain) Person(rng *rand.Rand) *User { return d.Users[rng.IntN(d.active-1)] }

// Name is a host's whole name, "dc.corp.example".
func (d *Domain) Name(h *lab.Host) string { return h.Name() + "." + strings.ToLower(d.Realm) }

// Principal is a user's name with the realm.
func (d *Domain) Principal(name string) string { return name + "@" + d.Realm }

// Path is where the files of a share are, on the controller's host.
func Path(share string) string { return "/srv/shares/" + strings.Trim(share, "$") }

// SysvolPath is where the domain's policies and scripts are, on the
// controller's host.
func (d *Domain) SysvolPath() string { return home + "/state/sysvol/" + strings.ToLower(d.Realm) }

// configure writes the controller's configuration and makes its shares.
func (d *Domain) configure(ctx context.Context, o Options) (err error) {
	conf, err := d.DC.Read(home + "/etc/smb.conf")
	if err != nil {
		return err
	}
	if d.Authority, err = pki.New(d.run, d.Realm+" root"); err != nil {
		return err
	}
	certificate, err := d.Authority.Issue("rsa", d.Name(d.DC))
	if err != nil {
		return err
	}
	global := append([]string{
		"server services = s3fs, rpc, ldap, cldap, kdc, drepl, winbindd, dns",
		"rpc server port:drsuapi = " + fmt.Sprint(d.DRSPort), "dns forwarder =", "log level = 1", "load printers = no", "prefork children = 2",
		"dns update command = /bin/true", "spn update command = /bin/true", "samba kcc command = /bin/true", "gpo update command = /bin/true",
		"tls enabled = yes", "tls keyfile = " + home + "/server.key", "tls certfile = " + home + "/server.pem", "tls cafile =",
	}, o.Global...)
	text := strings.Replace(string(conf), "[global]", "[global]\n\t"+strings.Join(global, "\n\t"), 1)
	var dirs []string
	for _, share := range sorted(o.Shares) {
		dirs = append(dirs, Path(share))
		text += fmt.Sprintf("\n[%s]\n\tpath = %s\n\tread only = no\n\t%s\n", share, Path(share), strings.Join(o.Shares[share], "\n\t"))
	}
	if err := errors.Join(d.DC.Write(Config, text, 0o644), certificate.Write(d.DC, home+"/server")); err != nil {
		return err
	}
	script := "chmod 600 " + home + "/server.key && mkdir -p /run/samba"
	if len(dirs) > 0 {
		script += " && mkdir -p -m 777 " + strings.Join(dirs, " ")
	}
	_, err = d.DC.Run(ctx, lab.Command{Args: []string{"sh", "-c", script}})
	return errors.Join(err, d.DC.Resolver(d.DC))
}

// start starts the controller and waits for all of its services.
func (d *Domain) start(ctx context.Context) (err error) {
	d.samba, err = d.DC.Start(ctx, lab.Command{Args: []string{"samba", "-F", "--no-process-group", "--debug-stdout", "-s", home + "/etc/smb.conf"}})
	if err != nil {
		return err
	}
	for _, port := range []int{53, 88, 135, 389, 445, 636, d.DRSPort} {
		if err := Wait(ctx, d.DC, d.samba, port); err != nil {
			return err
		}
	}
	return nil
}

// Wait is WaitListen for a server that is slow on a busy machine.
func Wait(ctx context.Context, h *lab.Host, server *lab.Process, port int) (err error) {
	for range 4 {
		if err = h.WaitListen(ctx, "tcp", port); err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-server.Done():
			return fmt.Errorf("%w\n%s", err, server.Output())
		default:
		}
	}
	return fmt.Errorf("%w\n%s", err, server.Output())
}

func sorted[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

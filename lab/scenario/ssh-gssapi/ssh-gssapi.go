// Package sshgssapi is somebody who logs in by SSH with a Kerberos ticket.
package sshgssapi

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/ad"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
)

// Scenario gets a ticket from Active Directory and logs in with it, by
// GSSAPI's authentication or its key exchange.
var Scenario = lab.Scenario{
	Name:       "ssh-gssapi",
	Doc:        "A person logs in by SSH with a Kerberos ticket of an Active Directory domain and works in a shell. Teaches logins without key and password, and the ticket request beside them.",
	Labels:     []label.Label{label.Shell},
	Techniques: []string{"T1021.004", "T1059.004"},
	Twin:       "ssh-shell",
	Hosts:      []string{"client", "server", "dc"},
	Variants:   []lab.Variant{{Name: "openssh-openssh", Needs: ad.Needs(append(ssh.Needs("openssh", "openssh"), "samba-tool@samba-common-bin")...)}},
	Params: []lab.Param{
		ad.Realm, ad.People, ad.Kerberos, sshmore.Port, sshmore.Role, sshmore.Terminal,
		{Name: "exchange", Doc: "of keys: SSH's own, or GSSAPI's, by which both sides are known", Values: []string{"ssh", "gssapi"}},
		{Name: "delegate", Doc: "whether the ticket goes along", Values: []string{"no", "yes"}},
		{Name: "commands", Doc: "at least so many", Values: []string{"3", "6", "12"}},
	},
	Limit: 12 * time.Minute,
	Run:   run,
}

// keytab is where sshd finds the keys of its host.
const keytab = "/etc/krb5.keytab"

func run(ctx context.Context, r *lab.Run) error {
	client, server, dc := r.Host("client"), r.Host("server"), r.Host("dc")
	desk, err := sshmore.NewDesk(ctx, r, server, ssh.Options{Port: r.ParamInt("port"), Config: []string{
		"GSSAPIAuthentication yes", "GSSAPIKeyExchange yes", "GSSAPIStrictAcceptorCheck no",
	}})
	if err != nil {
		return err
	}
	d, err := ad.Start(ctx, r, dc, ad.Options{
		People: r.ParamInt("people"), Hosts: []*lab.Host{server},
		Edit: func(users []*ad.User) { users[0].Name = desk.User },
	})
	if err != nil {
		return err
	}
	if _, err := d.Join(ctx, server); err != nil {
		return err
	}
	s, err := d.Join(ctx, client)
	if err != nil {
		return err
	}
	if err := keys(ctx, d, server); err != nil {
		return err
	}
	c, err := ssh.NewClient(ctx, r, client, "openssh")
	if err != nil {
		return err
	}
	if err := c.Trust(ctx, desk.Server); err != nil {
		return err
	}
	env, err := s.Ticket(ctx, desk.User, d.Users[0].Password)
	if err != nil {
		return err
	}
	r.Installed(client, "kinit")
	keyExchange := map[string]string{"ssh": "no", "gssapi": "yes"}[r.Param("exchange")]
	args := c.Args(ssh.Login{Server: desk.Server, User: desk.User, Options: []string{
		"-o", "GSSAPIAuthentication=yes", "-o", "GSSAPIKeyExchange=" + keyExchange, "-o", "GSSAPIServerIdentity=" + d.Name(server),
		"-o", "GSSAPIDelegateCredentials=" + r.Param("delegate"), "-o", "PreferredAuthentications=gssapi-keyex,gssapi-with-mic",
	}})
	t, err := client.Terminal(ctx, lab.Command{Args: args, Env: env}, r.Param("terminal"))
	if err != nil {
		return err
	}
	sel := lab.Of(t.Process).And(lab.Service(server, "tcp", r.ParamInt("port")))
	r.Label(sel, label.Shell)
	err = sshmore.Work(ctx, r, t, sel, r.ParamInt("commands"), func() {
		r.Span(sel, t.Started(), r.Now(), label.StateHandshake, "GSSAPI")
	})
	if err != nil {
		return err
	}
	method := map[string]string{"ssh": "Accepted gssapi-with-mic for ", "gssapi": "Accepted gssapi-keyex for "}[r.Param("exchange")]
	if !strings.Contains(desk.Process.Output(), method+desk.User) {
		return fmt.Errorf("the server did not accept %s by %s\n%s", desk.User, method, desk.Process.Output())
	}
	return nil
}

// keys gives a host the keys of its services.
func keys(ctx context.Context, d *ad.Domain, h *lab.Host) error {
	const script = `samba-tool domain exportkeytab "$0" --principal="$1" -s "$2" >&2 && cat "$0"`
	text, err := d.DC.Run(ctx, lab.Command{Args: []string{"sh", "-c", script, d.DC.Dir() + "/keytab", "host/" + d.Name(h), ad.Config}})
	if err != nil {
		return err
	}
	return h.Write(keytab, string(text), 0o600)
}

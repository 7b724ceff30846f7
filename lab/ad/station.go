package ad

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tyto/lab"
	"tyto/lab/label"
)

// Kerberos is the knob of how a workstation reaches the domain controller's
// Kerberos service.
var Kerberos = lab.Param{Name: "kerberos", Doc: "transport of ticket requests, as far as the program lets one choose", Values: []string{"udp", "tcp"}}

// Station is a host that belongs to a domain.
type Station struct {
	*lab.Host
	Domain *Domain
}

// Join makes a host a member of the domain, as far as its programs are
// concerned: names, Kerberos, Samba, LDAP and the authority of certificates.
func (d *Domain) Join(ctx context.Context, h *lab.Host) (*Station, error) {
	limit := 1465
	if d.run.Param(Kerberos.Name) == "tcp" {
		limit = 1
	}
	lower := strings.ToLower(d.Realm)
	krb5 := fmt.Sprintf(`[libdefaults]
	default_realm = %[1]s
	dns_lookup_realm = false
	dns_lookup_kdc = true
	rdns = false
	udp_preference_limit = %[3]d
[realms]
	%[1]s = {
		default_domain = %[2]s
	}
[domain_realm]
	.%[2]s = %[1]s
	%[2]s = %[1]s
`, d.Realm, lower, limit)
	smb := fmt.Sprintf("[global]\n\tworkgroup = %s\n\trealm = %s\n\tsecurity = user\n\tnetbios name = %s\n\tkerberos method = system keytab\n", d.NetBIOS, d.Realm, strings.ToUpper(h.Name()))
	err := errors.Join(h.Write("/etc/krb5.conf", krb5, 0o644), h.Write("/etc/samba/smb.conf", smb, 0o644), h.Resolver(d.DC),
		h.Write("/etc/ldap/ldap.conf", "TLS_CACERT /etc/ssl/certs/ca-certificates.crt\nSASL_NOCANON on\nREFERRALS off\n", 0o644),
		Libraries(h), d.Authority.Trust(ctx, h))
	resolv, readErr := h.Read("/etc/resolv.conf")
	err = errors.Join(err, readErr, h.Write("/etc/resolv.conf", string(resolv)+"search "+lower+"\noptions timeout:4\n", 0o644))
	return &Station{h, d}, err
}

// Machine is the host's own account and its password.
func (s *Station) Machine() (name, password string) {
	return strings.ToUpper(s.Name()) + "$", s.Domain.pairs[s.Name()]
}

// Ticket gets a ticket-granting ticket for a user of the domain, in a cache
// that programs use with the environment that is returned.
func (s *Station) Ticket(ctx context.Context, user, password string) (env []string, err error) {
	cache := "/tmp/krb5cc-" + strings.Trim(user, "$")
	env = []string{"KRB5CCNAME=" + cache}
	p, err := s.Start(ctx, lab.Command{Args: []string{"kinit", s.Domain.Principal(user)}, Env: env, Stdin: strings.NewReader(password + "\n")})
	if err != nil {
		return nil, err
	}
	if err := p.Wait(ctx); err != nil {
		return nil, fmt.Errorf("ticket of %s: %w\n%s", user, err, p.Output())
	}
	s.Domain.run.Span(lab.Of(p).And(s.Kerberos()), p.Started(), s.Domain.run.Now(), label.StateHandshake, "ticket of "+user)
	if list, err := s.Run(ctx, lab.Command{Args: []string{"klist"}, Env: env}); err != nil || !strings.Contains(string(list), "krbtgt/"+s.Domain.Realm) {
		return nil, errors.Join(fmt.Errorf("no ticket of %s came:\n%s", user, list), err)
	}
	return env, nil
}

// Kerberos selects the flows to the domain's ticket service, by the transport
// that the station uses.
func (s *Station) Kerberos() lab.Selector {
	return lab.Service(s.Domain.DC, s.Domain.run.Param(Kerberos.Name), 88)
}

// Do runs a program to its end and tells that its flows of sel are an exchange
// and what they are about. It returns what the program wrote.
func (s *Station) Do(ctx context.Context, c lab.Command, sel lab.Selector, detail string, labels ...label.Label) (string, error) {
	p, err := s.Start(ctx, c)
	if err != nil {
		return "", err
	}
	sel = lab.Of(p).And(sel)
	s.Domain.run.Label(sel, labels...)
	if err := p.Wait(ctx); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", detail, err, p.Output())
	}
	s.Domain.run.Span(sel, p.Started(), s.Domain.run.Now(), label.StateExchange, detail)
	return p.Output(), nil
}

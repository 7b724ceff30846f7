package ad

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tyto/lab"
)

// KDC is a Kerberos realm without a directory: MIT's server.
type KDC struct {
	Realm string
	Users []*User
}

// KDCNeeds are the programs of StartKDC.
func KDCNeeds(more ...string) []string {
	return append([]string{"krb5kdc", "kadmin.local", "kdb5_util@krb5-kdc"}, more...)
}

// StartKDC starts a Kerberos server of the run's parameter "realm" on a host,
// with people of whom open need no pre-authentication. They come first.
func StartKDC(ctx context.Context, r *lab.Run, h *lab.Host, people, open int) (*KDC, error) {
	k := &KDC{Realm: r.Param("realm"), Users: drawPopulation(people, people, r.Rand()).Users}
	const types = "aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal arcfour-hmac:normal"
	conf := fmt.Sprintf("[libdefaults]\n\tdefault_realm = %[1]s\n\tdns_lookup_kdc = false\n\tallow_weak_crypto = true\n\tallow_rc4 = true\n[realms]\n\t%[1]s = {\n\t\tkdc = %[2]s\n\t}\n", k.Realm, h.Addr())
	kdc := fmt.Sprintf("[kdcdefaults]\n\tkdc_listen = 88\n\tkdc_tcp_listen = 88\n[realms]\n\t%s = {\n\t\tsupported_enctypes = %s\n\t\tmaster_key_type = aes256-cts\n\t}\n", k.Realm, types)
	var script strings.Builder
	for i, u := range k.Users {
		flag := "+requires_preauth"
		if i < open {
			flag = "-requires_preauth"
		}
		fmt.Fprintf(&script, "addprinc -pw %s %s %s\n", u.Password, flag, u.Name)
	}
	if err := errors.Join(h.Write("/etc/krb5.conf", conf, 0o644), h.Write("/etc/krb5kdc/kdc.conf", kdc, 0o600)); err != nil {
		return nil, err
	}
	const create = `mkdir -p /var/lib/krb5kdc && kdb5_util create -s -P "$0" >/dev/null && kadmin.local >/dev/null`
	if _, err := h.Run(ctx, lab.Command{Args: []string{"sh", "-c", create, Password(r.Rand())}, Stdin: strings.NewReader(script.String())}); err != nil {
		return nil, err
	}
	r.Installed(h, "krb5kdc")
	p, err := h.Start(ctx, lab.Command{Args: []string{"krb5kdc", "-n"}})
	if err != nil {
		return nil, err
	}
	for _, network := range []string{"udp", "tcp"} {
		if err := h.WaitListen(ctx, network, 88); err != nil {
			return nil, fmt.Errorf("%w\n%s", err, p.Output())
		}
	}
	return k, nil
}

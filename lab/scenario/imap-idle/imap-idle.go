// Package imapidle is a mail program that waits for mail.
package imapidle

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/typist"
	"tyto/lab/webapp"
)

// Scenario holds a session with IDLE; mail that is delivered is announced, and
// read at once.
var Scenario = lab.Scenario{
	Name:     "imap-idle",
	Doc:      "A mail program holds an IMAP session over TLS and reads mail when the server announces it. A held session in which the responder speaks first: the benign twin of a reverse shell.",
	Labels:   []label.Label{label.Poll},
	Twin:     "revshell-tls",
	Hosts:    []string{"client", "server"},
	Variants: []lab.Variant{{Name: "imaplib-dovecot", Needs: []string{"dovecot@dovecot-core", "/usr/lib/dovecot/imap@dovecot-imapd", "/usr/bin/python3", "openssl"}}},
	Params: []lab.Param{
		{Name: "mails", Doc: "that come", Values: []string{"2", "4", "8"}},
		{Name: "pause", Doc: "between them in seconds, about", Values: []string{"2", "6", "15"}},
		{Name: "words", Doc: "in a mail, at most", Values: []string{"20", "200", "3000"}},
		{Name: "port", Doc: "of the server", Values: []string{"993", "993", "1993"}},
	},
	Limit: 6 * time.Minute,
	Run:   run,
}

//go:embed client.py
var python string

// conf is for one user of the system, whose password is given.
const conf = `protocols = imap
base_dir = /run/dovecot
log_path = /dev/stderr
ssl = required
ssl_cert = <%[1]s/server.pem
ssl_key = <%[1]s/server.key
mail_location = maildir:/home/mortiz/mail
passdb {
  driver = static
  args = password=%[2]s
}
userdb {
  driver = passwd
}
service imap-login {
  chroot =
  inet_listener imaps {
    port = %[3]s
  }
}
`

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	const name = "imap.corp.example"
	password := fmt.Sprint("pw-", 100000+r.Rand().IntN(900000))
	_, err := webapp.Certify(ctx, r, server, "ecdsa", name, client)
	if err := errors.Join(err, server.AddUser(ctx, "mortiz", ""), client.Write("client.py", python, 0o644),
		server.Write("dovecot.conf", fmt.Sprintf(conf, server.Dir(), password, r.Param("port")), 0o644)); err != nil {
		return err
	}
	r.Software("server", "dovecot-imapd", lab.PackageVersion("dovecot-imapd"))
	r.Installed(client, "python3")
	if _, err := server.Start(ctx, lab.Command{Args: []string{"dovecot", "-F", "-c", server.Dir() + "/dovecot.conf"}}); err != nil {
		return err
	}
	if err := server.WaitListen(ctx, "tcp", r.ParamInt("port")); err != nil {
		return err
	}
	p, err := client.Start(ctx, lab.Command{Args: []string{"/usr/bin/python3", "client.py", name, r.Param("port"), password, r.Param("mails")}})
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.Poll)
	var mails []string
	for i := range r.ParamInt("mails") {
		if err := webapp.Await(ctx, p, "idle", i+1); err != nil {
			return err
		}
		if err := r.Sleep(ctx, time.Duration(float64(r.ParamInt("pause"))*min(r.Rand().ExpFloat64(), 3)*float64(time.Second))); err != nil {
			return err
		}
		mail := fmt.Sprintf("From: jlind@corp.example\nTo: mortiz@corp.example\nSubject: number %d\n\n%s\n", i, typist.Prose(1+r.Rand().IntN(r.ParamInt("words")), r.Rand()))
		// As a delivery agent does: written elsewhere, then moved.
		const deliver = `cd ~mortiz/mail && cat >tmp/$0 && chown mortiz: tmp/$0 && mv tmp/$0 new/$0`
		if _, err := server.Run(ctx, lab.Command{Args: []string{"sh", "-c", deliver, fmt.Sprintf("%d.mail.server", 1700000000+i)}, Stdin: strings.NewReader(mail)}); err != nil {
			return err
		}
		mails = append(mails, mail)
	}
	if err := p.Wait(ctx); err != nil {
		return err
	}
	for _, mail := range mails {
		if !strings.Contains(p.Output(), mail) {
			return fmt.Errorf("no such mail was read as\n%s", mail)
		}
	}
	state, since := label.StateHandshake, label.Time(0)
	for _, e := range webapp.Events(p) {
		r.Span(lab.Of(p), since, e.At, state, "")
		if state, since = label.StateExchange, e.At; e.What == "idle" {
			state = label.StateIdle
		}
	}
	r.Span(lab.Of(p), since, r.Now(), state, "")
	return nil
}

// Package ocspchecks is a program that asks whether certificates are revoked.
package ocspchecks

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario visits sites at a rhythm, and asks about their certificates.
var Scenario = lab.Scenario{
	Name:   "ocsp-checks",
	Doc:    "A program gets pages of sites at a rhythm and asks a responder over plain HTTP whether their certificates are revoked, where TLS begins or beside it. Small unencrypted posts to one server again and again: the benign twin of a beacon over HTTP.",
	Labels: []label.Label{label.Poll},
	Twin:   "c2-https",
	Hosts:  []string{"client", "server", "responder"},
	Variants: []lab.Variant{
		{Name: "go-openssl", Needs: []string{"openssl"}}, {Name: "go-go"},
		{Name: "openssl-openssl", Needs: []string{"openssl", "curl"}}, {Name: "openssl-go", Needs: []string{"openssl", "curl"}},
	},
	Params: auto.Params(lab.Param{Name: "sites", Doc: "that are visited in turn", Values: []string{"1", "3", "6"}}),
	Limit:  6 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{
		"sites": auto.ServeSites, "responder": auto.ServeOCSP, "client": auto.Careful,
	},
	Run: run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, server, responder := r.Host("client"), r.Host("server"), r.Host("responder")
	kind, other, _ := strings.Cut(r.Variant(), "-")
	pauses, err := auto.Pauses(r, 4)
	if err != nil {
		return err
	}
	var names []string
	hosts := make(map[string]*lab.Host)
	for i := range r.ParamInt("sites") {
		names = append(names, fmt.Sprintf("site%d.corp.example", i))
		hosts[names[i]] = server
	}
	if err := errors.Join(auto.Issuer(ctx, r, names), client.Names(hosts)); err != nil {
		return err
	}
	command := lab.Command{Program: "responder"}
	if other == "openssl" {
		command = auto.OpenSSLResponder()
		r.Installed(responder, "openssl")
	} else {
		r.Software("responder", "x/crypto/ocsp", runtime.Version())
	}
	r.Software("server", "net/http", runtime.Version())
	_, err1 := server.Start(ctx, lab.Command{Program: "sites", Args: names})
	_, err2 := responder.Start(ctx, command)
	if err := errors.Join(err1, err2, server.WaitListen(ctx, "tcp", 443), responder.WaitListen(ctx, "tcp", 80)); err != nil {
		return err
	}
	visit := withGo
	if kind == "openssl" {
		visit = withTools
		r.Installed(client, "openssl")
		r.Installed(client, "curl")
	} else {
		r.Software("client", "x/crypto/ocsp", runtime.Version())
	}
	for i, pause := range pauses {
		if err := errors.Join(r.Sleep(ctx, pause), visit(ctx, r, names[i%len(names)])); err != nil {
			return err
		}
	}
	r.Label(lab.From(client), label.Poll)
	return nil
}

// withGo visits a site with a program that asks before it reads.
func withGo(ctx context.Context, r *lab.Run, name string) error {
	p, err := r.Host("client").Start(ctx, lab.Command{Program: "client", Args: []string{name}})
	if err != nil {
		return err
	}
	if err := p.Wait(ctx); err != nil || !strings.Contains(p.Output(), "It works.") {
		return fmt.Errorf("%s: %w %s", name, err, p.Output())
	}
	told := webapp.Events(p)
	connected, checked := told[0].At, told[1].At
	site := lab.Of(p).And(lab.Service(r.Host("server"), "tcp", 443))
	r.Span(site, p.Started(), connected, label.StateHandshake, "")
	r.Span(site, checked, r.Now(), label.StateExchange, name)
	r.Span(lab.Of(p).And(lab.Service(r.Host("responder"), "tcp", 80)), connected, r.Now(), label.StateExchange, "OCSP")
	return nil
}

// withTools asks first, with one program, and visits the site with another.
func withTools(ctx context.Context, r *lab.Run, name string) error {
	asking := fmt.Sprintf("openssl ocsp -issuer ca.pem -cert %s.pem -CAfile ca.pem -url http://%s/ -timeout 20", name, r.Host("responder").Addr())
	for _, c := range []struct{ args, want string }{{asking, ": good"}, {"curl -sSf https://" + name + "/", "It works."}} {
		p, err := r.Host("client").Start(ctx, lab.Command{Args: strings.Fields(c.args)})
		if err != nil {
			return err
		}
		if err := p.Wait(ctx); err != nil || !strings.Contains(p.Output(), c.want) {
			return fmt.Errorf("%s: %w %s", c.args, err, p.Output())
		}
		r.Span(lab.Of(p), p.Started(), r.Now(), label.StateExchange, name)
	}
	return nil
}

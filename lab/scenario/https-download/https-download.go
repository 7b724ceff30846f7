// Package httpsdownload is files that are fetched from a web server.
package httpsdownload

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/pki"
	"tyto/lab/web"
)

// Scenario fetches some files, with think time in between, and compares them.
var Scenario = lab.Scenario{
	Name:       "https-download",
	Doc:        "Files are fetched over HTTPS, some in one connection. Teaches download apart from handshake and from other uses of TLS.",
	Labels:     []label.Label{label.Download},
	Techniques: []string{"T1105"},
	Twin:       "https-upload",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{variant("curl", "nginx"), variant("wget", "nginx"), variant("curl", "go"), variant("wget", "go")},
	Params: []lab.Param{
		{Name: "size", Doc: "of a file in kB, about", Values: []string{"4", "50", "400", "2500"}},
		{Name: "files", Doc: "in one connection", Values: []string{"1", "2", "5"}},
		{Name: "rounds", Doc: "connections, one after the other", Values: []string{"1", "2", "4"}},
		{Name: "key", Doc: "of the server's certificate", Values: []string{"ecdsa", "rsa"}},
	},
	Programs: web.Programs(),
	Run:      run,
}

func variant(client, server string) lab.Variant {
	return lab.Variant{Name: client + "-" + server, Needs: append(web.Needs(server), client)}
}

const site = "files.corp.example"

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	program, kind, _ := strings.Cut(r.Variant(), "-")
	r.Installed(client, program)
	authority, err := pki.New(r, "Lab Root R1")
	if err != nil {
		return err
	}
	cert, err := authority.Issue(r.Param("key"), site)
	if err != nil {
		return err
	}
	if err := errors.Join(authority.Trust(ctx, client), client.Names(map[string]*lab.Host{site: server})); err != nil {
		return err
	}
	s, err := web.Start(ctx, r, server, kind, cert)
	if err != nil {
		return err
	}
	var clients []*lab.Process
	for round := range r.ParamInt("rounds") {
		if round > 0 {
			if err := r.Think(ctx, r.Rand()); err != nil {
				return err
			}
		}
		p, err := fetch(ctx, r, s, program, round)
		if err != nil {
			return err
		}
		clients = append(clients, p)
	}
	requests, err := s.Stop()
	if err != nil {
		return err
	}
	for _, q := range requests {
		var round, file int
		if n, _ := fmt.Sscanf(q.Path, "/%d-%d.bin", &round, &file); n != 2 || round >= len(clients) {
			return fmt.Errorf("the server was asked for %s", q.Path)
		}
		p := clients[round]
		if file == 0 {
			r.Span(lab.Of(p), p.Started(), q.Began, label.StateHandshake, "")
		}
		r.Span(lab.Of(p), q.Began, q.Over, label.StateDownload, q.Path)
	}
	return nil
}

// fetch makes new files on the server, fetches and compares them.
func fetch(ctx context.Context, r *lab.Run, s *web.Server, program string, round int) (*lab.Process, error) {
	args := map[string][]string{"curl": {"curl", "-sSf", "--remote-name-all"}, "wget": {"wget", "-q"}}[program]
	files := make(map[string]string)
	for i := range r.ParamInt("files") {
		name := fmt.Sprintf("%d-%d.bin", round, i)
		files[name] = lab.Random(int(float64(r.ParamInt("size"))*1000*(.6+.8*r.Rand().Float64())), r.Rand())
		args = append(args, "https://"+site+"/"+name)
	}
	if err := r.Host("server").WriteFiles(s.Root, files); err != nil {
		return nil, err
	}
	p, err := r.Host("client").Start(ctx, lab.Command{Args: args})
	if err != nil {
		return nil, err
	}
	r.Label(lab.Of(p), label.Download)
	if err := p.Wait(ctx); err != nil {
		return nil, err
	}
	for name, want := range files {
		if got, err := r.Host("client").Read(name); err != nil || string(got) != want {
			return nil, fmt.Errorf("%s came as %d other bytes: %v", name, len(got), err)
		}
	}
	return p, nil
}

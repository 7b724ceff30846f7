// Package webdavfiles is somebody who works with files on a web share.
package webdavfiles

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/label"
	"tyto/lab/transfer"
	"tyto/lab/webapp"
)

// Scenario lists a share, gets, puts, moves and deletes files.
var Scenario = lab.Scenario{
	Name:     "webdav-files",
	Doc:      "A person works with files on a company's WebDAV share: lists, gets, puts, moves and deletes them, with time to think in between. The benign twin of exfiltration to a store on the web.",
	Labels:   []label.Label{label.Mount, label.Upload, label.Download},
	Twin:     "exfil-https",
	Hosts:    []string{"client", "server"},
	Variants: webapp.Variants("cadaver", "rclone", "curl", "requests"),
	Params: []lab.Param{
		auto.Connections(),
		{Name: "operations", Doc: "how many", Values: []string{"4", "8", "14"}},
		{Name: "files", Doc: "on the share at first", Values: []string{"3", "12", "40"}},
		{Name: "size", Doc: "of a file in kB, about", Values: []string{"4", "40", "250", "900"}},
		{Name: "http", Doc: "highest version", Values: []string{"1", "2"}},
	},
	Limit:    7 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": auto.ServeWebDAV, "client": auto.Steps},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, rng := r.Host("client"), r.Rand()
	kind, front, _ := strings.Cut(r.Variant(), "-")
	s, err := webapp.Start(ctx, r, r.Host("server"), webapp.Options{
		Kind: front, Name: "dav.corp.example", HTTP1: r.Param("http") == "1", Program: "server", Clients: []*lab.Host{client},
	})
	if err != nil {
		return err
	}
	content := func() string { return transfer.Content(r.ParamInt("size")*1000, rng) }
	share, own, got := make(map[string]string), make(map[string]string), make(map[string]string) // got is what must be there in the end
	var names []string
	for i := range r.ParamInt("files") {
		names = append(names, fmt.Sprintf("report%02d.pdf", i))
		share[names[i]] = content()
	}
	if err := s.Host.WriteFiles("share", share); err != nil {
		return err
	}
	var all []auto.Operation
	for i := range r.ParamInt("operations") {
		o := auto.Operation{Do: "list"}
		o.Pause = min(r.Typist().Think(80, rng), 10*time.Second)
		pick := rng.IntN(len(names))
		switch n := rng.IntN(7); {
		case n < 2:
			o.Do, o.Name = "put", fmt.Sprintf("draft%02d.odt", i)
			own[o.Name] = content()
			share[o.Name] = own[o.Name]
			names = append(names, o.Name)
		case n < 4:
			o.Do, o.Name = "get", names[pick]
			got[o.Name] = share[o.Name]
		case n == 4 && len(names) > 1:
			o.Do, o.Name, o.To = "move", names[pick], fmt.Sprintf("moved%02d.dat", i)
			share[o.To], names[pick] = share[o.Name], o.To
			delete(share, o.Name)
		case n == 5 && len(names) > 1:
			o.Do, o.Name = "delete", names[pick]
			delete(share, o.Name)
			names = append(names[:pick], names[pick+1:]...)
		}
		all = append(all, o)
	}
	if err := errors.Join(client.WriteFiles("", own), auto.Properties(client), auto.UseShare(ctx, r, s, kind, all)); err != nil {
		return err
	}
	if err := errors.Join(transfer.Same(s.Host, "share", share), transfer.Same(client, "got", got)); err != nil {
		return err
	}
	requests, err := s.Stop()
	if err != nil {
		return err
	}
	webapp.Tell(r, requests, func(q *webapp.Request) (label.State, string) {
		switch {
		case q.Method == "PUT":
			r.Label(q.Flow(), label.Upload)
			return label.StateUpload, q.Path
		case q.Method == "GET" && q.Status == 200:
			r.Label(q.Flow(), label.Download)
			return label.StateDownload, q.Path
		}
		return label.StateExchange, q.Method + " " + q.Path
	}, label.Mount)
	return nil
}

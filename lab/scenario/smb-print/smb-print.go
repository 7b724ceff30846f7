// Package smbprint is somebody who prints on a printer of the office.
package smbprint

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/ad"
	"tyto/lab/label"
	"tyto/lab/transfer"
)

// Scenario sends documents to a print server of Samba, which keeps them in
// place of a printer.
var Scenario = lab.Scenario{
	Name:   "smb-print",
	Doc:    "Somebody prints documents on a printer that is shared by SMB: by the print system's remote procedure calls, as Windows does, or as a file. An upload over SMB that is neither documents nor tools.",
	Labels: []label.Label{label.Upload},
	Twin:   "smb-tool-copy",
	Hosts:  []string{"client", "printer"},
	Variants: []lab.Variant{
		{Name: "spoolss-samba", Needs: []string{"smbd", "smbpasswd@samba-common-bin", "py:samba"}},
		{Name: "smbclient-samba", Needs: []string{"smbd", "smbpasswd@samba-common-bin", "py:samba", "smbclient"}},
	},
	Params: []lab.Param{
		ad.Protection,
		{Name: "jobs", Doc: "documents that are printed", Values: []string{"1", "2", "4"}},
		{Name: "size", Doc: "of them together in kB, about", Values: []string{"30", "120", "400"}},
		{Name: "part", Doc: "bytes in one call with spoolss", Values: []string{"4096", "16384", "65536"}},
		{Name: "pause", Doc: "between documents in seconds, about", Values: []string{"1", "5", "15"}},
	},
	Limit: 6 * time.Minute,
	Run:   run,
}

//go:embed print.py
var program string

func run(ctx context.Context, r *lab.Run) error {
	client := r.Host("client")
	if err := ad.Libraries(client); err != nil {
		return err
	}
	s := &server{Host: r.Host("printer"), share: []string{"office", "colour", "floor2", "hp4200"}[r.Rand().IntN(4)], user: "mortiz", password: ad.Password(r.Rand())}
	if err := s.start(ctx, r); err != nil {
		return err
	}
	documents := draw(r.ParamInt("jobs"), 1000*r.ParamInt("size"), r.Rand())
	var err error
	if r.Variant() == "spoolss-samba" {
		err = byCalls(ctx, r, client, s, documents)
	} else {
		err = byFile(ctx, r, client, s, documents)
	}
	if err != nil {
		return err
	}
	return s.check(ctx, documents)
}

// document is a file that is printed.
type document struct {
	Name    string `json:"name"`
	content string
}

// draw draws documents in a printer's language.
func draw(n, size int, rng *rand.Rand) (all []document) {
	for i := range n {
		form := []string{"%!PS-Adobe-3.0\n", "\x1b%-12345X@PJL ENTER LANGUAGE=PCL\r\n", "%PDF-1.5\n"}[rng.IntN(3)]
		all = append(all, document{fmt.Sprintf("document-%d-%d.prn", i, rng.IntN(1000)), form + transfer.Content(size/n, rng)})
	}
	return all
}

// byCalls prints with calls of the print system.
func byCalls(ctx context.Context, r *lab.Run, client *lab.Host, s *server, documents []document) error {
	r.Installed(client, "py:samba")
	for _, d := range documents {
		if err := client.Write(d.Name, d.content, 0o644); err != nil {
			return err
		}
	}
	work, err := json.Marshal(map[string]any{
		"server": s.Addr(), "printer": s.share, "user": s.user, "password": s.password, "documents": documents,
		"protection": r.Param("protection"), "part": r.ParamInt("part"), "pause": r.ParamInt("pause"),
	})
	if err != nil {
		return err
	}
	c, err := ad.Python(r, client, program, nil, string(work))
	if err != nil {
		return err
	}
	p, err := client.Start(ctx, c)
	if err != nil {
		return err
	}
	sel := lab.Of(p).And(lab.Service(s.Host, "tcp", 445))
	r.Label(sel, label.Upload)
	if err := p.Wait(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, p.Output())
	}
	count, err := ad.Tell(r, p, s.Host)
	if err == nil && strings.Count(p.Output(), "\njob ") != len(documents) {
		err = fmt.Errorf("%v: it printed\n%s", count, p.Output())
	}
	return err
}

// Package httpsbrowse is somebody who reads pages.
package httpsbrowse

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario reads the pages of a site, with time to read in between.
var Scenario = lab.Scenario{
	Name:     "https-browse",
	Doc:      "A person reads pages with style sheets, scripts and images over HTTPS, in one connection or several. Teaches the bursts of pages apart from transfers and shells.",
	Labels:   []label.Label{label.Browse},
	Twin:     "c2-https",
	Hosts:    []string{"client", "server"},
	Variants: webapp.Variants("chromium", "curl", "wget"),
	Params: []lab.Param{
		{Name: "pages", Doc: "that are read", Values: []string{"2", "4", "7"}},
		{Name: "objects", Doc: "of a page, about", Values: []string{"4", "15", "40"}},
		{Name: "size", Doc: "of an image in kB, at most", Values: []string{"4", "15", "50"}},
		{Name: "parallel", Doc: "transfers of curl at a time", Values: []string{"2", "6"}},
		{Name: "http", Doc: "highest version", Values: []string{"2", "1"}},
		{Name: "port", Doc: "of the server", Values: []string{"443", "443", "443", "8443"}},
	},
	Limit:    8 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": webapp.ServeFiles},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client := r.Host("client")
	kind, front, _ := strings.Cut(r.Variant(), "-")
	s, err := webapp.Start(ctx, r, r.Host("server"), webapp.Options{
		Kind: front, Name: "www.example", Port: r.ParamInt("port"), HTTP1: r.Param("http") == "1", Program: "server", Clients: []*lab.Host{client}, Args: []string{"site"},
	})
	if err != nil {
		return err
	}
	var reading []time.Duration
	for range r.ParamInt("pages") {
		reading = append(reading, min(r.Typist().Think(1500, r.Rand()), 20*time.Second))
	}
	site := webapp.NewSite(reading, r.ParamInt("objects"), r.ParamInt("size")*1000, r.Rand())
	if err := s.Host.WriteFiles("site", site.Files); err != nil {
		return err
	}
	if _, err := webapp.Client(r, client, kind, ""); err != nil {
		return err
	}
	if kind == "chromium" {
		err = site.Read(ctx, client, s)
	} else {
		for i := range site.Pages {
			if err = fetch(ctx, r, s, site, kind, i); err == nil && i+1 < len(site.Pages) {
				err = r.Sleep(ctx, reading[i])
			}
			if err != nil {
				break
			}
		}
	}
	if err != nil {
		return err
	}
	requests, err := s.Stop()
	if err != nil {
		return err
	}
	webapp.Tell(r, requests, func(*webapp.Request) (label.State, string) { return 0, "" }, label.Browse)
	// A page is a burst in each of its connections.
	type burst struct {
		page int
		from netip.AddrPort
	}
	bursts, page := make(map[burst][]*webapp.Request), 0
	slices.SortFunc(requests, func(a, b webapp.Request) int { return cmp.Compare(a.Began, b.Began) })
	for i := range requests {
		fmt.Sscanf(requests[i].Path, "/p%d/", &page) // what all pages share has another path
		b := burst{page, requests[i].From}
		bursts[b] = append(bursts[b], &requests[i])
	}
	half := label.Time(r.Profile().RTT.Duration() / 2)
	for b, all := range bursts {
		last := slices.MaxFunc(all, func(a, b *webapp.Request) int { return cmp.Compare(a.Over, b.Over) })
		r.Span(all[0].Flow(), all[0].Began-half, last.Over+half, label.StateBrowse, site.Pages[b.page])
	}
	return nil
}

// fetch gets a page and what it holds, and compares.
func fetch(ctx context.Context, r *lab.Run, s *webapp.Server, site *webapp.Site, kind string, i int) error {
	client, page := r.Host("client"), site.Pages[i]+"index.html"
	script := "wget -q -p -nH " + s.URL("/"+page)
	if kind == "curl" {
		script = "curl -sSf --create-dirs -o " + page + " " + s.URL("/"+site.Pages[i]) + " && curl -sSf --create-dirs --parallel --parallel-max " + r.Param("parallel")
		for _, name := range site.Objects[i] {
			script += " -o " + name + " " + s.URL("/"+name)
		}
	}
	if _, err := client.Run(ctx, lab.Command{Args: []string{"sh", "-c", script}}); err != nil {
		return err
	}
	for _, name := range append(site.Objects[i], page) {
		if got, err := client.Read(name); err != nil || string(got) != site.Files[name] {
			return fmt.Errorf("%s came as %d other bytes: %v", name, len(got), err)
		}
	}
	return nil
}

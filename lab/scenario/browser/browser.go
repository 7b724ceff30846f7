// Package browser is somebody who reads pages of sites with many hosts.
package browser

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario reads pages whose objects are on three hosts.
var Scenario = lab.Scenario{
	Name:   "browser",
	Doc:    "A person reads pages of many kinds in Chromium: news, texts, wares, applications, with pictures, scripts and data on several hosts, over HTTP/1.1 and HTTP/2. Teaches what browsing looks like in many sessions at once.",
	Labels: []label.Label{label.Browse},
	Twin:   "c2-https",
	Hosts:  []string{"client", "www", "static", "media"},
	Variants: []lab.Variant{
		{Name: "chromium-nginx", Needs: []string{auto.Chromium, "nginx", "openssl"}}, {Name: "chromium-go", Needs: []string{auto.Chromium, "openssl"}}, {Name: "chromium-mixed", Needs: []string{auto.Chromium, "nginx", "openssl"}},
	},
	Params: []lab.Param{
		{Name: "pages", Doc: "that are read", Values: []string{"2", "4", "7"}},
		{Name: "objects", Doc: "of a page, about", Values: []string{"5", "15", "40"}},
		{Name: "size", Doc: "of an image in kB, at most", Values: []string{"4", "15", "50"}},
		{Name: "hosts", Doc: "on which the objects are", Values: []string{"1", "2", "3"}},
		{Name: "http", Doc: "highest version; mixed has another for each host", Values: []string{"2", "1", "mixed"}},
	},
	Limit:    8 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": webapp.ServeFiles},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, rng := r.Host("client"), r.Rand()
	var servers []*webapp.Server
	var authorities []string
	for i, name := range []string{"www", "static", "media"}[:r.ParamInt("hosts")] {
		kind := map[string]string{"chromium-nginx": "nginx", "chromium-go": "go", "chromium-mixed": []string{"nginx", "go"}[rng.IntN(2)]}[r.Variant()]
		s, err := webapp.Start(ctx, r, r.Host(name), webapp.Options{
			Kind: kind, Name: name + ".daily.example", HTTP1: r.Param("http") == "1" || r.Param("http") == "mixed" && i%2 == 1, Program: "server", Clients: []*lab.Host{client}, Args: []string{"site"},
		})
		if err != nil {
			return err
		}
		servers, authorities = append(servers, s), append(authorities, s.Authority())
	}
	var reading []time.Duration
	for range r.ParamInt("pages") {
		reading = append(reading, min(r.Typist().Think(1500, rng), 15*time.Second))
	}
	pages := auto.DrawPages(authorities, reading, r.ParamInt("objects"), r.ParamInt("size")*1000, rng)
	var err error
	for i, s := range servers {
		files := pages.Files[i]
		files["robots.txt"] = "User-agent: *\n"
		err = errors.Join(err, s.Host.WriteFiles("site", files))
	}
	if err != nil {
		return err
	}
	r.Installed(client, auto.Chromium)
	if err := pages.Read(ctx, client, servers[0].App, "--ignore-certificate-errors"); err != nil {
		return err
	}
	half := label.Time(r.Profile().RTT.Duration() / 2)
	var all []auto.Fetched
	for i, s := range servers {
		requests, err := s.Stop()
		if err != nil {
			return err
		}
		webapp.Tell(r, requests, func(*webapp.Request) (label.State, string) { return 0, "" }, label.Browse)
		for _, q := range requests {
			all = append(all, auto.Fetched{Began: q.Began - half, Over: q.Over + half, Flow: q.Flow(), Key: fmt.Sprint(i, q.From)})
		}
	}
	r.Label(lab.From(client), label.Browse) // some connections are never used
	auto.TellBursts(r, all, servers[0].App)
	return nil
}

// Package browserhttp3 is somebody who reads pages over HTTP/3.
package browserhttp3

import (
	"context"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/label"
)

// Scenario reads pages whose objects are on three hosts, over QUIC.
var Scenario = lab.Scenario{
	Name:     "browser-http3",
	Doc:      "A person reads pages of many kinds in Chromium over HTTP/3, with objects on several hosts, of which some may still have HTTP/2. Teaches the bursts of pages where all is UDP.",
	Labels:   []label.Label{label.Browse},
	Twin:     "c2-quic",
	Hosts:    []string{"client", "www", "static", "media"},
	Variants: []lab.Variant{{Name: "chromium-go", Needs: []string{auto.Chromium, "openssl"}}},
	Params: []lab.Param{
		auto.PacketParam(),
		{Name: "others", Doc: "what the hosts of objects speak, beside that of the pages", Values: []string{"http3", "http3", "http2"}},
		{Name: "pages", Doc: "that are read", Values: []string{"2", "4", "7"}},
		{Name: "objects", Doc: "of a page, about", Values: []string{"5", "15", "40"}},
		{Name: "size", Doc: "of an image in kB, at most", Values: []string{"4", "15", "50"}},
		{Name: "hosts", Doc: "on which the objects are", Values: []string{"1", "2", "3"}},
	},
	Limit:    8 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": auto.ServeHTTP3},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, rng := r.Host("client"), r.Rand()
	hosts := []string{"www", "static", "media"}[:r.ParamInt("hosts")]
	var names, origins, hashes []string
	for _, h := range hosts {
		names, origins = append(names, h+".daily.example"), append(origins, h+".daily.example:443")
	}
	var reading []time.Duration
	for range r.ParamInt("pages") {
		reading = append(reading, min(r.Typist().Think(1500, rng), 15*time.Second))
	}
	pages := auto.DrawPages(names, reading, r.ParamInt("objects"), r.ParamInt("size")*1000, rng)
	var servers []*auto.HTTP3
	for i, h := range hosts {
		pages.Files[i]["robots.txt"] = "User-agent: *\n"
		s, err := auto.StartHTTP3(ctx, r, r.Host(h), names[i], pages.Files[i])
		if err != nil {
			return err
		}
		hash, err := s.KeyHash(ctx)
		if err != nil {
			return err
		}
		servers, hashes = append(servers, s), append(hashes, hash)
	}
	if r.Param("others") == "http2" {
		origins = origins[:1]
	}
	flags := []string{"--ignore-certificate-errors-spki-list=" + strings.Join(hashes, ","), "--enable-quic", "--origin-to-force-quic-on=" + strings.Join(origins, ",")}
	r.Installed(client, auto.Chromium)
	if err := pages.Read(ctx, client, servers[0].App, flags...); err != nil {
		return err
	}
	var all []auto.Fetched
	for _, s := range servers {
		requests, err := s.Stop(r, label.Browse)
		if err != nil {
			return err
		}
		for _, q := range requests {
			all = append(all, q.Fetched)
		}
	}
	r.Label(lab.From(client), label.Browse) // some connections are never used
	auto.TellBursts(r, all, servers[0].App)
	return nil
}

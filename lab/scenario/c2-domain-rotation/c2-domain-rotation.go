// Package c2domainrotation is a beacon with many domains.
package c2domainrotation

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
	"tyto/lab/label"
)

// Scenario lets an agent look for its controller under several domains.
var Scenario = lab.Scenario{
	Name:       "c2-domain-rotation",
	Doc:        "An agent looks for its controller under one domain after the other: made-up names that do not exist, servers that are gone, and some that answer, where it stays or from which it goes on each time. Teaches failed lookups and fallback before a beacon.",
	Labels:     c2.Labels(),
	Techniques: []string{"T1568.002", "T1008", "T1071.001", "T1071.004", "T1573.002"},
	Twin:       "dns-lookups",
	Hosts:      []string{"client", "resolver", "server"},
	Near:       []string{"resolver"},
	Variants: []lab.Variant{
		{Name: "go-go", Needs: []string{"unbound", "openssl", "ss", "ps", "ip"}}, {Name: "go-nginx", Needs: []string{"unbound", "nginx", "openssl", "ss", "ps", "ip"}},
		{Name: "curl-go", Needs: []string{"unbound", "curl", "openssl", "ss", "ps", "ip"}},
	},
	Params: c2.AllParams(
		lab.Param{Name: "choice", Doc: "of the domain: that which answered last, or the next each time", Values: []string{"stay", "next"}},
		lab.Param{Name: "domains", Doc: "that answer", Values: []string{"1", "2", "4"}},
		lab.Param{Name: "missing", Doc: "names that do not exist", Values: []string{"0", "3", "12", "30"}},
		lab.Param{Name: "gone", Doc: "domains whose server refuses", Values: []string{"0", "1", "2"}},
		lab.Param{Name: "http", Doc: "version", Values: []string{"1", "2"}},
		lab.Param{Name: "connection", Doc: "a new one each time, or one as long as it stays; always new with curl", Values: []string{"new", "keep"}},
		lab.Param{Name: "shape", Doc: "of messages: bare, in cookies and pages, in JSON with padding", Values: []string{"raw", "cookie", "json"}},
		lab.Param{Name: "certificate", Doc: "checked by the agent or not", Values: []string{"checked", "ignored"}}),
	Programs: c2.Programs(),
	Limit:    7 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, resolver, server, rng := r.Host("client"), r.Host("resolver"), r.Host("server"), r.Rand()
	p, err := c2.Draw(r, false)
	if err != nil {
		return err
	}
	program, web, _ := strings.Cut(r.Variant(), "-")
	if program == "curl" {
		r.SetParam("connection", "new")
		r.Installed(client, "curl")
	}
	if r.Param("choice") == "next" { // all of them each time
		r.SetParam("missing", fmt.Sprint(min(r.ParamInt("missing"), 3)))
	}
	zone := make(map[string]netip.Addr)
	add := func(n int, addr netip.Addr, known bool) {
		for range n {
			name := c2.MadeUp(rng)
			if p.Names = append(p.Names, name); known {
				zone[name] = addr
			}
		}
	}
	p.Server, p.Resolver = netip.AddrPortFrom(server.Addr(), 443), netip.AddrPortFrom(resolver.Addr(), 53)
	add(r.ParamInt("missing"), netip.Addr{}, false)
	add(r.ParamInt("gone"), resolver.Addr(), true) // has no web server
	for i := range r.ParamInt("domains") {
		addr := server.Addr()
		if i > 0 {
			if addr, err = server.AddAddr(ctx); err != nil {
				return err
			}
		}
		add(1, addr, true)
	}
	rng.Shuffle(len(p.Names), func(i, j int) { p.Names[i], p.Names[j] = p.Names[j], p.Names[i] })
	p.Transport, p.Client, p.Front, p.Name = "rotate", program, web == "nginx", p.Names[0]
	p.HTTP2, p.KeepAlive, p.Shape, p.Choice = r.Param("http") == "2", r.Param("connection") == "keep", r.Param("shape"), r.Param("choice")
	p.Insecure, p.Part = r.Param("certificate") == "ignored", 64<<10
	if err := c2.Zone(ctx, r, resolver, zone); err != nil {
		return err
	}
	if err := c2.Secure(ctx, r, client, server, p); err != nil {
		return err
	}
	s, err := c2.Prepare(ctx, r, client, server, p)
	if err != nil {
		return err
	}
	if err := s.Play(ctx, r, client, server); err != nil {
		return err
	}
	r.Label(lab.Of(s.Agent), label.Beacon) // where nobody answered, too
	return nil
}

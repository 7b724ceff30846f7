// Package c2officehours is a beacon that is silent out of hours.
package c2officehours

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
)

// Scenario lets an agent check in for some time, then be silent, and again.
var Scenario = lab.Scenario{
	Name:       "c2-office-hours",
	Doc:        "An agent checks in with its controller over HTTPS for a while, then rests without a sign, and again: the hours of an office, which are seconds here. Teaches beacons whose rhythm has long gaps.",
	Labels:     c2.Labels(),
	Techniques: []string{"T1071.001", "T1573.002", "T1029", "T1041", "T1105"},
	Twin:       "config-agent",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "go-go", Needs: []string{"openssl", "ss", "ps", "ip"}}, {Name: "go-nginx", Needs: []string{"nginx", "openssl", "ss", "ps", "ip"}},
		{Name: "curl-go", Needs: []string{"curl", "openssl", "ss", "ps", "ip"}}, {Name: "websocket-go", Needs: []string{"openssl", "ss", "ps", "ip"}},
	},
	Params: c2.AllParams(
		lab.Param{Name: "shifts", Doc: "times of work", Values: []string{"2", "3", "4"}},
		lab.Param{Name: "work", Doc: "seconds of each, about", Values: []string{"5", "10", "16"}},
		lab.Param{Name: "rest", Doc: "seconds between them, about", Values: []string{"12", "20", "30"}},
		lab.Param{Name: "http", Doc: "version", Values: []string{"1", "2"}},
		lab.Param{Name: "connection", Doc: "a new one each time, or one for each shift; always new with curl", Values: []string{"new", "keep"}},
		lab.Param{Name: "shape", Doc: "of messages: bare, in cookies and pages, in JSON with padding", Values: []string{"raw", "cookie", "json"}},
		lab.Param{Name: "certificate", Doc: "checked by the agent or not", Values: []string{"checked", "ignored"}},
		lab.Param{Name: "name", Doc: "of the server", Values: []string{"cdn-sync.example", "api.telemetry.example", "www.weather.example.net", "static.example.org"}}),
	Programs: c2.Programs(),
	Limit:    7 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	interval, err := time.ParseDuration(r.Param("interval"))
	if err != nil {
		return err
	}
	if most := 4 * time.Second; interval > most { // some times in each shift
		r.SetParam("interval", most.String())
	}
	p, err := c2.Draw(r, false)
	if err != nil {
		return err
	}
	program, web, _ := strings.Cut(r.Variant(), "-")
	if p.Transport = "https"; program == "websocket" {
		p.Transport = program
		r.SetParam("http", "1")
		r.SetParam("connection", "keep")
		r.SetParam("shape", "raw")
	}
	if program == "curl" {
		r.SetParam("connection", "new")
		r.Installed(client, "curl")
	}
	for range r.ParamInt("shifts") {
		about := func(seconds int) time.Duration {
			return time.Duration(float64(seconds) * (.7 + .6*r.Rand().Float64()) * float64(time.Second))
		}
		p.Shifts = append(p.Shifts, c2.Shift{Work: about(r.ParamInt("work")), Rest: about(r.ParamInt("rest"))})
	}
	r.Note(fmt.Sprint("hours of work and rest are seconds: ", p.Shifts))
	p.Client, p.Front, p.Name, p.Checkins = program, web == "nginx", r.Param("name"), 3
	p.HTTP2, p.KeepAlive, p.Shape = r.Param("http") == "2", r.Param("connection") == "keep", r.Param("shape")
	p.Server, p.Insecure, p.Part = netip.AddrPortFrom(server.Addr(), 443), r.Param("certificate") == "ignored", 64<<10
	if err := c2.Secure(ctx, r, client, server, p); err != nil {
		return err
	}
	s, err := c2.Prepare(ctx, r, client, server, p)
	if err != nil {
		return err
	}
	return s.Play(ctx, r, client, server)
}

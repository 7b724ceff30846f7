// Package c2quic is a beacon over QUIC.
package c2quic

import (
	"context"
	"net/netip"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
)

// Scenario lets an agent check in over QUIC, and gives it work now and then.
var Scenario = lab.Scenario{
	Name:       "c2-quic",
	Doc:        "An agent checks in over HTTP/3 or in bare QUIC streams, in one connection or a new one each time, and is given work at times. Teaches beacons where all is UDP and even the handshake is encrypted.",
	Labels:     c2.Labels(),
	Techniques: []string{"T1071.001", "T1573.002", "T1041", "T1105"},
	Twin:       "http3-download",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{{Name: "http3", Needs: []string{"openssl", "ss", "ps", "ip"}}, {Name: "quic", Needs: []string{"openssl", "ss", "ps", "ip"}}},
	Params: c2.AllParams(
		lab.Param{Name: "connection", Doc: "a new one each time, or one for all", Values: []string{"new", "keep"}},
		lab.Param{Name: "ping", Doc: "time between pings of a kept connection; none if 0", Values: []string{"0s", "5s", "15s"}},
		lab.Param{Name: "packet", Doc: "bytes of the first packets, as far as the network lets them pass", Values: []string{"1200", "1252", "1280", "1350"}},
		lab.Param{Name: "shape", Doc: "of messages in HTTP/3: bare, in cookies and pages, in JSON with padding", Values: []string{"raw", "cookie", "json"}},
		lab.Param{Name: "part", Doc: "kB of a file in one message", Values: []string{"16", "64", "128"}},
		lab.Param{Name: "certificate", Doc: "checked by the agent or not", Values: []string{"checked", "ignored"}},
		lab.Param{Name: "name", Doc: "of the server", Values: []string{"cdn-sync.example", "api.telemetry.example", "quic.weather.example.net"}}),
	Programs: c2.Programs(),
	Limit:    6 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	p, err := c2.Draw(r, false)
	if err != nil {
		return err
	}
	if p.Ping, err = time.ParseDuration(r.Param("ping")); err != nil {
		return err
	}
	if p.PacketSize = r.ParamInt("packet"); p.PacketSize > r.Profile().MTU-28 {
		p.PacketSize = 1200
		r.SetParam("packet", "1200")
	}
	if p.Shape = r.Param("shape"); r.Variant() == "quic" {
		p.Shape = "raw"
		r.SetParam("shape", "raw")
	}
	p.Transport, p.Client, p.Name, p.KeepAlive = r.Variant(), "go", r.Param("name"), r.Param("connection") == "keep"
	p.Server, p.Local = netip.AddrPortFrom(server.Addr(), 443), client.Addr()
	p.Insecure, p.Part = r.Param("certificate") == "ignored", 1024*r.ParamInt("part")
	if err := c2.Secure(ctx, r, client, server, p); err != nil {
		return err
	}
	s, err := c2.Prepare(ctx, r, client, server, p)
	if err != nil {
		return err
	}
	return s.Play(ctx, r, client, server)
}

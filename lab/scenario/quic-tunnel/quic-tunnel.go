// Package quictunnel is connections or a network inside QUIC.
package quictunnel

import (
	"context"
	"fmt"
	"time"

	"tyto/lab"
	"tyto/lab/anon"
	"tyto/lab/inner"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario reaches a third host through QUIC.
var Scenario = lab.Scenario{
	Name:       "quic-tunnel",
	Doc:        "A tunnel of the lab's own inside QUIC: each inner connection in a stream, of one QUIC connection or of its own, or whole IP packets in datagrams. Teaches tunnels beside HTTP/3.",
	Labels:     []label.Label{label.Tunnel},
	Techniques: []string{"T1572", "T1573.002"},
	Twin:       "https-download",
	Hosts:      []string{"client", "server", "web"},
	Variants: []lab.Variant{
		{Name: "streams", Needs: inner.Needs()}, {Name: "connections", Needs: inner.Needs()}, {Name: "datagrams", Needs: inner.Needs("ip", "ping")},
	},
	Params: append(inner.Params("40", "300", "1500"),
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"443", "443", "443", "8443", "4433"}},
		lab.Param{Name: "alpn", Doc: "protocol that is offered", Values: []string{"h3", "h3", "hq-interop", "tunnel/1", "doq"}},
		lab.Param{Name: "name", Doc: "of the server", Values: []string{"edge.example.net", "www.example.org", "media.cdn.example"}},
		lab.Param{Name: "keepalive", Doc: "seconds of silence until something is sent; 0 is never", Values: []string{"0", "10", "25"}},
		lab.Param{Name: "probe", Doc: "whether larger packets are tried than at first", Values: []string{"yes", "no"}},
		lab.Param{Name: "mtu", Doc: "of the device, with datagrams", Values: []string{"1000", "1100", "1150"}},
	),
	Programs: programs(),
	Limit:    10 * time.Minute,
	Run:      run,
}

func programs() map[string]func(context.Context, []string) error {
	all := inner.Programs()
	all["quic-client"], all["quic-server"] = anon.QUICClient, anon.QUICServer
	return all
}

func run(ctx context.Context, r *lab.Run) error {
	client, server, web := r.Host("client"), r.Host("server"), r.Host("web")
	datagrams := r.Variant() == "datagrams"
	if datagrams {
		web = server
	}
	s, err := inner.Start(ctx, r, web, true)
	if err != nil {
		return err
	}
	if err := server.Names(map[string]*lab.Host{s.Name: web}); err != nil {
		return err
	}
	if _, err := webapp.Certify(ctx, r, server, "ecdsa", r.Param("name"), client); err != nil {
		return err
	}
	q := anon.QUIC{
		Name: r.Param("name"), ALPN: r.Param("alpn"), Device: datagrams, Each: r.Variant() == "connections",
		KeepAlive: time.Duration(r.ParamInt("keepalive")) * time.Second, PacketSize: uint16(min(1280, r.Profile().MTU-28)), Probe: r.Param("probe") == "yes", MTU: r.ParamInt("mtu"),
	}
	network := fmt.Sprintf("10.33.%d.", r.Rand().IntN(250))
	q.Addrs = [2]string{network + "2", network + "1"}
	if err := q.Serve(ctx, r, server, r.ParamInt("port")); err != nil {
		return err
	}
	q.Address = fmt.Sprintf("%s:%s", server.Addr(), r.Param("port"))
	if datagrams {
		return carryPackets(ctx, r, s, q)
	}
	return s.Carry(ctx, r, func(ctx context.Context, activity string) (inner.Way, error) {
		own, entry := q, inner.LocalPort(activity)
		target := fmt.Sprintf("%s:%d", s.Name, s.Port)
		if activity == "shell" {
			target = s.Name + ":22"
		}
		own.Entries = map[string]string{fmt.Sprint("127.0.0.1:", entry): target}
		p, err := own.Up(ctx, r, client)
		if err != nil {
			return inner.Way{}, err
		}
		return inner.Way{Addr: "127.0.0.1", Web: entry, SSH: entry, Outer: inner.Single(lab.Of(p)), Each: q.Each, Labels: []label.Label{label.Tunnel}}, client.WaitListen(ctx, "tcp", entry)
	})
}

// carryPackets carries all in one device.
func carryPackets(ctx context.Context, r *lab.Run, s *inner.Services, q anon.QUIC) error {
	p, err := q.Up(ctx, r, r.Host("client"))
	if err != nil {
		return err
	}
	if err := inner.Answers(ctx, r.Host("client"), anon.DeviceName, q.Addrs[1]); err != nil {
		return err
	}
	if err := s.Carry(ctx, r, inner.Direct(q.Addrs[1], lab.Of(p))); err != nil {
		return err
	}
	p.Stop()
	return nil
}

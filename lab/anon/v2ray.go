package anon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// V2Ray is a way from v2ray on the host "client" to v2ray on the host "proxy",
// which makes connections to the host "web".
type V2Ray struct {
	Protocol string // "vmess", "vless", "trojan"
	Network  string // "tcp", "ws", "kcp"
	Settings Object // of the network
	TLS      bool   // v2ray speaks TLS on the server
	// Port is where the client connects to. Behind, if it is not 0, is where
	// the server listens on 127.0.0.1 instead, behind a web server that speaks
	// TLS on Port, which Front starts.
	Port   int
	Behind int
	Front  func(context.Context) error
}

// V2RayParams are the parameters of all ways of v2ray, and more.
func V2RayParams(more ...lab.Param) []lab.Param {
	return append(append(inner.Params("40", "300", "1500"),
		lab.Param{Name: "mux", Doc: "inner connections in one outer one; 0 gives each its own", Values: []string{"0", "0", "4", "8"}},
		lab.Param{Name: "security", Doc: "of vmess", Values: []string{"auto", "aes-128-gcm", "chacha20-poly1305", "none"}},
		lab.Param{Name: "alter", Doc: "IDs of vmess beside the first; with none the header is of the newer kind", Values: []string{"0", "0", "16", "64"}}),
		more...)
}

// Name is of the servers that speak TLS.
const Name = "cdn.video-edge.example"

// Carry starts both ends and carries what the run says.
func (v V2Ray) Carry(ctx context.Context, r *lab.Run) error {
	client, proxy, web := r.Host("client"), r.Host("proxy"), r.Host("web")
	s, err := inner.Start(ctx, r, web, true)
	if err != nil {
		return err
	}
	if err := proxy.Names(map[string]*lab.Host{s.Name: web}); err != nil {
		return err
	}
	if v.TLS || v.Front != nil {
		if _, err := webapp.Certify(ctx, r, proxy, "ecdsa", Name, client); err != nil {
			return err
		}
	}
	user := v.user(r)
	if err := v.serve(ctx, r, proxy, user); err != nil {
		return err
	}
	r.Installed(client, "v2ray")
	entries := Entries(r, func(port int) (lab.Command, error) {
		file := fmt.Sprintf("v2ray-%d.json", port)
		return lab.Command{Args: []string{"v2ray", "-config", file}}, WriteJSON(client, file, v.outbound(r, proxy, user, port))
	}, label.Proxy, label.Tunnel)
	return s.Carry(ctx, r, func(ctx context.Context, activity string) (inner.Way, error) {
		way, err := entries(ctx, activity)
		if v.Network == "kcp" && r.ParamInt("mux") == 0 {
			way.Linger = 5 * time.Second
		}
		return way, err
	})
}

// user is the account, as both ends name it.
func (v V2Ray) user(r *lab.Run) Object {
	switch v.Protocol {
	case "trojan":
		return Object{"password": fmt.Sprintf("tj%016x", r.Rand().Uint64())}
	case "vless":
		return Object{"id": uuid(r.Rand()), "encryption": "none"}
	default:
		return Object{"id": uuid(r.Rand()), "alterId": r.ParamInt("alter"), "security": r.Param("security")}
	}
}

// serve starts the server, and what is in front of it.
func (v V2Ray) serve(ctx context.Context, r *lab.Run, h *lab.Host, user Object) error {
	listen, port := "0.0.0.0", v.Port
	if v.Front != nil {
		listen, port = "127.0.0.1", v.Behind
	}
	stream := v.stream()
	if v.TLS {
		stream["security"], stream["tlsSettings"] = "tls", Object{"certificates": []Object{{"certificateFile": h.Dir() + "/server.pem", "keyFile": h.Dir() + "/server.key"}}}
	}
	account := maps.Clone(user)
	delete(account, "encryption")
	delete(account, "security")
	settings := Object{"clients": []Object{account}}
	if v.Protocol == "vless" {
		settings["decryption"] = "none"
	}
	err := WriteJSON(h, "v2ray.json", Object{
		"log": Object{"loglevel": "warning"}, "policy": patience,
		"inbounds":  []Object{{"listen": listen, "port": port, "protocol": v.Protocol, "settings": settings, "streamSettings": stream}},
		"outbounds": []Object{{"protocol": "freedom", "settings": Object{}}},
	})
	if err != nil {
		return err
	}
	r.Installed(h, "v2ray")
	p, err := h.Start(ctx, lab.Command{Args: []string{"v2ray", "-config", "v2ray.json"}})
	if err != nil {
		return err
	}
	proto := "tcp"
	if v.Network == "kcp" {
		proto = "udp"
	}
	if err := h.WaitListen(ctx, proto, port); err != nil {
		return fmt.Errorf("%w:\n%s", err, p.Output())
	}
	if v.Front == nil {
		return nil
	}
	return errors.Join(v.Front(ctx), h.WaitListen(ctx, "tcp", v.Port))
}

// outbound is the client's configuration, with a SOCKS proxy on a port.
func (v V2Ray) outbound(r *lab.Run, proxy *lab.Host, user Object, port int) Object {
	stream := v.stream()
	if v.TLS || v.Front != nil {
		stream["security"], stream["tlsSettings"] = "tls", Object{"serverName": Name}
	}
	server := Object{"address": proxy.Addr().String(), "port": v.Port}
	settings := Object{"vnext": []Object{server}}
	if v.Protocol == "trojan" {
		settings = Object{"servers": []Object{server}}
		maps.Copy(server, user)
	} else {
		server["users"] = []Object{user}
	}
	mux := r.ParamInt("mux")
	return Object{
		"log": Object{"loglevel": "warning"}, "policy": patience,
		"inbounds": []Object{{"listen": "127.0.0.1", "port": port, "protocol": "socks", "settings": Object{"auth": "noauth"}}},
		"outbounds": []Object{{"protocol": v.Protocol, "settings": settings, "streamSettings": stream,
			"mux": Object{"enabled": mux > 0, "concurrency": max(1, mux)}}},
	}
}

func (v V2Ray) stream() Object {
	return Object{"network": v.Network, v.Network + "Settings": v.Settings}
}

// patience is enough for the slowest network profile.
var patience = Object{"levels": Object{"0": Object{"handshake": 40, "connIdle": 300}}}

// uuid draws a version 4 UUID (RFC 9562).
func uuid(rng *rand.Rand) string {
	a, b := rng.Uint64(), rng.Uint64()
	a = a&^0xf000 | 0x4000
	b = b&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&(1<<48-1))
}

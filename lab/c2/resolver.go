package c2

import (
	"context"
	"fmt"

	"tyto/lab"
)

// Resolver starts unbound on a host, which asks the server about a domain.
func Resolver(ctx context.Context, r *lab.Run, h, server *lab.Host, domain string) (*lab.Process, error) {
	conf := fmt.Sprintf(`server:
 username: ""
 chroot: ""
 pidfile: ""
 use-syslog: no
 interface: 0.0.0.0
 access-control: 0.0.0.0/0 allow
 module-config: "iterator"
 qname-minimisation: no
stub-zone:
 name: %s
 stub-addr: %s
`, domain, server.Addr())
	if err := h.Write("dns.conf", conf, 0o644); err != nil {
		return nil, err
	}
	r.Installed(h, "unbound")
	p, err := h.Start(ctx, lab.Command{Args: []string{"unbound", "-d", "-c", h.Dir() + "/dns.conf"}})
	if err != nil {
		return nil, err
	}
	return p, h.WaitListen(ctx, "udp", 53)
}

package webapp

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
)

// Resolver is a name server over TLS or HTTPS, and the names it knows.
type Resolver struct {
	How  string // "tls" or "https"
	Port int
	zone map[string]string // name to address
}

// resolverName is in the resolver's certificate.
const resolverName = "dns.corp.example"

// StartResolver starts unbound on the host "resolver", with so many names that
// the host "client" can look up.
func StartResolver(ctx context.Context, r *lab.Run, how string, port, names int) (*Resolver, error) {
	h := r.Host("resolver")
	s := &Resolver{how, port, make(map[string]string)}
	conf := "server:\n username: \"\"\n chroot: \"\"\n pidfile: \"\"\n use-syslog: no\n module-config: iterator\n access-control: 0.0.0.0/0 allow\n local-zone: corp.example static\n" +
		fmt.Sprintf(" interface: 0.0.0.0@%d\n %s-port: %d\n tls-service-key: %s/server.key\n tls-service-pem: %s/server.pem\n", port, how, port, h.Dir(), h.Dir())
	for len(s.zone) < names {
		name := fmt.Sprintf("%s-%d.corp.example", draw(r.Rand(), "web", "db", "mail", "files", "print", "ci", "vpn"), r.Rand().IntN(1000))
		if s.zone[name] == "" {
			s.zone[name] = fmt.Sprintf("10.%d.%d.%d", r.Rand().IntN(256), r.Rand().IntN(256), 1+r.Rand().IntN(254))
			conf += fmt.Sprintf(" local-data: \"%s. 300 IN A %s\"\n", name, s.zone[name])
		}
	}
	if _, err := Certify(ctx, r, h, "ecdsa", resolverName, r.Host("client")); err != nil {
		return nil, err
	}
	if err := h.Write("dns.conf", conf, 0o644); err != nil {
		return nil, err
	}
	r.Installed(h, "unbound")
	if _, err := h.Start(ctx, lab.Command{Args: []string{"unbound", "-d", "-c", h.Dir() + "/dns.conf"}}); err != nil {
		return nil, err
	}
	return s, h.WaitListen(ctx, "tcp", port)
}

// LookUp has the client look up all names in so many rounds, with about that
// pause between rounds, and labels the flows. Clients are "kdig", a connection
// for each name; "go", one connection for all, with the scenario's program
// "client", which is Resolve; and "stub", for TLS, a resolver of the client's
// own that keeps its connection.
func (s *Resolver) LookUp(ctx context.Context, r *lab.Run, client string, rounds int, pause time.Duration) error {
	var pauses []time.Duration // before each name
	var names []string
	for round := range rounds {
		for i, name := range slices.Sorted(maps.Keys(s.zone)) {
			p := time.Duration(r.Rand().IntN(60)) * time.Millisecond
			if round > 0 && i == 0 {
				p = time.Duration(float64(pause) * (.7 + .6*r.Rand().Float64()))
			}
			names, pauses = append(names, name), append(pauses, p)
		}
	}
	if client == "go" {
		return s.withGo(ctx, r, names, pauses)
	}
	h := r.Host("client")
	args := []string{"kdig", "@" + resolverName, "-p", fmt.Sprint(s.Port), "+tls-ca", "+tls-hostname=" + resolverName, "+short", map[string]string{"tls": "+tls", "https": "+https=/dns-query"}[s.How]}
	sel, all := lab.Selector{}, client == "stub"
	if r.Installed(h, map[string]string{"kdig": "kdig", "stub": "unbound"}[client]); all {
		p, err := s.stub(ctx, r)
		if err != nil {
			return err
		}
		args, sel = []string{"dig", "@127.0.0.1", "+short"}, lab.Of(p)
		r.Label(sel, label.Poll)
	}
	for i, name := range names {
		if err := r.Sleep(ctx, pauses[i]); err != nil {
			return err
		}
		p, err := h.Start(ctx, lab.Command{Args: append(slices.Clip(args), name, "A")})
		if err != nil {
			return err
		}
		if !all {
			sel = lab.Of(p)
			r.Label(sel, label.Poll)
		}
		end := r.Segment(sel, label.StateExchange, name)
		if err := p.Wait(ctx); err != nil {
			return err
		}
		end()
		if got := strings.TrimSpace(p.Output()); got != s.zone[name] {
			return fmt.Errorf("%s is %q, want %s", name, got, s.zone[name])
		}
	}
	return nil
}

// stub starts a resolver on the client that asks the resolver for everything.
func (s *Resolver) stub(ctx context.Context, r *lab.Run) (*lab.Process, error) {
	h := r.Host("client")
	conf := "server:\n username: \"\"\n chroot: \"\"\n pidfile: \"\"\n use-syslog: no\n module-config: iterator\n cache-max-ttl: 0\n interface: 127.0.0.1\n tls-cert-bundle: /etc/ssl/certs/lab.pem\n" +
		fmt.Sprintf("forward-zone:\n name: \".\"\n forward-tls-upstream: yes\n forward-addr: %s@%d#%s\n", r.Host("resolver").Addr(), s.Port, resolverName)
	if err := h.Write("stub.conf", conf, 0o644); err != nil {
		return nil, err
	}
	p, err := h.Start(ctx, lab.Command{Args: []string{"unbound", "-d", "-c", h.Dir() + "/stub.conf"}})
	if err != nil {
		return nil, err
	}
	return p, h.WaitListen(ctx, "udp", 53)
}

func (s *Resolver) withGo(ctx context.Context, r *lab.Run, names []string, pauses []time.Duration) error {
	args := []string{s.How, fmt.Sprint(resolverName, ":", s.Port)}
	for i, name := range names {
		args = append(args, pauses[i].String(), name)
	}
	r.Software("client", "crypto/tls", runtime.Version())
	p, err := r.Host("client").Start(ctx, lab.Command{Program: "client", Args: args})
	if err != nil {
		return err
	}
	sel := lab.Of(p)
	r.Label(sel, label.Poll)
	if err := p.Wait(ctx); err != nil {
		return err
	}
	told := Events(p)
	if len(told) != 2*len(names) {
		return fmt.Errorf("the client says %s", p.Output())
	}
	r.Span(sel, 0, told[0].At, label.StateHandshake, "")
	for i, name := range names {
		asked, answer := told[2*i], told[2*i+1]
		if answer.Text != s.zone[name] {
			return fmt.Errorf("%s is %q, want %s", name, answer.Text, s.zone[name])
		}
		r.Span(sel, asked.At, answer.At, label.StateExchange, name)
	}
	return nil
}

// Resolve is a program of a scenario that looks up names in one connection: its
// arguments are "tls" or "https", the resolver's name and port, and then a pause
// and a name each. It tells the events "asked" and "answer".
func Resolve(ctx context.Context, args []string) error {
	var exchange func(query []byte) ([]byte, error)
	url := "https://" + args[1] + "/dns-query"
	switch args[0] {
	case "tls":
		conn, err := tls.Dial("tcp4", args[1], nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		exchange = func(query []byte) ([]byte, error) { return overStream(conn, query) }
	case "https":
		exchange = func(query []byte) ([]byte, error) {
			return Do(ctx, http.MethodPost, url, "application/dns-message", bytes.NewReader(query))
		}
		// The first answer is that to an empty query: the connection is there.
		if a, err := http.Get(url); err == nil {
			io.Copy(io.Discard, a.Body)
			a.Body.Close()
		}
	default:
		return fmt.Errorf("there is no DNS over %q", args[0])
	}
	for i := 2; i+1 < len(args); i += 2 {
		pause, err := time.ParseDuration(args[i])
		if err != nil {
			return err
		}
		time.Sleep(pause)
		Report("asked", "%s", args[i+1])
		answer, err := exchange(query(args[i+1]))
		if err != nil {
			return err
		}
		addr, err := address(answer, len(args[i+1]))
		if err != nil {
			return err
		}
		Report("answer", "%s", addr)
	}
	return nil
}

// query asks for a name's IPv4 address (RFC 1035, section 4).
func query(name string) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(rand.Uint32()))
	b = append(b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0) // recursion desired, one question
	for part := range strings.SplitSeq(name, ".") {
		b = append(append(b, byte(len(part))), part...)
	}
	return append(b, 0, 0, 1, 0, 1)
}

// address reads the first answer to query, for a name of that length.
func address(answer []byte, nameLen int) (netip.Addr, error) {
	at := 12 + nameLen + 2 + 4 // header and question
	const record = 2 + 2 + 2 + 4 + 2
	if len(answer) < at+record+4 || answer[7] == 0 {
		return netip.Addr{}, errors.New("an answer without address")
	}
	addr, _ := netip.AddrFromSlice(answer[at+record : at+record+4]) // four bytes
	return addr, nil
}

// overStream asks as over TCP, with the length before each message.
func overStream(c net.Conn, query []byte) ([]byte, error) {
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	answer := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(c, answer)
	return answer, err
}

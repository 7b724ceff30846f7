package auto

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tyto/lab/label"
)

// A service is written "KIND@ADDRESS:PORT". Kinds are "http", "https" with the
// host's server.pem, "dns" over UDP, "ssh", "smtp" and "imap", which greet, and
// "tcp", which is silent.

var servicePorts = map[string][]int{"http": {80, 8080, 8000}, "https": {443, 8443}, "dns": {53}, "ssh": {22, 2222}, "smtp": {25, 587}, "imap": {143}, "tcp": {3306, 5432, 6379, 389}}

// DrawServices draws 1 to most services of each address, and which of them work:
// none where no host is alive, and not those that are down, in %.
func DrawServices(addrs []string, alive map[string]bool, most, down int, rng *rand.Rand) (all []string, works map[string]bool) {
	works = make(map[string]bool)
	kinds := slices.Sorted(maps.Keys(servicePorts))
	for _, a := range addrs {
		rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
		for _, kind := range kinds[:1+rng.IntN(most)] {
			ports := servicePorts[kind]
			service := fmt.Sprintf("%s@%s:%d", kind, a, ports[rng.IntN(len(ports))])
			if all = append(all, service); alive[a] && rng.IntN(100) >= down {
				works[service] = true
			}
		}
	}
	return all, works
}

// Services is a program of a scenario that has services.
func Services(ctx context.Context, services []string) error {
	pages := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintln(w, strings.Repeat("ok ", 1+len(q.Host)*7))
	})
	for _, s := range services {
		kind, at, _ := strings.Cut(s, "@")
		if kind == "dns" {
			c, err := net.ListenPacket("udp4", at)
			if err != nil {
				return err
			}
			go serveNames(c)
			continue
		}
		l, err := net.Listen("tcp4", at)
		if err != nil {
			return err
		}
		switch kind {
		case "http":
			go http.Serve(l, pages)
		case "https":
			go http.ServeTLS(l, pages, "server.pem", "server.key")
		default:
			go serveGreeting(l, kind)
		}
	}
	fmt.Println("ready")
	<-ctx.Done()
	return nil
}

var greetings = map[string]string{
	"ssh": "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", "smtp": "220 mail.corp.example ESMTP\r\n", "imap": "* OK [CAPABILITY IMAP4rev1] ready\r\n",
}

// serveGreeting greets, and answers mail's commands.
func serveGreeting(l net.Listener, kind string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(30 * time.Second))
			io.WriteString(c, greetings[kind])
			for lines := bufio.NewScanner(c); lines.Scan(); {
				switch word, rest, _ := strings.Cut(lines.Text(), " "); {
				case kind == "smtp" && word == "QUIT":
					io.WriteString(c, "221 bye\r\n")
					return
				case kind == "smtp":
					io.WriteString(c, "250 mail.corp.example\r\n")
				case kind == "imap":
					io.WriteString(c, "* BYE\r\n"+word+" OK "+rest+"\r\n")
					return
				}
			}
		}()
	}
}

// serveNames knows an address for every name (RFC 1035, section 4).
func serveNames(c net.PacketConn) {
	q := make([]byte, 1500)
	for {
		n, peer, err := c.ReadFrom(q)
		if err != nil {
			return
		}
		if a := answerName(q[:n]); a != nil {
			c.WriteTo(a, peer)
		}
	}
}

// answerName answers a query: with an address, or with nothing where another
// type of record is asked for. It returns nil if it is no query for one name.
func answerName(q []byte) []byte {
	const header, address = 12, 1
	at := header
	for at < len(q) && q[at] > 0 {
		at += 1 + int(q[at])
	}
	end := at + 1 + 4
	if len(q) < header || end > len(q) || q[5] != 1 {
		return nil
	}
	a := append([]byte(nil), q[:end]...)
	a[2], a[3] = 0x84|q[2]&1, 0x80
	copy(a[6:header], make([]byte, 6))
	if binary.BigEndian.Uint16(q[at+1:]) == address {
		a[7] = 1
		a = append(a, 0xc0, header, 0, address, 0, 1, 0, 0, 1, 0, 0, 4, 10, 20, 30, 40)
	}
	return a
}

// Check is a program of a scenario that looks whether a service works, which is
// its argument. It ends with an error if it does not, after the time that is its
// second argument.
func Check(ctx context.Context, args []string) error {
	kind, at, _ := strings.Cut(args[0], "@")
	wait, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	switch kind {
	case "http", "https":
		return checkPage(ctx, kind+"://"+at+"/health")
	case "dns":
		r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp4", at)
		}}
		_, err := r.LookupNetIP(ctx, "ip4", "intranet.corp.example.")
		return err
	}
	return checkGreeting(ctx, kind, at)
}

func checkPage(ctx context.Context, url string) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	a, err := client.Do(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err == nil && (a.StatusCode != http.StatusOK || !strings.HasPrefix(string(text), "ok")) {
		err = fmt.Errorf("%s: %s", url, a.Status)
	}
	return err
}

func checkGreeting(ctx context.Context, kind, at string) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp4", at)
	if err != nil {
		return err
	}
	defer c.Close()
	if kind == "tcp" {
		return nil
	}
	end, _ := ctx.Deadline() // Check sets it
	c.SetDeadline(end)
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && line != greetings[kind] {
		err = fmt.Errorf("%s says %q", at, line)
	}
	if kind != "ssh" && err == nil {
		_, err = io.WriteString(c, map[string]string{"smtp": "QUIT\r\n", "imap": "a1 LOGOUT\r\n"}[kind])
	}
	return err
}

// Plugin is the command of the monitoring plugins that looks whether a service
// works.
func Plugin(service string, wait time.Duration) []string {
	kind, at, _ := strings.Cut(service, "@")
	addr := netip.MustParseAddrPort(at)
	port, t := fmt.Sprint(addr.Port()), fmt.Sprint(int(wait.Seconds()))
	h := addr.Addr().String()
	const dir = "/usr/lib/nagios/plugins/"
	switch kind {
	case "ssh":
		return []string{dir + "check_ssh", "-t", t, "-p", port, h}
	case "smtp", "imap", "tcp":
		return []string{dir + "check_" + kind, "-t", t, "-H", h, "-p", port}
	case "dns":
		return []string{dir + "check_dns", "-t", t, "-H", "intranet.corp.example", "-s", h}
	}
	args := []string{dir + "check_http", "-t", t, "-I", h, "-p", port, "-u", "/health"}
	if kind == "https" {
		args = append(args, "-S")
	}
	return args
}

// CheckState is what a check of a service is: a look at what it answers, or an
// exchange that uses it.
func CheckState(service string) label.State {
	switch kind, _, _ := strings.Cut(service, "@"); kind {
	case "http", "https", "dns":
		return label.StateExchange
	}
	return label.StateProbe
}

package c2

import (
	"context"
	"io"
	"net"
	"regexp"
	"time"
)

// Scanners are shell scripts that try the ports $2 (with commas) of the
// addresses $1 (with spaces), with pauses of $3 seconds. The first three print
// what nmap does, the others "open ADDRESS:PORT".
var Scanners = map[string]string{
	"nmap-connect": `exec nmap -n -Pn -sT --max-retries 1 --scan-delay "$3" -p "$2" -oG - $1`,
	"nmap-syn":     `exec nmap -n -Pn -sS --send-ip --max-retries 2 --scan-delay "$3" -p "$2" -oG - $1`,
	"nmap-version": `exec nmap -n -Pn -sT -sV --version-light --max-retries 1 --scan-delay "$3" -p "$2" -oG - $1`,
	"nc":           `for a in $1; do for p in ${2//,/ }; do nc.openbsd -n -z -w 2 $a $p && echo open $a:$p; sleep "$3"; done; done; true`,
	"bash":         `for a in $1; do for p in ${2//,/ }; do timeout 2 bash -c "echo >/dev/tcp/$a/$p" 2>/dev/null && echo open $a:$p; sleep "$3"; done; done; true`,
}

var (
	grepable = regexp.MustCompile(`Host: (\S+) .*Ports: (.*)`)
	openPort = regexp.MustCompile(`(\d+)/open/`)
	plain    = regexp.MustCompile(`(?m)^open (\S+)$`)
)

// Found reads what a scanner printed: the addresses and ports that are open.
func Found(out string) map[string]bool {
	all := make(map[string]bool)
	for _, h := range grepable.FindAllStringSubmatch(out, -1) {
		for _, p := range openPort.FindAllStringSubmatch(h[2], -1) {
			all[h[1]+":"+p[1]] = true
		}
	}
	for _, p := range plain.FindAllStringSubmatch(out, -1) {
		all[p[1]] = true
	}
	return all
}

// Services is a program of the lab that listens on addresses and ports; it
// greets, or answers what it is told.
func Services(ctx context.Context, addrs []string) error {
	greetings := map[int]string{22: "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", 21: "220 ready\r\n", 25: "220 mail.example.net ESMTP\r\n", 110: "+OK ready\r\n", 143: "* OK ready\r\n"}
	for _, a := range addrs {
		l, err := net.Listen("tcp4", a)
		if err != nil {
			return err
		}
		greeting := greetings[l.Addr().(*net.TCPAddr).Port]
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					c.SetDeadline(time.Now().Add(10 * time.Second))
					io.WriteString(c, greeting)
					if n, _ := c.Read(make([]byte, 4096)); n > 0 && greeting == "" {
						io.WriteString(c, "HTTP/1.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
					}
				}()
			}
		}()
	}
	<-ctx.Done()
	return nil
}

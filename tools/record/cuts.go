package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cut is a test capture: the packets of a recording between the beginning of
// one step and the end of another that match a filter.
type cut struct {
	name, recording string
	first, last     string // steps; an empty last is first
	filter          string // pcap-filter(7)
	doc             string // what is in it, for the README
	packets         int    // how many of the first packets are kept; 0 means all
}

const (
	maxDemo = 400 << 10
	maxTest = 60 << 10
)

var cuts = []cut{
	{"dhcp", "office", "dhcp-udhcpc", "", "port 67 or port 68", "udhcpc (fin-lt-03) and dhclient (dev-ws-07) get 10.20.3.17 and 10.20.3.42 from dnsmasq", 0},
	{"dns", "office", "dns", "", "host 10.20.3.42 and port 53", "dig asks A, MX, PTR, AAAA and a name that does not exist; Samba's DNS server answers", 0},
	{"local-names", "office", "nbns", "llmnr", "udp port 137 or udp port 5353 or udp port 5355", "nmblookup finds SRV-FILE-1, dig asks avahi by mDNS, and nobody answers an LLMNR query for fin-prn-2", 0},
	{"kerberos-ad", "office", "kinit-failed", "smb-kerberos", "host 10.20.3.17 and port 88", "kinit m.ortiz with a wrong password, then the right one, then a ticket for cifs/srv-file-1; Samba AD", 0},
	{"smb-kerberos", "office", "smb-kerberos", "", "host 10.20.3.17 and port 445", "smbclient lists, reads forecast.csv and writes notes.txt in \\\\srv-file-1\\finance, logged in with Kerberos", 0},
	{"smb-ntlm", "office", "smb-ntlm-failed", "smb-ntlm", "host 10.20.3.17 and port 445", "CORP\\m.ortiz fails once with NTLM, then reads ledger-2024.txt, renames notes.txt and deletes it", 0},
	{"psexec", "office", "hands-on", "", "host 10.20.3.17 and host 10.20.0.20 and port 445", "impacket psexec.py as a.kowal: logs in, uploads a file and asks for the service manager, all in encrypted SMB 3.0", 0},
	{"remote-service", "extra", "remote-service", "", "host 10.20.2.5 and host 10.20.0.20 and port 445", "a.kowal uploads svc.exe to ADMIN$ and opens the service manager over \\PIPE\\svcctl, unencrypted: its list is given, the right to create a service is denied", 0},
	{"rpc-admin", "office", "rpc-admin", "", "host 10.20.2.5 and port 445", "rpcclient: server info, shares and domain users over SMB pipes", 0},
	{"ldap-gssapi", "office", "ldap-gssapi", "", "host 10.20.3.17 and (port 389 or port 88)", "ldapsearch with SASL GSSAPI: sealed after the bind; Samba AD", 0},
	{"ldap-simple", "extra", "ldap-simple", "ldap-starttls", "host 10.20.0.40 and port 389", "slapd: simple bind in clear and search, a bind that fails, then the same search under StartTLS", 0},
	{"kerberos-mit", "extra", "mit-kinit-failed", "mit-kinit", "host 10.20.0.40 and port 88", "MIT KDC: wrong password, unknown user, a user without pre-authentication, tickets for HTTP and for a service that does not exist", 0},
	{"dcsync", "extra", "dcsync", "", "host 10.20.2.5 and host 10.20.0.10", "impacket secretsdump.py as a.kowal: bind to DRSUAPI (sealed), controller info and DRSCrackNames, where this version stops before DRSGetNCChanges", 0},
	{"tls", "office", "web-tls13", "tls-expired", "host 10.20.3.17 and net 198.51.100.0/24 and port 443", "curl with TLS 1.3 and HTTP/2; wget with TLS 1.2 to a server whose certificate has expired", 0},
	{"tls-self-signed", "office", "tls-self-signed", "", "port 9443", "curl to a server with a self-signed certificate on port 9443", 0},
	{"tls-client-certificate", "office", "tls-client-cert", "", "host 10.20.3.42 and host 10.20.0.40 and port 443", "TLS 1.2 with a client certificate", 0},
	{"http3", "office", "http3", "", "host 10.20.3.42 and udp port 443", "three HTTP/3 requests with quic-go", 0},
	{"dns-encrypted", "office", "dot", "doh", "host 10.20.3.42 and host 192.0.2.53", "kdig over TLS (port 853) and HTTPS (HTTP/2) to unbound", 0},
	{"http-basic", "office", "http-basic", "", "host 10.20.3.17 and port 80", "Basic authentication of m.ortiz in clear", 0},
	{"http2-cleartext", "office", "http2-cleartext", "", "port 8081", "HTTP/2 with prior knowledge on port 8081", 0},
	{"ssh-shell", "office", "ssh-shell", "", "host 10.20.3.42 and host 10.20.0.32 and port 22", "a typed shell session of j.lind on db-2", 0},
	{"ssh-443", "extra", "ssh-443", "", "host 10.20.3.42 and port 443", "a typed shell session with an outside host on port 443", 0},
	{"ssh-reverse-tunnel", "office", "reverse-tunnel", "", "host 10.20.3.17 and host 203.0.113.9 and port 443", "ssh -R to port 443 of an outside host, which types into a shell inside it; the first 300 packets", 300},
	{"ssh-bruteforce", "office", "hands-on", "", "host 10.20.3.17 and host 10.20.0.32 and port 22", "hydra tries 8 passwords of svc-backup, the last is right; then a login with it; the first 350 packets", 350},
	{"ssh-copy", "office", "scp", "sftp", "port 2222", "scp to and sftp from port 2222", 0},
	{"ssh-dropbear", "office", "ssh-dropbear", "", "host 10.20.0.2 and port 22", "one command on a Dropbear server", 0},
	{"scan", "office", "hands-on", "", "host 10.20.3.17 and net 10.20.0.0/24 and tcp and not host 10.20.0.20 and not port 22 and (tcp[tcpflags] & (tcp-syn|tcp-rst) != 0)", "nmap -sS of 11 ports of 6 hosts, one of which does not exist", 0},
	{"telnet", "office", "telnet", "", "port 23", "a typed login and session of a.kowal", 0},
	{"ftp", "office", "ftp", "", "host 10.20.2.5 and host 10.20.0.40 and tcp and not port 9443", "vsftpd: passive and active transfer, and a login that fails", 0},
	{"mail", "office", "smtp-starttls", "pop3", "host 198.51.100.25", "Postfix with STARTTLS and with AUTH PLAIN in clear, Dovecot IMAP with STARTTLS and POP3 in clear", 0},
	{"postgresql", "office", "psql", "psql-tls", "port 5432", "psql in clear, with an error, and over TLS", 0},
	{"redis", "office", "redis", "", "host 10.20.3.42 and port 6379", "redis-cli with a password", 0},
	{"mysql", "office", "mysql", "", "port 3306", "mariadb client with an error", 0},
	{"mqtt", "office", "mqtt-1", "mqtt-2", "port 1883", "mosquitto clients publish with QoS 1", 0},
	{"snmp", "office", "snmp-v2c", "snmp-v3", "port 161", "SNMPv2c walk and encrypted SNMPv3", 0},
	{"small-services", "office", "ntp", "mqtt-6", "udp port 123 or udp port 514 or (host 10.20.0.40 and host 10.20.2.5 and udp)", "NTP (chrony), syslog (logger) and TFTP (curl)", 0},
	{"wireguard", "office", "wireguard", "", "udp port 51820", "wireguard-go: handshake, HTTP and ping inside", 0},
	{"openvpn", "office", "openvpn", "", "udp port 1194", "OpenVPN over UDP with TLS, HTTP and ping inside", 0},
	{"gre", "office", "gre", "", "proto 47", "HTTP and ping in GRE", 0},
	{"vxlan", "office", "vxlan-traffic", "vxlan-dns", "udp port 4789", "DNS, ping, Redis and HTTP in VXLAN", 0},
	{"rsync-socks", "extra", "rsync", "socks", "port 873 or port 1080", "rsync daemon with a password; SOCKS5 with a password, right and wrong", 0},
	{"git", "office", "git", "", "port 9418", "git clone over the git protocol", 0},
	{"modbus-coap", "extra", "coap", "modbus", "port 502 or port 5683", "CoAP gets and a put; Modbus reads, a write and an exception", 0},
	{"sip", "extra", "sip", "", "port 5060", "two calls of sipp", 0},
	{"icmp", "extra", "fragments", "refused", "host 10.20.3.42 and (icmp or ip[6:2] & 0x3fff != 0 or port 8080 or host 203.0.113.66 or (host 10.20.0.1 and port 53))", "fragmented ping; a refused connection, a port unreachable and a host that does not exist", 0},
}

// cutAll writes the demo and every test capture.
func (l *lab) cutAll() error {
	demo, err := os.ReadFile(whole("office"))
	if err != nil {
		return fmt.Errorf("read recording: %w", err)
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	z.Write(demo)
	if err := z.Close(); err != nil {
		return fmt.Errorf("compress demo: %w", err)
	}
	if b.Len() > maxDemo {
		return fmt.Errorf("the demo has %d bytes; at most %d are wanted", b.Len(), maxDemo)
	}
	if err := os.WriteFile("/run/out/demo/office.pcap.gz", b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write demo: %w", err)
	}
	var list strings.Builder
	for _, c := range cuts {
		packets, size, err := l.cut(c)
		if err != nil {
			return fmt.Errorf("cut %s: %w", c.name, err)
		}
		fmt.Fprintf(&list, "| `%s.pcap` | %d | %s |\n", c.name, packets, c.doc)
		l.logf("  %-24s %5d packets %6d bytes", c.name, packets, size)
	}
	return l.readme(list.String())
}

// cut writes one test capture.
func (l *lab) cut(c cut) (packets, size int, err error) {
	if c.last == "" {
		c.last = c.first
	}
	first, ok1 := l.steps[c.first]
	last, ok2 := l.steps[c.last]
	if !ok1 || !ok2 {
		return 0, 0, fmt.Errorf("no such step: %s, %s", c.first, c.last)
	}
	in, err := os.ReadFile(whole(c.recording))
	if err != nil {
		return 0, 0, fmt.Errorf("read recording: %w", err)
	}
	window := filepath.Join(stateDir, "tmp", "window.pcap")
	if err := os.WriteFile(window, between(in, first.from.Add(-200*time.Millisecond), last.to.Add(time.Second)), 0o644); err != nil {
		return 0, 0, fmt.Errorf("write window: %w", err)
	}
	out := filepath.Join("/run/out/tests", c.name+".pcap")
	args := []string{"-Z", "root", "-r", window, "-w", out}
	if c.packets > 0 {
		args = append(args, "-c", strconv.Itoa(c.packets))
	}
	if err := output(exec.Command("tcpdump", append(args, c.filter)...)); err != nil {
		return 0, 0, fmt.Errorf("filter: %w", err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		return 0, 0, fmt.Errorf("read cut: %w", err)
	}
	each(b, func(time.Time, []byte) { packets++ })
	switch {
	case packets == 0:
		return 0, 0, fmt.Errorf("nothing matches %q", c.filter)
	case len(b) > maxTest:
		return 0, 0, fmt.Errorf("%d bytes; at most %d are wanted", len(b), maxTest)
	}
	return packets, len(b), nil
}

const pcapHeader = 24

// each calls f with the time and the whole record of every packet in a
// little-endian, microsecond pcap, as tcpdump writes it here.
func each(b []byte, f func(time.Time, []byte)) {
	for b = b[pcapHeader:]; len(b) >= 16; {
		n := 16 + int(binary.LittleEndian.Uint32(b[8:]))
		if n > len(b) {
			return
		}
		f(time.Unix(int64(binary.LittleEndian.Uint32(b)), int64(binary.LittleEndian.Uint32(b[4:]))*1000), b[:n])
		b = b[n:]
	}
}

// between returns the capture's packets in a span of time.
func between(b []byte, from, to time.Time) []byte {
	out := bytes.Clone(b[:pcapHeader])
	each(b, func(at time.Time, record []byte) {
		if !at.Before(from) && !at.After(to) {
			out = append(out, record...)
		}
	})
	return out
}

// readme writes what the captures are.
func (l *lab) readme(list string) error {
	var versions strings.Builder
	args := append([]string{"-W", "-f", "${Package} ${Version}, "}, strings.Fields(packages)...)
	out, err := exec.Command("dpkg-query", args...).Output()
	if err != nil {
		return fmt.Errorf("ask for versions: %w", err)
	}
	versions.Write(bytes.TrimSuffix(out, []byte(", ")))
	text := "# Test captures\n\n" +
		"Made by `make captures` (tools/record): real clients and servers in network namespaces, recorded by tcpdump on the\n" +
		"office bridge of the lab's router. Nothing in them comes from elsewhere: names and addresses are those kept for\n" +
		"documentation, or private, and keys, accounts and passwords were made for the recording. tools/record/cuts.go says\n" +
		"which steps of day.go and extra.go each is cut from. The demo, `cmd/tyto/demo/office.pcap.gz`, is the whole day.\n" +
		"Every run makes new keys, ports and times, so golden files must be rewritten with `make update` after it.\n\n" +
		"| capture | packets | what happens in it |\n|---|---|---|\n" + list +
		"\nSoftware: Debian 12; quic-go of tools/go.mod; " + versions.String() + ".\n"
	if err := os.WriteFile("/run/out/tests/README.md", []byte(text), 0o644); err != nil {
		return fmt.Errorf("write README: %w", err)
	}
	return nil
}

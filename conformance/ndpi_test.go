package conformance

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// names maps what nDPI calls a protocol to the names tyto may give it, for the
// protocols that tyto claims to recognise. A flow of another protocol is not
// judged.
var names = map[string][]string{
	"TLS": {"tls", "dot", "doh", "tor"}, "DTLS": {"dtls"}, "QUIC": {"quic"}, "SSH": {"ssh"}, "DNS": {"dns"}, "MDNS": {"mdns"}, "LLMNR": {"llmnr"},
	"NetBIOS": {"nbns", "nbdgm", "smb"}, "HTTP": {"http", "websocket", "http-proxy", "winrm", "doh", "ocsp", "http2"}, "HTTP_Proxy": {"http-proxy", "http"},
	"HTTP_Connect": {"http-proxy", "http"}, "HTTP2": {"http2"}, "WebSocket": {"websocket"}, "SMBv1": {"smb"}, "SMBv23": {"smb"}, "DCERPC": {"dcerpc"},
	"Kerberos": {"kerberos"}, "LDAP": {"ldap", "cldap"}, "RDP": {"rdp", "rdpudp"}, "DHCP": {"dhcp"}, "DHCPV6": {"dhcpv6"}, "FTP_CONTROL": {"ftp"}, "FTPS": {"ftp", "tls"},
	"SMTP": {"smtp"}, "SMTPS": {"smtp", "tls"}, "POP3": {"pop3"}, "POPS": {"pop3", "tls"}, "IMAP": {"imap"}, "IMAPS": {"imap", "tls"}, "Telnet": {"telnet"},
	"SIP": {"sip"}, "RTP": {"rtp"}, "SRTP": {"rtp"}, "RTCP": {"rtcp", "rtp"}, "STUN": {"stun", "turn", "teams-call", "whatsapp-call"}, "NTP": {"ntp"}, "SNMP": {"snmp"}, "Syslog": {"syslog"},
	"Radius": {"radius"}, "RADIUS": {"radius"}, "TFTP": {"tftp"}, "MQTT": {"mqtt"}, "MySQL": {"mysql"}, "PostgreSQL": {"postgresql"}, "Redis": {"redis"}, "RESP": {"redis"},
	"MongoDB": {"mongodb"}, "SOCKS": {"socks"}, "OpenVPN": {"openvpn"}, "WireGuard": {"wireguard"}, "IPSec": {"ike", "esp", "ah"}, "L2TP": {"l2tp"}, "VNC": {"vnc", "rfb"},
	"X11": {"x11"}, "RSYNC": {"rsync"}, "Git": {"git"}, "BitTorrent": {"bittorrent", "bittorrent-dht", "utp"}, "AMQP": {"amqp"}, "Kafka": {"kafka"}, "Modbus": {"modbus"},
	"DNP3": {"dnp3"}, "S7Comm": {"s7", "s7comm"}, "S7CommPlus": {"s7", "s7comm-plus"}, "EthernetIP": {"enip"}, "CIP": {"enip"}, "BACnet": {"bacnet"},
	"ICMP": {"icmp"}, "ICMPV6": {"icmpv6"}, "IGMP": {"igmp"},
}

// flow is a row of ndpi_flows.tsv.
type flow struct {
	path, l4, src, dst string
	sport, dport       string
	proto              string
}

func ndpiFlows(t *testing.T, dir string) []flow {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "labels/ndpi_flows.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	var head []string
	var out []flow
	for sc.Scan() {
		col := strings.Split(sc.Text(), "\t")
		if head == nil {
			head = col
			continue
		}
		get := func(name string) string { return col[slices.Index(head, name)] }
		if get("confidence") != "DPI" || get("cfg") != "default" {
			continue
		}
		out = append(out, flow{get("path"), strings.ToLower(get("l4")), canonical(get("src")), canonical(get("dst")), get("sport"), get("dport"), get("ndpi_proto")})
	}
	return out
}

// canonical writes an address as tyto does.
func canonical(addr string) string {
	if a, err := netip.ParseAddr(strings.Trim(addr, "[]")); err == nil {
		return a.Unmap().String()
	}
	return addr
}

// key identifies a flow in either direction.
func key(l4, a, ap, b, bp string) string {
	x, y := a+" "+ap, b+" "+bp
	if x > y {
		x, y = y, x
	}
	return l4 + " " + x + " " + y
}

// TestNDPI compares the app of every flow that nDPI recognised by content with
// nDPI's published result, for the protocols tyto claims.
func TestNDPI(t *testing.T) {
	dir := captures(t)
	byFile := make(map[string][]flow)
	for _, f := range ndpiFlows(t, dir) {
		byFile[f.path] = append(byFile[f.path], f)
	}
	agreed, judged := 0, 0
	oddAgreed, odd := 0, 0
	type miss struct{ want, got string }
	misses := make(map[miss][]string)
	for _, path := range slices.Sorted(maps.Keys(byFile)) {
		text, _, err := analyze(filepath.Join(dir, path))
		if err != nil && len(text) == 0 {
			t.Errorf("%s: %v", path, err)
			continue
		}
		apps := make(map[string][]string)
		for _, r := range records(t, text) {
			if r.Record != "session" {
				continue
			}
			l4 := r.Proto
			op, rp := fmt.Sprint(r.OrigP), fmt.Sprint(r.RespP)
			switch {
			case r.IPProto == 58:
				l4 = "icmpv6"
				op, rp = "0", "0"
			case r.Proto != "tcp" && r.Proto != "udp" && r.Proto != "sctp":
				op, rp = "0", "0"
			}
			k := key(l4, r.OrigH, op, r.RespH, rp)
			apps[k] = append(apps[k], r.App)
		}
		for _, f := range byFile[path] {
			master, _, _ := strings.Cut(f.proto, ".")
			want, ok := names[master]
			if !ok {
				continue
			}
			l4, sp, dp := f.l4, f.sport, f.dport
			if l4 != "tcp" && l4 != "udp" && l4 != "sctp" {
				sp, dp = "0", "0"
			}
			got := apps[key(l4, f.src, sp, f.dst, dp)]
			if len(got) == 0 {
				misses[miss{master, "(no such session)"}] = append(misses[miss{master, "(no such session)"}], fmt.Sprintf("%s %s %s:%s > %s:%s", filepath.Base(path), l4, f.src, sp, f.dst, dp))
				judged++
				continue
			}
			judged++
			oddPort := f.oddPort(master)
			if oddPort {
				odd++
			}
			if slices.ContainsFunc(got, func(a string) bool { return slices.Contains(want, a) }) {
				agreed++
				if oddPort {
					oddAgreed++
				}
				continue
			}
			m := miss{f.proto, got[0]}
			misses[m] = append(misses[m], fmt.Sprintf("%s %s %s:%s > %s:%s", filepath.Base(path), l4, f.src, sp, f.dst, dp))
		}
	}
	rate := 100 * float64(agreed) / float64(max(judged, 1))
	t.Logf("%d of %d flows agree with nDPI: %.2f %%", agreed, judged, rate)
	list := slices.Collect(maps.Keys(misses))
	slices.SortFunc(list, func(a, b miss) int {
		return cmp.Or(cmp.Compare(len(misses[b]), len(misses[a])), cmp.Compare(a.want, b.want), cmp.Compare(a.got, b.got))
	})
	for _, m := range list {
		t.Logf("%4d nDPI %s, tyto %s: %s", len(misses[m]), m.want, m.got, strings.Join(misses[m][:min(3, len(misses[m]))], "; "))
	}
	oddRate := 100 * float64(oddAgreed) / float64(max(odd, 1))
	t.Logf("on ports that are not the protocol's: %d of %d flows agree: %.2f %%", oddAgreed, odd, oddRate)
	if oddRate < 95 {
		t.Errorf("%.2f %% of flows on other ports agree, want at least 95 %%", oddRate)
	}
	if rate < 97 {
		t.Errorf("%.2f %% agree, want at least 97 %%", rate)
	}
}

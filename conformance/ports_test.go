package conformance

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// standardPorts are the ports that IANA gives a protocol, by nDPI's name of it.
// Protocols without a port of their own (RTP, uTP) are not here.
var standardPorts = map[string][]string{
	"TLS":  {"443", "465", "563", "636", "853", "989", "990", "992", "993", "994", "995", "3269", "5061", "5223", "5349", "5671", "6514", "6697", "8443", "8883"},
	"DTLS": {"443", "853", "3478", "4433", "5349", "5684", "6514"}, "QUIC": {"443", "853"}, "SSH": {"22"}, "DNS": {"53"}, "MDNS": {"5353"}, "LLMNR": {"5355"},
	"NetBIOS": {"137", "138", "139"}, "HTTP": {"80", "8080", "3128", "8000", "8008", "5985"}, "HTTP_Proxy": {"3128", "8080", "80"}, "HTTP_Connect": {"3128", "8080", "80"},
	"HTTP2": {"80", "443", "8080"}, "WebSocket": {"80", "8080"}, "SMBv1": {"139", "445"}, "SMBv23": {"139", "445"}, "DCERPC": {"135", "445", "593"}, "Kerberos": {"88", "464"},
	"LDAP": {"389", "3268"}, "RDP": {"3389"}, "DHCP": {"67", "68"}, "DHCPV6": {"546", "547"}, "FTP_CONTROL": {"21"}, "FTPS": {"21", "990"}, "SMTP": {"25", "587"},
	"SMTPS": {"465"}, "POP3": {"110"}, "POPS": {"995"}, "IMAP": {"143"}, "IMAPS": {"993"}, "Telnet": {"23"}, "SIP": {"5060", "5061"}, "STUN": {"3478", "5349"}, "NTP": {"123"},
	"SNMP": {"161", "162"}, "Syslog": {"514", "601"}, "Radius": {"1812", "1813", "1645", "1646", "3799"}, "RADIUS": {"1812", "1813", "1645", "1646", "3799"}, "TFTP": {"69"},
	"MQTT": {"1883"}, "MySQL": {"3306"}, "PostgreSQL": {"5432"}, "Redis": {"6379"}, "RESP": {"6379"}, "MongoDB": {"27017"}, "SOCKS": {"1080"}, "OpenVPN": {"1194"},
	"WireGuard": {"51820"}, "IPSec": {"500", "4500"}, "L2TP": {"1701"}, "VNC": {"5900", "5901"}, "X11": {"6000", "6001"}, "RSYNC": {"873"}, "Git": {"9418"},
	"BitTorrent": {"6881"}, "AMQP": {"5672"}, "Kafka": {"9092"}, "Modbus": {"502"}, "DNP3": {"20000"}, "S7Comm": {"102"}, "S7CommPlus": {"102"}, "EthernetIP": {"44818", "2222"},
	"CIP": {"44818", "2222"}, "BACnet": {"47808"},
}

// oddPort reports whether the flow uses none of its protocol's ports.
func (f flow) oddPort(name string) bool {
	standard, ok := standardPorts[name]
	return ok && !slices.Contains(standard, f.sport) && !slices.Contains(standard, f.dport)
}

// oddPorts are captures that were made to have a protocol where it is not
// expected, and what they hold by the word of whoever made them.
var oddPorts = []struct {
	path  string
	proto string
	port  int // the responder's
	app   string
}{
	{"arkime+arkime/tests/pcap/smb-port80.pcap", "tcp", 80, "smb"},
	{"ntop+nDPI/tests/cfgs/default/pcap/http_on_sip_port.pcap", "tcp", 8888, "http"},
	{"ntop+nDPI/tests/cfgs/default/pcap/tls_port_80.pcapng", "tcp", 80, "tls"},
	{"seladb+PcapPlusPlus/Tests/Packet++Test/PacketExamples/sip_non_default_port.pcap", "udp", 52380, "sip"},
	{"the-tcpdump-group+tcpdump/tests/RADIUS-port1700.pcap", "udp", 1700, "radius"},
	{"the-tcpdump-group+tcpdump/tests/vxlan_port_8472.pcap", "udp", 8472, "vxlan"},
	{"zeek+zeek/testing/btest/Traces/http/http-lower-case-nonstandard-port.pcap", "tcp", 1234, "http"},
	{"zeek+zeek/testing/btest/Traces/http/query-method-non-standard-port.pcap", "tcp", 4711, "http"},
	{"zeek+zeek/testing/btest/Traces/ldap/simpleauth-diff-port.pcap", "tcp", 32681, "ldap"},
	{"zeek+zeek/testing/btest/Traces/postgresql/http-on-port-5432.pcap", "tcp", 5432, "http"},
	{"zeek+zeek/testing/btest/Traces/postgresql/mysql-on-port-5432.pcap", "tcp", 5432, "mysql"},
	{"zeek+zeek/testing/btest/Traces/quic/chromium-dpd-custom-port-4433.pcap", "udp", 4433, "quic"},
	{"zeek+zeek/testing/btest/Traces/quic/quicv2-echo-dpd-custom-port-4433.pcap", "udp", 4433, "quic"},
	{"zeek+zeek/testing/btest/Traces/ssh/ssh-on-port-80.pcap", "tcp", 80, "ssh"},
	{"zeek+zeek/testing/btest/Traces/tcp/http-on-irc-port-missing-syn.pcapng", "tcp", 80, "http"},
	{"zeek+zeek/testing/btest/Traces/tunnels/gtp/gtp2_different_udp_port.pcap", "udp", 2152, "gtpu"},
}

// TestOddPorts reads the captures whose names say that the port is not the
// protocol's.
func TestOddPorts(t *testing.T) {
	dir := captures(t)
	agreed := 0
	for _, tt := range oddPorts {
		text, _, err := analyze(filepath.Join(dir, tt.path))
		if err != nil && len(text) == 0 {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		var got []string
		for _, r := range records(t, text) {
			if r.Record == "session" && r.Proto == tt.proto && r.RespP == tt.port {
				got = append(got, r.App)
			}
		}
		if len(got) == 0 || slices.ContainsFunc(got, func(app string) bool { return app != tt.app }) {
			t.Logf("%s: want %s on %d, got [%s]", tt.path, tt.app, tt.port, strings.Join(got, " "))
			continue
		}
		agreed++
	}
	t.Logf("%d of %d captures agree", agreed, len(oddPorts))
	if agreed*100 < len(oddPorts)*95 {
		t.Errorf("%d of %d captures agree, want at least 95 %%", agreed, len(oddPorts))
	}
}

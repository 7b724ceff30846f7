package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tyto/packet"
	"tyto/packet/pcapfile"
	"tyto/protocol/all"
	"tyto/sensor"
)

func demoStory(t *testing.T, width int) string {
	t.Helper()
	data, err := demos.ReadFile("demo/office.pcap.gz")
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcapfile.NewReader(bytes.NewReader(data), "demo")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	home, _ := sensor.Prefixes([]string{"10.20.0.0/16", "fe80::/10"})
	res, err := sensor.Run(context.Background(), r, sensor.Config{Set: all.Set(sensor.TunnelDefinitions()...), Home: home, Summary: true, Strict: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	story{out: &out, width: width, title: "demo", res: res, took: time.Second}.print()
	return out.String()
}

// TestStoryFits wants the story on one screen of any usual width, with the
// findings first.
func TestStoryFits(t *testing.T) {
	for _, width := range []int{60, 80, 100, 132, 200} {
		text := demoStory(t, width)
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(lines) > 45 {
			t.Errorf("width %d: %d lines", width, len(lines))
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("width %d: a line of %d columns: %s", width, n, line)
			}
		}
		for _, want := range []string{"Worth a look", "Devices", "Protocols"} {
			i := strings.Index(text, want)
			if i < 0 {
				t.Fatalf("width %d: no %q", width, want)
			}
			text = text[i:]
		}
	}
}

func TestStoryTells(t *testing.T) {
	text := demoStory(t, 160)
	for _, want := range []string{
		"login         fin-lt-03 got into db-2:22 after ",
		"vxlan between db-2 and srv-web-1",
		"user m.ortiz@CORP.EXAMPLE",
		"10.20.0.20 srv-file-1.corp.example",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the story does not say %q:\n%s", want, text)
		}
	}
	for _, not := range []string{`CORP\m.ortiz`, "SRV-FILE-1", "community's"} {
		if strings.Contains(text, not) {
			t.Errorf("the story says %q", not)
		}
	}
}

func TestFindingText(t *testing.T) {
	addr := func(s string) packet.Addr { return packet.AddrOf(netip.MustParseAddr(s)) }
	m := &sensor.Summary{
		Devices: map[packet.Addr]*sensor.Device{
			addr("10.0.0.1"): {Local: true, Names: []sensor.Fact{{Value: "pc.corp.example", Source: "dhcp"}}},
			addr("10.0.0.2"): {Local: true, Names: []sensor.Fact{{Value: "srv", Source: "nbns"}}},
		},
		Names: map[packet.Addr][]string{addr("192.0.2.1"): {"mail.example"}},
	}
	key := func(k sensor.FindingKind, detail string) sensor.FindingKey {
		return sensor.FindingKey{Kind: k, Orig: addr("10.0.0.1"), Resp: addr("10.0.0.2"), Port: 161, Detail: detail}
	}
	outside := sensor.FindingKey{Kind: sensor.FindOddPort, Resp: addr("192.0.2.1"), Port: 2525, Detail: "smtp"}
	for _, tt := range []struct {
		f    sensor.Finding
		want string
	}{
		{sensor.Finding{FindingKey: key(sensor.FindCredential, "default SNMP community"), App: "snmp", Sessions: 1}, "default SNMP community from pc to srv:161 (snmp)"},
		{sensor.Finding{FindingKey: key(sensor.FindCredential, "bob"), App: "ftp", Sessions: 3}, "bob from pc to srv:161 (ftp), 3 sessions"},
		{sensor.Finding{FindingKey: key(sensor.FindCredential, ""), App: "ftp", Sessions: 1}, "an account from pc to srv:161 (ftp)"},
		{sensor.Finding{FindingKey: key(sensor.FindLogins, "ftp"), App: "ftp", Refused: 1200, Extra: "bob"}, "pc got into srv:161 after 1,200 refusals (ftp, bob)"},
		{sensor.Finding{FindingKey: key(sensor.FindLogins, "bob"), App: "ftp", Refused: 9, Sources: 3, Extra: "bob"}, "3 addresses got into srv:161 after 9 refusals (ftp, bob)"},
		{sensor.Finding{FindingKey: key(sensor.FindRefused, "ssh"), App: "ssh", Refused: 2, Accepted: 1, Extra: "ssh"}, "pc by srv:161, 2 times, then accepted (ssh)"},
		{sensor.Finding{FindingKey: key(sensor.FindRefused, "ssh"), App: "ssh", Refused: 1, Accepted: 1, Among: true}, "pc by srv:161, accepted in between (ssh)"},
		{sensor.Finding{FindingKey: key(sensor.FindScan, ""), Targets: 1, Ports: 1003, Sessions: 1991}, "pc: 1 address, about 1,000 ports in vain, 1,991 times"},
		{sensor.Finding{FindingKey: key(sensor.FindTunnel, "geneve"), App: "geneve", Sessions: 1}, "geneve between pc and srv"},
		{sensor.Finding{FindingKey: key(sensor.FindTunnel, "wireguard"), App: "wireguard", Sessions: 1}, "wireguard from pc to srv:161"},
		{sensor.Finding{FindingKey: outside, App: "smtp", Sessions: 2}, "smtp on mail.example:2525, 2 sessions"},
		{sensor.Finding{FindingKey: key(sensor.FindAnomaly, "bad\x1b[1m"), App: "dns", Sessions: 1}, "bad·[1m in 1 session (dns)"},
	} {
		if got := fit(200, findingText(m, &tt.f)); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestListsFit(t *testing.T) {
	names := []string{"http", "imap", "postgresql", "dcerpc"}
	for room, want := range map[int]string{
		80: "and http, imap, postgresql, dcerpc",
		32: "and http, imap and 2 more",
		18: "and 4 more",
		5:  "and 4 more",
	} {
		if got := listFit(names, room); got != want {
			t.Errorf("%d columns: got %q, want %q", room, got, want)
		}
	}
	for n, want := range map[int]string{1: "1 port", 49: "49 ports", 99: "about 99 ports", 104: "about 100 ports", 1003: "about 1,000 ports", 6993: "about 7,000 ports"} {
		if got := about(n, "port", "ports"); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
	if got := fmt.Sprint(some([]string{"a", "b", "c"}, 2), some([]string{"a"}, 2)); got != "a, b +1a" {
		t.Errorf("got %q", got)
	}
}

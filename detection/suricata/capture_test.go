package suricata_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"tyto/detection"
	"tyto/detection/suricata"
	"tyto/packet"
	"tyto/packet/pcapfile"
	"tyto/protocol/all"
	"tyto/sensor"
)

var home, _ = sensor.Prefixes([]string{"10.20.0.0/16", "fe80::/10"})

// office analyses the office's traffic.
func office(t *testing.T, workers int, d detection.Detector, matcher func() detection.Matcher) string {
	t.Helper()
	src, err := pcapfile.OpenAll([]string{"../../cmd/tyto/demo/office.pcap.gz"})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	c := sensor.Config{Set: all.Set(sensor.TunnelDefinitions()...), Home: home, Workers: workers, Strict: true, Detectors: []detection.Detector{d}}
	if matcher != nil {
		c.Matchers = func() []detection.Matcher { return []detection.Matcher{matcher()} }
	}
	res, err := sensor.Run(context.Background(), src, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range res.Judgement.Findings {
		for _, e := range f.Evidence {
			fmt.Fprintf(&b, "%.2f %s\n", e.LLR, e.Claim)
		}
	}
	return b.String()
}

func rules(t *testing.T, text string) *suricata.Rules {
	t.Helper()
	s := suricata.NewRules(func(a packet.Addr) bool {
		for _, p := range home {
			if p.Contains(a.Netip()) {
				return true
			}
		}
		return false
	})
	if err := s.Load("our.rules", []byte(text)); err != nil || len(s.Skipped) > 0 {
		t.Fatalf("%v, %s", err, s.Tell())
	}
	s.Ready()
	return s
}

const officeRules = `
alert http $HOME_NET any -> $EXTERNAL_NET any (msg:"helper script"; http.host; content:"cdn-sync.example"; http.uri; content:"/sync-helper.sh"; endswith; priority:1; sid:1;)
alert tls $HOME_NET any -> any any (msg:"client"; ja4.hash; content:"t13d311000_e8f1e7e78f70_1f22a2ca17c4"; priority:2; sid:2;)
alert tls $EXTERNAL_NET any -> $HOME_NET any (msg:"certificate"; tls.cert_fingerprint; content:"ba:32:3c:4c:1d:1c:cc:6b:0b:4b:d3:fb:20:1e:9d:a8:3b:20:4b:01"; priority:2; sid:3;)
alert tcp $HOME_NET any -> $EXTERNAL_NET any (msg:"asked for a script"; flow:to_server,established; content:"GET /updates/"; startswith; flowbits:set,script; flowbits:noalert; sid:4;)
alert tcp $EXTERNAL_NET any -> $HOME_NET any (msg:"and got one"; flow:to_client,established; flowbits:isset,script; content:"HTTP/1."; depth:7; pcre:"/#!\/bin\/(ba)?sh/"; priority:2; sid:5;)
alert ssh any any -> any any (msg:"SSH to the database"; ssh.hassh; content:"be31134219a24899a8a0c29c7797ba94"; priority:2; sid:6;)
`

// TestCapture wants rules on records and on the bytes of streams to match an
// office's traffic, the same on any number of cores, and their twins not to.
func TestCapture(t *testing.T) {
	run := func(text string, workers int) (*suricata.RuleDetector, string) {
		s := rules(t, text)
		d := s.NewDetector()
		return d, office(t, workers, d, s.NewMatcher)
	}
	d, got := run(officeRules, 1)
	for _, want := range []string{
		"3.50 Suricata's rule 1 (our.rules:2) matches 10.20.3.17 and cdn-sync.example: helper script (http.host: cdn-sync.example)",
		"2.00 Suricata's rule 2 (our.rules:3) matches 10.20.3.42 and db-2.corp.example: client (ja4.hash",
		"2.00 Suricata's rule 3 (our.rules:4) matches 10.20.3.17 and",
		"2.00 Suricata's rule 5 (our.rules:6) matches 10.20.3.17 and cdn-sync.example: and got one (payload to the client)",
		"2.00 Suricata's rule 6 (our.rules:7) matches 10.20.3.17 and 10.20.0.32: SSH to the database (ssh.hassh: be3",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no evidence %q in\n%s", want, got)
		}
	}
	if d.Matched() != 5 || strings.Contains(got, "asked for") {
		t.Errorf("%d rules matched, want 5 without the one that only sets a flowbit:\n%s", d.Matched(), got)
	}
	if _, again := run(officeRules, 4); again != got {
		t.Errorf("on four workers other findings:\n%s\nwant\n%s", again, got)
	}
	twins := strings.NewReplacer("$EXTERNAL_NET", "!$EXTERNAL_NET", "/sync-helper.sh", "/sync-helper", "e8f1", "e8f2", "be31134", "be31135", "flowbits:isset", "flowbits:isnotset").Replace(officeRules)
	if d, got := run(twins, 2); d.Matches != 0 || got != "" {
		t.Errorf("%d matches of rules that look alike:\n%s", d.Matches, got)
	}
}

// When and from where the helper script was asked for.
const (
	helperAt   = "2026-11-24T18:20:23.553243+0000"
	helperPort = 34508
)

// TestEVE wants alerts to be given to the sessions of a capture, and those of
// other times or ends not.
func TestEVE(t *testing.T) {
	line := func(at, src string, sport int, dst string, dport int) string {
		return fmt.Sprintf(`{"timestamp":"%s","event_type":"alert","src_ip":"%s","src_port":%d,"dest_ip":"%s","dest_port":%d,"proto":"TCP","alert":{"action":"allowed","gid":1,"signature_id":77,"rev":1,"signature":"OURS helper script","severity":1}}`+"\n", at, src, sport, dst, dport)
	}
	for _, c := range []struct {
		name, line string
		matched    int
	}{
		{"in a session", line(helperAt, "10.20.3.17", helperPort, "203.0.113.9", 80), 1},
		{"a year before", line("2025"+helperAt[4:], "10.20.3.17", helperPort, "203.0.113.9", 80), 0},
		{"another port", line(helperAt, "10.20.3.17", helperPort+1, "203.0.113.9", 80), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var a suricata.Alerts
			if err := a.ReadEVE("eve.json", strings.NewReader(c.line)); err != nil {
				t.Fatal(err)
			}
			d := a.NewDetector()
			got := office(t, 2, d, nil)
			if d.Matched != c.matched || d.Unmatched != 1-c.matched || strings.Contains(got, "OURS helper script") != (c.matched == 1) {
				t.Errorf("%d matched, %d not: %s", d.Matched, d.Unmatched, got)
			}
		})
	}
}

package indicator_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"tyto/detection"
	"tyto/detection/indicator"
	"tyto/packet/pcapfile"
	"tyto/protocol/all"
	"tyto/sensor"
)

// findings analyses the office's traffic with a list.
func findings(t *testing.T, list string, workers int) (*indicator.Detector, string) {
	t.Helper()
	l, err := indicator.Read("our list", []byte(list))
	if err != nil {
		t.Fatal(err)
	}
	src, err := pcapfile.OpenAll([]string{"../../cmd/tyto/demo/office.pcap.gz"})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	set := indicator.NewSet(l)
	d := set.NewDetector()
	home, _ := sensor.Prefixes([]string{"10.20.0.0/16", "fe80::/10"})
	res, err := sensor.Run(context.Background(), src, sensor.Config{
		Set: all.Set(sensor.TunnelDefinitions()...), Home: home, Workers: workers, Strict: true,
		Detectors: []detection.Detector{d}, Matchers: func() []detection.Matcher { return []detection.Matcher{set.NewMatcher()} },
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range res.Judgement.Findings {
		for _, e := range f.Evidence {
			fmt.Fprintf(&b, "%.2f %s\n", e.LLR, e.Claim)
		}
	}
	return d, b.String()
}

const ours = `cdn-sync.example # the tunnel's server
http://cdn-sync.example/updates/sync-helper.sh
ba323c4c1d1ccc6b0b4bd3fb201e9da83b204b01
hassh:be31134219a24899a8a0c29c7797ba94
t13d311000_e8f1e7e78f70_1f22a2ca17c4
203.0.113.0/28
`

// TestCapture wants a domain, a URL, a certificate, fingerprints and a network
// found where they are in an office's traffic, the same on any number of cores;
// and nothing there of a list that names what looks alike.
func TestCapture(t *testing.T) {
	d, got := findings(t, ours, 1)
	if d.Entries != 6 {
		t.Errorf("%d of 6 indicators were met", d.Entries)
	}
	for _, want := range []string{
		"10.20.3.17 contacts domain cdn-sync.example, on list our list line 1: the tunnel's server",
		"10.20.3.17 contacts URL cdn-sync.example/updates/sync-helper.sh, on list our list line 2",
		"10.20.3.17 is shown certificate ba323c4c1d1ccc6b0b4bd3fb201e9da83b204b01, on list our list line 3",
		"10.20.3.17 is in a session with hassh be31134219a24899a8a0c29c7797ba94, on list our list line 4",
		"ja4 t13d311000_e8f1e7e78f70_1f22a2ca17c4, on list our list line 5",
		"203.0.113.0/28), on list our list line 6",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no evidence %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "10.20.0.10 asks") {
		t.Errorf("a resolver that asks for others is accused:\n%s", got)
	}
	if _, again := findings(t, ours, 4); again != got {
		t.Errorf("on four workers other findings: got\n%s\nwant\n%s", again, got)
	}
	twin := "sync.example\nhttp://cdn-sync.example/updates/\nja3:be31134219a24899a8a0c29c7797ba94\n203.0.113.9:444\n203.0.113.64/26\n"
	if d, got := findings(t, twin, 2); got != "" || d.Hits != 0 {
		t.Errorf("hits of a list that names nothing there: %s", got)
	}
}

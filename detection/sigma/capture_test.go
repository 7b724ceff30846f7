package sigma_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"tyto/detection"
	"tyto/detection/sigma"
	"tyto/packet/pcapfile"
	"tyto/protocol/all"
	"tyto/sensor"
)

var protocols = all.Set(sensor.TunnelDefinitions()...)

const ours = `
title: SSH to a database server
id: r1
level: high
tags: [attack.t1021.004]
logsource: {product: zeek, service: ssh}
detection:
  server: {id.resp_h|cidr: 10.20.0.32/32}
  client: {client|contains: openssh}
  condition: all of them
---
title: Script from a server outside
id: r2
level: medium
logsource: {category: proxy}
detection:
  selection: {c-uri|endswith: .sh, cs-host|endswith: .example, sc-status: 200}
  inside: {cs-host|endswith: .corp.example}
  condition: selection and not inside
---
title: TLS to a name of ours by address
id: r3
level: low
logsource: {product: zeek, service: ssl}
detection:
  selection: {server_name|re: '^db-\d+\.corp', established: true}
  condition: selection
---
title: Session with a server outside, on a port of the web
id: r4
level: low
logsource: {product: zeek, service: conn}
detection:
  selection: {id.resp_h: 203.0.113.9, id.resp_p: [80, 443], orig_bytes|gt: 10, service: [http, ssh]}
  condition: selection
`

// run analyses the office's traffic with rules.
func run(t *testing.T, text string, workers int) (*sigma.Detector, string) {
	t.Helper()
	set := sigma.New(sensor.Schemas(protocols))
	if err := set.Load("ours.yml", []byte(text)); err != nil || len(set.Skipped) > 0 {
		t.Fatalf("%v, %+v", err, set.Skipped)
	}
	src, err := pcapfile.OpenAll([]string{"../../cmd/tyto/demo/office.pcap.gz"})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	home, _ := sensor.Prefixes([]string{"10.20.0.0/16", "fe80::/10"})
	d := set.NewDetector()
	res, err := sensor.Run(context.Background(), src, sensor.Config{
		Set: protocols, Home: home, Workers: workers, Strict: true,
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

// TestCapture wants rules on SSH, HTTP, TLS and sessions to match an office's
// traffic, the same on any number of cores, and their twins not to.
func TestCapture(t *testing.T) {
	d, got := run(t, ours, 1)
	for _, want := range []string{
		"3.50 Sigma's rule r1 says of 10.20.3.17 and 10.20.0.32: SSH to a database server (ssh:",
		"2.00 Sigma's rule r2 says of 10.20.3.17 and cdn-sync.example: Script from a server outside (http:",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no evidence %q in\n%s", want, got)
		}
	}
	if d.Matched() != 4 {
		t.Errorf("%d of 4 rules matched:\n%s", d.Matched(), got)
	}
	if _, again := run(t, ours, 4); again != got {
		t.Errorf("on four workers other findings:\n%s\nwant\n%s", again, got)
	}
	twins := strings.NewReplacer("10.20.0.32/32", "10.20.0.33/32", "sc-status: 200", "sc-status: 404", `db-\d+`, `db-\d{2}`, "gt: 10", "gt: 10000000").Replace(ours)
	if d, got := run(t, twins, 2); d.Matches != 0 || got != "" {
		t.Errorf("%d matches of rules that look alike:\n%s", d.Matches, got)
	}
}

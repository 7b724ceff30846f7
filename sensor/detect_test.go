package sensor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"testing"

	detections "tyto/detection/all"
	"tyto/packet/pcapfile"
	"tyto/sensor"
)

const intrusion = "../cmd/tyto/demo/intrusion.pcap.gz"

// judged analyses a capture with all detectors.
func judged(t *testing.T, file string, workers int, home ...string) ([]byte, *sensor.Judgement) {
	t.Helper()
	src, err := pcapfile.OpenAll([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	nets, err := sensor.Prefixes(home)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	res, err := sensor.Run(context.Background(), src, sensor.Config{Set: set, JSON: &out, Home: nets, Workers: workers, Detectors: detections.Detectors(), Strict: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), res.Judgement
}

// TestIntrusion wants the story of the intrusion as one case: who leads, over
// which machines, and with evidence that adds up.
func TestIntrusion(t *testing.T) {
	text, j := judged(t, intrusion, 2, "10.233.23.0/24")
	alerts := 0
	for _, c := range j.Cases {
		if c.Alert() {
			alerts++
		} else if c.P > 0.1 {
			t.Errorf("%s: p = %.2f, want everyday traffic to be far below the threshold", c.Title, c.P)
		}
	}
	if alerts != 1 || !j.Cases[0].Alert() {
		t.Fatalf("got %d alerts of %d cases, want one, and it first", alerts, len(j.Cases))
	}
	c := j.Cases[0]
	if got := c.Controller.String(); got != "192.0.2.84" {
		t.Errorf("led by %s, want 192.0.2.84", got)
	}
	var hops []string
	for _, h := range c.Path {
		hops = append(hops, h.From.String()+">"+h.To.String())
	}
	want := []string{"192.0.2.84>10.233.23.32", "10.233.23.32>10.233.23.170", "10.233.23.170>10.233.23.181", "10.233.23.32>10.233.23.18"}
	if len(hops) != len(want) {
		t.Fatalf("path: got %v, want %v", hops, want)
	}
	for i := range want {
		if hops[i] != want[i] {
			t.Errorf("hop %d: got %s, want %s", i+1, hops[i], want[i])
		}
	}
	verdicts(t, text)
}

// verdicts holds the written detections and cases against what is promised of
// them.
func verdicts(t *testing.T, text []byte) {
	t.Helper()
	known := make(map[string]bool)
	cases := 0
	for line := range bytes.Lines(text) {
		var r struct {
			Record, ID, Rule string
			Score            float64
			Evidence         []struct{ LLR float64 }
			Alert            bool
			Detections       []string
			Path             []struct{ From, To, Via, UID string }
		}
		if !bytes.Contains(line, []byte(`"record":"detection"`)) && !bytes.Contains(line, []byte(`"record":"case"`)) {
			continue
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if r.Record == "case" {
			cases++
			for _, id := range r.Detections {
				if !known[id] {
					t.Errorf("case %s names detection %q, which was not written", r.ID, id)
				}
			}
			if r.Alert && (len(r.Path) == 0 || r.Path[0].UID == "") {
				t.Errorf("case %s has no path of sessions", r.ID)
			}
			continue
		}
		known[r.ID] = true
		sum := 0.0
		for _, e := range r.Evidence {
			sum += e.LLR
		}
		if math.Abs(sum-r.Score) > 1e-4 {
			t.Errorf("detection %s (%s): score %.6f is not the sum of its evidence, %.6f", r.ID, r.Rule, r.Score, sum)
		}
	}
	if cases == 0 {
		t.Error("no case was written")
	}
}

// TestJudgementOrder wants the same to be found on one core and on four.
func TestJudgementOrder(t *testing.T) {
	one, _ := judged(t, intrusion, 1, "10.233.23.0/24")
	four, _ := judged(t, intrusion, 4, "10.233.23.0/24")
	if !bytes.Equal(one, four) {
		t.Error("with four workers other bytes are written than with one")
	}
}

// TestOffice wants the tunnel in an office's traffic found, and nothing else of it
// to be an alert.
func TestOffice(t *testing.T) {
	_, j := judged(t, "../cmd/tyto/demo/office.pcap.gz", 2, "10.20.0.0/16", "fe80::/10")
	for i, c := range j.Cases {
		if alert := c.Alert(); alert != (i == 0) {
			t.Errorf("case %d: alert %v: %s", i+1, alert, c.Summary)
		}
	}
	if len(j.Cases) == 0 || j.Cases[0].Controller.String() != "cdn-sync.example" || j.Cases[0].Hosts[0].String() != "10.20.3.17" {
		t.Errorf("got %+v, want the tunnel from 10.20.3.17 that cdn-sync.example leads", j.Cases)
	}
}

// BenchmarkDetectors is the capture of the intrusion with and without detectors.
func BenchmarkDetectors(b *testing.B) {
	for _, with := range []bool{false, true} {
		b.Run(map[bool]string{false: "without", true: "with"}[with], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				src, err := pcapfile.OpenAll([]string{intrusion})
				if err != nil {
					b.Fatal(err)
				}
				c := sensor.Config{Set: set, Workers: 1}
				if with {
					c.Detectors = detections.Detectors()
				}
				if _, err := sensor.Run(context.Background(), src, c, nil); err != nil {
					b.Fatal(err)
				}
				src.Close()
			}
		})
	}
}

// What protocols prove in the clear labels sessions, without a model.
func TestLabelsThatProtocolsProve(t *testing.T) {
	for _, tt := range []struct{ file, app, want string }{
		{"testdata/ssh-bruteforce.pcap", "ssh", "login-failed"},
		{intrusion, "smb", "remote-execution"},
		{intrusion, "smb", "upload"},
		{intrusion, "winrm", "remote-execution"},
	} {
		text, _ := judged(t, tt.file, 2)
		found, others := false, 0
		for line := range bytes.Lines(text) {
			var r struct {
				Record, App string
				Labels      []struct {
					Name string
					P    float64
				}
			}
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			if r.Record != "session" {
				continue
			}
			for i, l := range r.Labels {
				found = found || r.App == tt.app && l.Name == tt.want && l.P > 0.7
				if i > 0 && l.P > r.Labels[i-1].P {
					t.Errorf("%s: labels %v are not in order", tt.file, r.Labels)
				}
			}
			if r.App == "dns" || r.App == "tls" {
				others += len(r.Labels)
			}
		}
		if !found || others > 0 {
			t.Errorf("%s: %s is told of no session over %s, or %d labels are of others", tt.file, tt.want, tt.app, others)
		}
	}
}

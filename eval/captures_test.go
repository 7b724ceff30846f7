package eval

import (
	"context"
	"errors"
	"strings"
	"testing"
)

const catalog = "path\tbytes\tkind\n" +
	"a/hydra.pcap\t1\tbruteforce,ssh\n" + "b/page.pcap\t1\tweb-browsing,tls\n" + "c/fuzz.pcap\t1\ttls,malformed-fuzz\n" + "d/plc.pcap\t1\tics-iot\n" + "e/beacon.pcap\t1\tc2\n" + "f/call.pcap\t1\tvoip\n"

func TestCaptures(t *testing.T) {
	list, err := ReadCatalog(strings.NewReader(catalog))
	if err != nil || len(list) != 4 || !list[0].Attack || !list[1].Benign {
		t.Fatalf("read %+v, %v", list, err)
	}
	all, err := Judge(context.Background(), "dir", list, func(_ context.Context, path string, v *Verdict) error {
		switch path {
		case "dir/a/hydra.pcap":
			v.Alerts, v.P, v.Title, v.Why = 1, 0.99, "Passwords | are guessed", []string{"20 logins refused"}
		case "dir/b/page.pcap":
			v.P = 0.1
		case "dir/e/beacon.pcap":
			return errors.New("no capture")
		case "dir/f/call.pcap":
			v.Alerts, v.P, v.Title = 1, 0.6, "Data leaves"
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	report := CapturesReport(all)
	for _, want := range []string{"| **attacks** | 2 | **1** | 0 | 1 |", "| **everyday** | 2 | **1** | | |", "Passwords \\| are guessed | 20 logins refused", "| beacon.pcap | c2 | cannot be read |", "| call.pcap | voip | **yes** | 0.600 | Data leaves |"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report lacks %q:\n%s", want, report)
		}
	}
	if strings.Contains(report, "page.pcap") {
		t.Error("an everyday capture without a case is listed")
	}
	for _, bad := range []string{"", "path\tbytes\n", "path\tkind\nonly\n"} {
		if _, err := ReadCatalog(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

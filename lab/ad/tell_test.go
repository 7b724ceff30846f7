package ad

import (
	"strings"
	"testing"
)

func TestParseTold(t *testing.T) {
	got, err := parseTold("1700000000000000001 10.1.2.3:40000 192.0.2.1:445 put report.txt", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.since != 1700000000000000001 || got.detail != "put report.txt" || !strings.Contains(got.flow.String(), "10.1.2.3:40000-192.0.2.1:445") {
		t.Errorf("got %d %q of %s", got.since, got.detail, got.flow)
	}
	if got, err := parseTold("5 10.1.2.3:40000 192.0.2.1:445", nil); err != nil || got.detail != "" {
		t.Errorf("without detail: %q, %v", got.detail, err)
	}
	for _, bad := range []string{"", "x 10.1.2.3:1 192.0.2.1:445 a", "5 here there a", "5 10.1.2.3:1 there a", "5 0.0.0.0:0 192.0.2.1:445 of no server"} {
		if _, err := parseTold(bad, nil); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestParseLabels(t *testing.T) {
	if got, err := parseLabels("mount,download"); err != nil || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := parseLabels("mount,nonsense"); err == nil {
		t.Error("a label that does not exist was taken")
	}
}

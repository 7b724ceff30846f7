package label

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestGenerated holds docs/labels.md against the tables it is made from;
// UPDATE=1 writes it.
func TestGenerated(t *testing.T) {
	const name = "../../docs/labels.md"
	want := reference()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the code says: run \"UPDATE=1 go test ./lab/label\"", name)
	}
}

func reference() string {
	var b strings.Builder
	b.WriteString("# Labels\n\nMade from the code (`lab/label`) by `UPDATE=1 go test ./lab/label`.\n\n" +
		"What a session is about, and what it does from one moment to the next. The techniques are those of MITRE ATT&CK that it\n" +
		"can be part of: by itself none of them is malicious. The last column names the inferences of Corelight's SSH analyzer that\n" +
		"say the same or part of it; they are spelled out at the end.\n\n" +
		"## Session labels\n\nSeveral may hold for one session.\n\n| label | meaning | ATT&CK | Corelight |\n|---|---|---|---|\n")
	for _, l := range Labels() {
		row(&b, l.Definition())
	}
	b.WriteString("\n## Segment states\n\nA segment is a span of time of one session. Segments may overlap where a session does several things at once.\n\n" +
		"| state | meaning | ATT&CK | Corelight |\n|---|---|---|---|\n")
	for _, s := range States() {
		row(&b, s.Definition())
	}
	b.WriteString("\n## Corelight's codes\n\n| code | meaning | states | labels |\n|---|---|---|---|\n")
	for _, code := range slices.Sorted(maps.Keys(corelight)) {
		var in, of []string
		for _, s := range States() {
			if slices.Contains(s.Definition().Corelight, code) {
				in = append(in, "`"+s.String()+"`")
			}
		}
		for _, l := range Labels() {
			if slices.Contains(l.Definition().Corelight, code) {
				of = append(of, "`"+l.String()+"`")
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", code, corelight[code], strings.Join(in, " "), strings.Join(of, " "))
	}
	return b.String()
}

func row(b *strings.Builder, d Definition) {
	links := make([]string, len(d.Techniques))
	for i, id := range d.Techniques {
		links[i] = fmt.Sprintf("[%s](https://attack.mitre.org/techniques/%s/)", id, strings.ReplaceAll(id, ".", "/"))
	}
	fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", d.Name, d.Doc, strings.Join(links, " "), strings.Join(d.Corelight, " "))
}

// TestDefinitions wants the names that the design lists, each with a sentence,
// well-formed techniques and known codes.
func TestDefinitions(t *testing.T) {
	const (
		wantStates = "handshake keystrokes output exchange upload download tunnel browse stream checkin tasking screen idle probe"
		wantLabels = "shell command upload download sync mount port-forward reverse-shell reverse-tunnel tunnel vpn proxy dns-tunnel beacon " +
			"tasked-beacon exfiltration browse stream poll chat call screen brute-force login-failed scan keepalive enumeration remote-execution credential-dump"
	)
	var names []string
	for _, s := range States() {
		names = append(names, s.String())
		definition(t, s.Definition())
		if got, err := ParseState(s.String()); got != s || err != nil {
			t.Errorf("ParseState(%q) = %v, %v", s, got, err)
		}
	}
	if got := strings.Join(names, " "); got != wantStates {
		t.Errorf("states: got %s, want %s", got, wantStates)
	}
	names = nil
	for _, l := range Labels() {
		names = append(names, l.String())
		definition(t, l.Definition())
		if got, err := ParseLabel(l.String()); got != l || err != nil {
			t.Errorf("ParseLabel(%q) = %v, %v", l, got, err)
		}
	}
	if got := strings.Join(names, " "); got != wantLabels {
		t.Errorf("labels: got %s, want %s", got, wantLabels)
	}
	for _, bad := range []string{"", "unknown", "Shell", "sh\x00ell"} {
		if _, err := ParseLabel(bad); err == nil {
			t.Errorf("ParseLabel(%q) accepts it", bad)
		}
		if _, err := ParseState(bad); err == nil {
			t.Errorf("ParseState(%q) accepts it", bad)
		}
	}
	if _, err := Unknown.MarshalText(); err == nil {
		t.Error("the unknown label has a text")
	}
	if got := Label(200).String(); got != "unknown" {
		t.Errorf("label 200 is %q", got)
	}
}

func definition(t *testing.T, d Definition) {
	t.Helper()
	if !strings.HasSuffix(d.Doc, ".") {
		t.Errorf("%s: its meaning is not a sentence: %q", d.Name, d.Doc)
	}
	for _, id := range d.Techniques {
		if !IsTechnique(id) {
			t.Errorf("%s: technique %q", d.Name, id)
		}
	}
	for _, code := range d.Corelight {
		if corelight[code] == "" {
			t.Errorf("%s: Corelight code %q is not spelled out", d.Name, code)
		}
	}
}

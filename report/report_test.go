package report

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tyto/behavior"
	"tyto/detection"
	"tyto/detection/all"
	"tyto/lab/label"
	"tyto/packet"
	"tyto/session"
	"tyto/triage"
)

func addr(s string) packet.Addr { return packet.AddrOf(netip.MustParseAddr(s)) }

func rule(t testing.TB, id string) *detection.Definition {
	t.Helper()
	for _, d := range all.Definitions() {
		if d.ID == id {
			return d
		}
	}
	t.Fatalf("there is no rule %s", id)
	return nil
}

// start is when the invented intrusion begins: 2026-03-02 09:00:00 UTC.
const start = int64(1772442000e9)

const second = int64(1e9)

// invented is an intrusion of three machines that never was, and a benign case.
func invented(t testing.TB) *Input {
	pc, files, db, out := addr("10.1.0.11"), addr("10.1.0.20"), addr("10.1.0.30"), addr("192.0.2.9")
	shell := &detection.Finding{Rule: rule(t, "reverse-shell"), Title: "Reverse shell: 192.0.2.9 leads 10.1.0.11 over tls", Hosts: []packet.Addr{pc}, Outside: detection.Party{Addr: out}, Controls: true}
	shell.Add(detection.Evidence{Kind: "keys", Claim: "the far side types: 210 keys at the rhythm of fingers", LLR: 5.123, UID: session.UID{1, 1}, T0: start, T1: start + 300*second})
	shell.Add(detection.Evidence{Kind: "carrier", Claim: "tls on port 9001", LLR: 0.7, UID: session.UID{1, 1}, T0: start, T1: start + 300*second})
	exec := func(to packet.Addr, uid uint64, at int64) *detection.Finding {
		f := &detection.Finding{Rule: rule(t, "remote-execution"), Title: fmt.Sprintf("Commands run on %v by a service", to), Hosts: []packet.Addr{pc, to}}
		f.Add(detection.Evidence{Kind: "service CreateServiceW", Claim: "svcctl.CreateServiceW (updater)", LLR: 2.805, UID: session.UID{uid, 2}, T0: at})
		f.Add(detection.Evidence{Kind: "novelty", Claim: "the two did this 3 times before", LLR: -0.333, UID: session.UID{uid, 2}, T0: at})
		return f
	}
	move := &detection.Finding{Rule: rule(t, "lateral-movement"), Title: "From machine to machine, led by 192.0.2.9: 10.1.0.11, 10.1.0.20, 10.1.0.30", Hosts: []packet.Addr{pc, files, db}, Outside: detection.Party{Addr: out}, Controls: true, Path: []detection.Hop{
		{From: out, To: pc, Via: "tls", UID: session.UID{1, 1}, At: start}, {From: pc, To: files, Via: "service", UID: session.UID{2, 2}, At: start + 60*second, Account: `CORP\anna`},
		{From: files, To: db, Via: "ssh", UID: session.UID{3, 2}, At: start + 120*second}}}
	move.Add(detection.Evidence{Kind: "link", Claim: "ssh from 10.1.0.20 to 10.1.0.30 began 0.2 s after 192.0.2.9 acted", LLR: 2.111, UID: session.UID{3, 2}, T0: start + 120*second})
	work := &detection.Finding{Rule: rule(t, "remote-execution"), Title: "Commands run on 10.1.0.77 by WinRM", Hosts: []packet.Addr{addr("10.1.0.76"), addr("10.1.0.77")}}
	work.Add(detection.Evidence{Kind: "winrm", Claim: "2 requests of a WinRM shell were answered", LLR: 1.5, UID: session.UID{9, 9}, T0: start + 30*second})
	cases := triage.Cases([]*detection.Finding{shell, exec(files, 2, start+60*second), exec(db, 4, start+90*second), move, work}, start+300*second)
	return &Input{
		Title: "invented.pcap", Source: "invented.pcap", First: start - 10*second, Last: start + 310*second, Packets: 12345, Bytes: 6_543_210, Sessions: 77, AtHome: 3, Elsewhere: 1,
		Encrypted: []string{"out 97 %"}, Judged: true, Heard: true, Cases: cases,
		Named: map[string]*detection.Session{session.UID{1, 1}.String(): {
			UID: session.UID{1, 1}, First: start, Last: start + 300*second, Tuple: session.Tuple{Orig: pc, Resp: out}, App: "tls", Bytes: [2]uint64{20_000, 4000},
			Heard: behavior.Heard{Labels: []behavior.Label{{Name: "reverse-shell", P: 0.999}}, Control: behavior.ControlResp, Leads: [2]int{2, 90}, Segments: []behavior.Segment{
				{From: 0, To: 20 * second, State: "handshake"}, {From: 20 * second, To: 280 * second, State: "keystrokes", Orig: 19_000, Resp: 3000}, {From: 280 * second, To: 300 * second, State: "idle"}}},
		}},
		Distinct: []*detection.Session{{UID: session.UID{5, 5}, First: start + 5*second, Last: start + 6*second, Tuple: session.Tuple{Orig: pc, Resp: addr("198.51.100.4")}, App: "quic", Domain: "media.example",
			Heard: behavior.Heard{Labels: []behavior.Label{{Name: "stream", P: 0.8}}, Segments: []behavior.Segment{{From: 0, To: second, State: "stream"}}}}},
		Devices: []Device{{Addrs: []packet.Addr{pc}, Name: "pc-11", Roles: []string{"workstation"}, Users: []string{"anna"}, Uses: []string{"tls 4"}, Sent: 20_000, Received: 4000, Local: true},
			{Addrs: []packet.Addr{files, addr("fe80::20")}, Name: "files", Roles: []string{"file server"}, Local: true}},
		Name: func(a packet.Addr) string {
			return map[packet.Addr]string{pc: "pc-11", files: "files"}[a]
		},
		Notes: []Note{{"odd port", "tls on 192.0.2.9:9001", session.UID{1, 1}.String()}}, Lost: []Count{{3, "frames without IP"}},
	}
}

func written(t testing.TB, in *Input) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, in); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPage compares with a golden file, which was looked at in a browser; UPDATE=1
// writes it.
func TestPage(t *testing.T) {
	got := written(t, invented(t))
	if again := written(t, invented(t)); again != got {
		t.Error("the same input makes another page")
	}
	name := filepath.Join("testdata", "invented.html")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not as it was: look at it with UPDATE=1, then git diff", name)
	}
}

// TestTells wants on the page what people look for, in the order in which they do.
func TestTells(t *testing.T) {
	page := written(t, invented(t))
	for _, want := range []string{
		"1 case needs attention", "192.0.2.9, outside the network, controls pc-11, files and 10.1.0.30", "Commands run on files by a service",
		"tyto explain ", " invented.pcap", "tyto carve ", `<svg class="graph"`, `class="s-keystrokes"`, "Log-odds of an attack", "file server", "fe80::20", "T1569.002", "frames without IP",
	} {
		i := strings.Index(page, want)
		if i < 0 {
			t.Errorf("%q is missing, or not below what comes before it", want)
			continue
		}
		page = page[i:]
	}
}

// TestBenign wants a page without cases to say so.
func TestBenign(t *testing.T) {
	in := invented(t)
	in.Cases, in.Named = nil, nil
	page := written(t, in)
	for _, want := range []string{"Nothing needs attention", "There are none.", "Nobody moves", "no proof that there was none", "Nothing was seen that is part of ATT&amp;CK", "those that sent and received most"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	in.Judged = false
	if page := written(t, in); !strings.Contains(page, "No verdict") || strings.Contains(page, "Nothing needs attention") {
		t.Error("without detectors there is a verdict")
	}
}

var cellOf = regexp.MustCompile(`class="num">([+-][0-9.]+)<`)

// TestSums wants the amounts of a ledger to add up to the digit to its score, and
// this to be the case's.
func TestSums(t *testing.T) {
	in := invented(t)
	page := written(t, in)
	page = html.UnescapeString(page)
	page = page[strings.Index(page, `id="evidence"`):strings.Index(page, `id="entities"`)]
	ledgers := strings.Split(page, `<details class="ledger"`)[1:]
	if len(ledgers) != len(in.Cases) || len(ledgers) != 2 {
		t.Fatalf("%d ledgers of %d cases", len(ledgers), len(in.Cases))
	}
	cents := func(s string) int {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		return int(math.Round(v * 100))
	}
	for i, text := range ledgers {
		body, foot, _ := strings.Cut(text, "<tfoot>")
		rows, findings := 0, 0
		for line := range strings.Lines(body) {
			m := cellOf.FindStringSubmatch(line)
			switch {
			case m == nil:
			case strings.Contains(line, `class="finding"`):
				findings += cents(m[1])
			default:
				rows += cents(m[1])
			}
		}
		foots := cellOf.FindAllStringSubmatch(foot, -1)
		score := cents(foots[0][1])
		if rows != score || findings != score {
			t.Errorf("%s: rows add up to %d, findings to %d, the score is %d hundredths", in.Cases[i].ID, rows, findings, score)
		}
		if want := int(math.Round(in.Cases[i].Score * 100)); score != want {
			t.Errorf("%s: score %d hundredths, want %d", in.Cases[i].ID, score, want)
		}
		if cents(foots[2][1]) != score+cents(foots[1][1]) {
			t.Errorf("%s: log-odds are not score and prior", in.Cases[i].ID)
		}
	}
}

// hostile is text as packets may bring it: markup, quotes, and what turns text around.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>'` + "\u202egnp.exe\x00\x1b[31m\xff{{.}}</style></svg>"

// TestHostile wants nothing of hostile packets to be more than text.
func TestHostile(t *testing.T) {
	page := written(t, hostileInput(t, hostile))
	checkSafe(t, page)
	if !strings.Contains(page, "&lt;script&gt;alert(1)") {
		t.Error("what packets said is not on the page")
	}
}

func hostileInput(t testing.TB, text string) *Input {
	in := invented(t)
	in.Title, in.Source = text, Quoted(text)
	in.Name = func(packet.Addr) string { return text }
	in.Distinct[0].Domain, in.Distinct[0].App = text, text
	in.Distinct[0].Heard.Labels[0].Name = text
	in.Distinct[0].Heard.Segments[0].State = text
	d := &in.Devices[0]
	d.Name, d.Vendor = text, text
	d.Names, d.Users, d.Roles, d.Serves, d.Software = []string{text}, []string{text}, []string{text}, []string{text}, []string{text}
	in.Notes = []Note{{text, text, text}}
	for _, c := range in.Cases {
		c.Title, c.Summary = text, text
		for i := range c.Path {
			c.Path[i].Account, c.Path[i].Via = text, text
		}
		if len(c.Path) > 0 {
			c.Path[0].Domain = text
			c.Controller.Domain = text
		}
		for i := range c.Items {
			c.Items[i].Title = text
			for k := range c.Items[i].Evidence {
				c.Items[i].Evidence[k].Claim = text
			}
		}
	}
	return in
}

// checkSafe fails if a page has other scripts, pictures or handlers than its own,
// asks for something, or shows letters that cannot be seen.
func checkSafe(t *testing.T, page string) {
	t.Helper()
	if n := strings.Count(page, "<script"); n != 1 {
		t.Errorf("%d scripts", n)
	}
	for _, bad := range []string{"<img", "<iframe", "<link", "<object", "<base", "@import", "url(http", "\u202e", "\x00", "\x1b", "\ufeff", "ZgotmplZ", "javascript:"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, tag := range regexp.MustCompile(`<[a-zA-Z][^>]*>`).FindAllString(page, -1) {
		if regexp.MustCompile(`(?i)\s(on[a-z]+|src|style|srcdoc)\s*=`).MatchString(withoutValues(tag)) {
			t.Errorf("a tag with a handler, source or style: %s", tag)
		}
		if i := strings.Index(tag, `href="`); i >= 0 && !strings.HasPrefix(tag[i+6:], "#") && !strings.HasPrefix(tag[i+6:], "https://attack.mitre.org/techniques/") {
			t.Errorf("a link to elsewhere: %s", tag)
		}
	}
}

// withoutValues is a tag without the values of its attributes.
func withoutValues(tag string) string {
	return regexp.MustCompile(`"[^"]*"`).ReplaceAllString(tag, `""`)
}

// FuzzPage wants a page to be safe and bounded whatever the packets say.
func FuzzPage(f *testing.F) {
	f.Add(hostile)
	f.Add("")
	f.Add("10.1.0.11 -rf 'x' $(id)\n")
	f.Add(strings.Repeat("\u0301<", 5000))
	f.Fuzz(func(t *testing.T, text string) {
		page := written(t, hostileInput(t, text))
		if len(page) > MaxBytes {
			t.Errorf("%d bytes", len(page))
		}
		checkSafe(t, page)
	})
}

// TestBounded wants a page of bounded size of whatever there is, and to say what
// is not on it.
func TestBounded(t *testing.T) {
	in := invented(t)
	long := strings.Repeat("<&\">", 400)
	in.Cases = nil
	var findings []*detection.Finding
	for i := range 300 {
		f := &detection.Finding{Rule: rule(t, "beacon"), Key: strconv.Itoa(i), Title: long, Outside: detection.Party{Domain: strconv.Itoa(i) + long}, Controls: true}
		for k := range 4 {
			f.Hosts = append(f.Hosts, addr(fmt.Sprintf("10.9.%d.%d", i%250, k+i/250*8+1)))
		}
		for k := range 32 {
			f.Add(detection.Evidence{Kind: strconv.Itoa(k), Claim: long, LLR: 1, UID: session.UID{uint64(i) + 7, uint64(k)}, T0: start})
		}
		for _, uid := range f.UIDs[:2] {
			s := &detection.Session{UID: uid, First: start, Last: start + 100*second, Domain: long, App: long}
			for n := range 2000 {
				s.Heard.Segments = append(s.Heard.Segments, behavior.Segment{From: int64(n) * 5e7, To: int64(n+1) * 5e7, State: states[n%len(states)].Name})
			}
			in.Named[uid.String()] = s
		}
		findings = append(findings, f)
	}
	in.Cases = triage.Cases(findings, start+300*second)
	for range 5000 {
		in.Notes = append(in.Notes, Note{long, long, ""})
	}
	page := written(t, in)
	t.Logf("%d cases: %d bytes", len(in.Cases), len(page))
	if len(page) > MaxBytes {
		t.Errorf("the page has %d bytes, more than %d", len(page), MaxBytes)
	}
	for _, want := range []string{"left out of this page", "not remembered long enough to be drawn", "more are left out."} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	small, err := render(in, 200_000)
	if err != nil || len(small) > 200_000 {
		t.Errorf("within 200 kB: %d bytes, %v", len(small), err)
	}
}

// TestCutLedger wants a ledger with no room for all of it to say so, and to add up
// still.
func TestCutLedger(t *testing.T) {
	in, l := invented(t), usual
	l.rows = 8
	cut, whole := build(in, l).Ledgers[0], build(in, usual).Ledgers[0]
	if whole.More != "" || !strings.HasPrefix(cut.More, "2 findings more, left out here: ") {
		t.Errorf("all fits: %q; with 8 rows: %q", whole.More, cut.More)
	}
	if cut.Score != whole.Score || cut.LogOdds != whole.LogOdds {
		t.Errorf("cut, the score is %s and not %s", cut.Score, whole.Score)
	}
}

// TestTechniques wants the names of all techniques that rules and labels name.
func TestTechniques(t *testing.T) {
	var ids []string
	for _, d := range all.Definitions() {
		ids = append(ids, d.Techniques...)
	}
	for _, l := range label.Labels() {
		ids = append(ids, l.Definition().Techniques...)
	}
	for _, s := range label.States() {
		ids = append(ids, s.Definition().Techniques...)
		if name := s.String(); !slices.ContainsFunc(states, func(k struct{ Name, Means string }) bool { return k.Name == name }) {
			t.Errorf("the legend does not have %s", name)
		}
	}
	for _, id := range hops {
		ids = append(ids, id)
	}
	for _, kinds := range shown {
		for _, id := range kinds {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		if tech, ok := techniques[id]; !ok {
			t.Errorf("techniques.tsv does not have %s", id)
		} else if tech.Tactic == "" || tech.Name == "" {
			t.Errorf("%s has no name or tactic", id)
		}
	}
	for id, tech := range techniques {
		found := false
		for _, tactic := range tactics {
			found = found || tech.Tactic == tactic
		}
		if !found {
			t.Errorf("%s has tactic %q, which ATT&CK does not have", id, tech.Tactic)
		}
	}
	for id := range shown {
		rule(t, id)
	}
}

// TestQuoted holds words of command lines against what a shell makes of them.
func TestQuoted(t *testing.T) {
	for in, want := range map[string]string{"a.pcap": "a.pcap", "a b": "'a b'", "it's": `'it'\''s'`, "$(id)": "'$(id)'", "": "''", "-x": "'-x'"} {
		if got := Quoted(in); got != want {
			t.Errorf("%q is %s, want %s", in, got, want)
		}
	}
}

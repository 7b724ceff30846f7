package inferences

import (
	"slices"
	"strings"

	"tyto/corpus"
	"tyto/lab/label"
)

// Truth is what the lab knows of a session: codes that hold and codes that do
// not. Of those in neither it knows nothing.
type Truth struct{ Yes, No map[string]bool }

func (t *Truth) yes(codes ...string) { t.set(t.Yes, codes) }
func (t *Truth) no(codes ...string)  { t.set(t.No, codes) }

func (t *Truth) set(m map[string]bool, codes []string) {
	for _, c := range codes {
		delete(t.Yes, c)
		delete(t.No, c)
		m[c] = true
	}
}

func (t *Truth) skip(codes ...string) {
	for _, c := range codes {
		delete(t.Yes, c)
		delete(t.No, c)
	}
}

// large is where files begin to be large, in bytes on the wire.
const large = 64 << 10

// forwards are the scenarios whose connections are started with -N or -W.
var forwards = []string{"ssh-forward-dynamic", "ssh-forward-idle", "ssh-forward-local", "ssh-forward-remote", "ssh-reverse-login"}

// Session is what the truth of one depends on.
type Session struct {
	Flow  *label.Flow
	From  string    // name of the originator's host
	Bytes [2]uint64 // of payload, by direction
	Last  bool      // none of its run began later
}

// OfCorpus returns a session of a corpus' run.
func OfCorpus(r *corpus.Run, s *corpus.Session) Session {
	out := Session{Flow: &s.Flow, From: s.From, Last: true}
	for i := range r.Sessions {
		if r.Sessions[i].Flow.T0 > s.Flow.T0 {
			out.Last = false
		}
	}
	for i := range s.Entries {
		if e := &s.Entries[i]; !e.Message {
			out.Bytes[e.Dir] += uint64(e.Bytes)
		}
	}
	return out
}

// TruthOf returns what the lab knows of a session of SSH, and whether it is one
// that counts: of which the scenario says what it did.
func TruthOf(r *label.Run, s Session) (Truth, bool) {
	t := Truth{map[string]bool{}, map[string]bool{}}
	has := func(l label.Label) bool { return slices.Contains(s.Flow.Labels, l) }
	if !strings.HasPrefix(r.Scenario, "ssh-") && !slices.Contains([]string{"scp-download", "scp-upload", "sftp-session", "rsync-ssh", "git-ssh", "sshfs", "mosh", "monitor-checks"}, r.Scenario) || len(s.Flow.Labels) == 0 {
		return t, false
	}
	for _, c := range allCodes {
		t.no(c)
	}
	if r.Scenario == "ssh-first-contact" {
		t.firstContact(r.Params)
		return t, true
	}
	t.skip("BAN") // what servers say first is not in the truth
	outer := s.From != "middle"
	p := r.Params
	t.login(r, s, outer)
	t.use(r, s, outer)
	switch {
	case r.Scenario == "monitor-checks":
		t.skip("CTS", "AUTO", "NRC")
		t.yes("SV")
	case has(label.Scan):
		t.skip("PKA", "NA", "UA", "IPWA", "APWA", "BF", "BFS", "CTS")
		t.skip("NRC", "AUTO", "KS", "LFU", "LFD", "SFU", "SFD")
		kind, _, _ := strings.Cut(r.Variant, "-")
		t.skip("SV", "SC", "SA", "SP")
		if code := map[string]string{"banner": "SV", "keys": "SC", "algorithms": "SC", "methods": "SA"}[kind]; code != "" {
			t.no("SV", "SC", "SA", "SP")
			t.yes(code)
		}
	case has(label.BruteForce):
		t.yes("BF", "APWA")
		t.skip("SA", "SP", "AUTO", "NRC", "UA", "PKA", "NA")
		t.skip("BFS")
		switch {
		case p["success"] == "no" || p["tasks"] == "1" && !s.Last:
			t.no("BFS")
		case p["tasks"] == "1": // the last guess is right
			t.yes("BFS")
		}
	}
	return t, true
}

// login is how they logged in.
func (t *Truth) login(r *label.Run, s Session, outer bool) {
	p := r.Params
	t.yes("CTS")
	method := p["auth"]
	typed := true
	switch r.Scenario {
	case "ssh-keys":
		method = p["method"]
	case "ssh-reverse-login", "ssh-jump", "ssh-agent-forward":
		method = "key"
	case "ssh-hops":
		method = "key"
		if !outer {
			method = p["hop"]
		}
	case "ssh-wrong-password":
		method = "password"
	case "ssh-gssapi":
		method = "gssapi"
	case "ssh-mfa":
		t.yes("MFA", "IPWA")
		if method == "key" {
			t.yes("PKA")
		}
		return
	case "ssh-exec", "scp-download", "scp-upload", "sftp-session", "rsync-ssh", "git-ssh", "sshfs", "ssh-pipe",
		"ssh-forward-dynamic", "ssh-forward-idle", "ssh-forward-local", "ssh-forward-remote", "monitor-checks":
		typed = false
	}
	switch method {
	case "password":
		if typed {
			t.yes("IPWA")
		} else {
			t.yes("APWA")
		}
	case "questions":
		t.yes("IPWA")
	case "two-factor":
		t.yes("MFA", "IPWA", "PKA")
	case "gssapi":
		t.yes("UA")
		if p["exchange"] == "gssapi" { // there is no key
			t.skip("CTS")
		}
	case "":
		for _, g := range s.Flow.Segments {
			if g.State == label.StateHandshake && strings.HasPrefix(g.Detail, "key") {
				t.yes("PKA")
				return
			}
		}
		t.skip("PKA", "IPWA", "APWA", "MFA", "UA", "NA")
	default:
		t.yes("PKA")
	}
}

// use is what was done after the login.
func (t *Truth) use(r *label.Run, s Session, outer bool) {
	has := func(l label.Label) bool { return slices.Contains(s.Flow.Labels, l) }
	p := r.Params
	keys := false
	for _, g := range s.Flow.Segments {
		keys = keys || g.State == label.StateKeystrokes
	}
	nothing := slices.Contains(forwards, r.Scenario) || r.Scenario == "ssh-idle" && p["use"] == "none" || r.Scenario == "ssh-jump" && outer
	if nothing {
		t.yes("NRC")
	}
	switch r.Scenario {
	case "ssh-tun", "ssh-vpn-mix", "ssh-x11", "ssh-obfuscated":
		t.skip("NRC", "AUTO", "KS")
	case "ssh-agent-forward":
		if outer {
			t.yes("AFR")
		}
	case "ssh-forward-remote":
		t.yes("RSP", "RSI")
		t.skip("RSIA") // programs use it, sooner or later
	case "ssh-reverse-login":
		t.yes("RSP", "RSI", "RSL")
		if keys {
			t.yes("RSK")
		}
		keys = false
	case "ssh-forward-idle":
		if p["forward"] == "remote" {
			t.yes("RSP")
		}
	}
	if keys {
		t.yes("KS")
	}
	if has(label.Command) {
		t.yes("AUTO")
	}
	if has(label.Sync) || has(label.Mount) || r.Scenario == "ssh-idle" && p["use"] == "silent" {
		t.skip("AUTO")
	}
	files := func(side int, largeCode, smallCode string) {
		if s.Bytes[side] >= large {
			t.yes(largeCode)
		} else {
			t.yes(smallCode)
		}
	}
	if has(label.Upload) || has(label.Exfiltration) && !has(label.Download) {
		files(0, "LFU", "SFU")
	}
	if has(label.Download) {
		files(1, "LFD", "SFD")
	}
	if has(label.Tunnel) || has(label.PortForward) || has(label.ReverseTunnel) || has(label.Mount) || has(label.Sync) {
		for _, c := range []string{"LFU", "SFU", "LFD", "SFD"} {
			if !t.Yes[c] {
				t.skip(c)
			}
		}
	}
}

// firstContact is what the scenario ssh-first-contact did, by its parameter: its
// connections are made for codes that no other scenario has.
func (t *Truth) firstContact(p map[string]string) {
	t.no(allCodes...)
	t.skip("CTS", "AUTO", "SFD", "SFU", "NRC", "PKA")
	what := p["what"]
	if what != "new-host" {
		t.yes("CTS")
	}
	switch what {
	case "new-host":
		t.yes("CUS", "PKA", "AUTO")
		t.no("CTS")
	case "banner":
		t.yes("BAN", "PKA", "AUTO")
	case "none":
		t.yes("NA", "AUTO")
		t.no("PKA")
	case "auto":
		t.yes("NRC", "PKA", "RSP", "RSI", "RSIA")
	case "no-login":
		t.yes("SP")
		t.skip("BAN")
	case "bypass":
		t.yes("ABP")
		t.no("PKA")
	}
}

// Wrong lists codes that were inferred and do not hold (+) and that hold and were
// not inferred (-).
func (t *Truth) Wrong(codes []string) string {
	out := ""
	for _, c := range allCodes {
		switch have := slices.Contains(codes, c); {
		case have && t.No[c]:
			out += " +" + c
		case !have && t.Yes[c]:
			out += " -" + c
		}
	}
	return out
}

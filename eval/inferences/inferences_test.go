package inferences

import (
	"context"
	"os"
	"strings"
	"testing"

	"tyto/behavior"
	"tyto/corpus"
	"tyto/lab/label"
	"tyto/model"
	"tyto/protocol/all"
)

// sampled is every which session of the corpus is replayed.
const sampled = 5

// TestCorpus holds the rules, without a model, against the sessions of the corpus.
func TestCorpus(t *testing.T) {
	scores, sessions, unread := Scores{}, 0, 0
	every := sampled
	if os.Getenv("INFERENCES_ALL") != "" {
		every = 1
	}
	i := 0
	for r, err := range corpus.Runs("../../corpus/data") {
		if err != nil {
			t.Fatal(err)
		}
		for k := range r.Sessions {
			s := &r.Sessions[k]
			truth, ok := TruthOf(&r.Truth, OfCorpus(r, s))
			if s.App != "ssh" || !ok {
				continue
			}
			if i++; i%every != 0 {
				continue
			}
			codes, ok := Replay(s, r.Truth.Params["compress"] == "yes")
			if !ok {
				unread++
				continue
			}
			sessions++
			scores.Add(truth, codes)
		}
	}
	var table strings.Builder
	if err := scores.Write(&table); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d sessions, %d that could not be made again\n%s", sessions, unread, &table)
	if f1, codes := scores.MacroF1(); f1 < .9 || codes < 20 {
		t.Errorf("macro-F1 is %.3f of %d codes, want 0.9 of 20 or more", f1, codes)
	}
	if unread > sessions/20 {
		t.Errorf("%d of %d sessions could not be made again", unread, sessions)
	}
}

// TestRecordings measures recordings of the lab, with the shipped model and
// without. INFERENCES names their directory.
func TestRecordings(t *testing.T) {
	dir := os.Getenv("INFERENCES")
	if dir == "" {
		t.Skip("INFERENCES names no directory of recordings; make one with tyto lab run")
	}
	m, err := model.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		listener func() behavior.Listener
	}{{"rules", nil}, {"rules and model", func() behavior.Listener { return m.NewListener() }}} {
		list, err := Recordings(context.Background(), dir, all.Set(), tt.listener)
		if err != nil {
			t.Fatal(err)
		}
		scores := Scores{}
		for _, s := range list {
			scores.Add(s.Truth, s.Codes)
			if wrong := s.Truth.Wrong(s.Codes); wrong != "" {
				t.Logf("%s: inferred %v, wrong are%s", s.Run.Name, s.Codes, wrong)
			}
		}
		var table strings.Builder
		if err := scores.Write(&table); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d sessions\n%s", tt.name, len(list), &table)
		if f1, _ := scores.MacroF1(); f1 < .9 {
			t.Errorf("%s: macro-F1 is %.3f, want 0.9", tt.name, f1)
		}
	}
}

// TestTruth holds the table of truth against some runs.
func TestTruth(t *testing.T) {
	key := label.Segment{State: label.StateHandshake, Detail: "key"}
	keys := label.Segment{State: label.StateKeystrokes}
	for _, tt := range []struct {
		scenario, variant string
		params            map[string]string
		session           Session
		want              string
	}{
		{"ssh-shell", "openssh-openssh", map[string]string{"auth": "password"}, Session{Flow: &label.Flow{Labels: []label.Label{label.Shell}, Segments: []label.Segment{keys}}}, "CTS IPWA KS"},
		{"scp-upload", "openssh-openssh", map[string]string{"auth": "password"}, Session{Flow: &label.Flow{Labels: []label.Label{label.Upload}}, Bytes: [2]uint64{large, 1}}, "CTS APWA LFU"},
		{"ssh-reverse-login", "openssh-openssh", nil, Session{Flow: &label.Flow{Labels: []label.Label{label.ReverseTunnel, label.ReverseShell}, Segments: []label.Segment{key, keys}}}, "CTS PKA NRC RSP RSI RSL RSK"},
		{"ssh-agent-forward", "openssh-openssh-openssh", nil, Session{From: "middle", Flow: &label.Flow{Labels: []label.Label{label.Shell}, Segments: []label.Segment{key, keys}}}, "CTS PKA KS"},
		{"ssh-scan", "methods-nmap", nil, Session{Flow: &label.Flow{Labels: []label.Label{label.Scan}}}, "SA"},
	} {
		truth, ok := TruthOf(&label.Run{Scenario: tt.scenario, Variant: tt.variant, Params: tt.params}, tt.session)
		var got []string
		for _, c := range allCodes {
			if truth.Yes[c] {
				got = append(got, c)
			}
		}
		if g := strings.Join(got, " "); !ok || g != tt.want {
			t.Errorf("%s: %q, want %q", tt.scenario, g, tt.want)
		}
	}
	if _, ok := TruthOf(&label.Run{Scenario: "https-browse"}, Session{Flow: &label.Flow{Labels: []label.Label{label.Browse}}}); ok {
		t.Error("there is truth of SSH in a run without")
	}
}

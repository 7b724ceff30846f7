package triage

import (
	"math"
	"strings"
	"testing"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

var (
	one, two, three = packet.Addr4([]byte{10, 0, 0, 1}), packet.Addr4([]byte{10, 0, 0, 2}), packet.Addr4([]byte{10, 0, 0, 3})
	outside         = packet.Addr4([]byte{192, 0, 2, 9})
)

func finding(rule string, llr float64, uid uint64, hosts ...packet.Addr) *detection.Finding {
	f := &detection.Finding{Rule: &detection.Definition{ID: rule, Title: rule, Severity: detection.High}, Hosts: hosts}
	f.Add(detection.Evidence{Kind: "k", Claim: "because", LLR: llr, UID: session.UID{uid, 1}, T0: 100e9, T1: 200e9})
	return f
}

func led(f *detection.Finding) *detection.Finding {
	f.Controls, f.Outside = true, detection.Party{Addr: outside}
	return f
}

// TestStories wants findings of one story in one case and others apart.
func TestStories(t *testing.T) {
	cases := Cases([]*detection.Finding{
		led(finding("reverse-shell", 8, 1, one)), finding("remote-execution", 6, 2, one, two), finding("scan", 2, 3, three), finding("weak", 0.5, 4, one),
	}, 200e9)
	if len(cases) != 2 || len(cases[0].Items) != 2 || cases[0].ID != "C-1" {
		t.Fatalf("got %d cases, want 2, the first of two findings", len(cases))
	}
	c := cases[0]
	if !c.Alert() || cases[1].Alert() {
		t.Errorf("alerts: got %v (%.1f) and %v (%.1f), want the first alone", c.Alert(), c.Score, cases[1].Alert(), cases[1].Score)
	}
	if c.Controller.Addr != outside || c.Controller.P < 0.9 {
		t.Errorf("led by %v with %.2f, want %v", c.Controller.Party, c.Controller.P, outside)
	}
	if sum := c.Items[0].Score + c.Items[1].Score; math.Abs(sum-c.Score) > 1e-9 {
		t.Errorf("score %.3f is not the sum of its items, %.3f", c.Score, sum)
	}
	if !strings.Contains(c.Summary, "192.0.2.9") || !strings.Contains(c.Summary, "because") {
		t.Errorf("the summary says neither who leads nor why: %q", c.Summary)
	}
}

// TestDependent wants findings of one rule to count less each time.
func TestDependent(t *testing.T) {
	cases := Cases([]*detection.Finding{finding("remote-execution", 3, 1, one, two), finding("remote-execution", 3, 2, one, three)}, 200e9)
	if got := cases[0].Score; got != 4.5 {
		t.Errorf("score: got %.2f, want 3 + 3/2", got)
	}
}

// TestForgetting wants old evidence to count half after the half-life.
func TestForgetting(t *testing.T) {
	cases := Cases([]*detection.Finding{finding("a", 8, 1, one)}, 200e9+HalfLife)
	if got := cases[0].Score; math.Abs(got-4) > 1e-9 {
		t.Errorf("score after the half-life: got %.3f, want 4", got)
	}
}

// TestExplained wants what somebody's work explains to be no alert, and a leader
// outside not to be explained away.
func TestExplained(t *testing.T) {
	work := finding("lateral-movement", -4, 9, one, two)
	work.Outcome, work.Explains, work.At, work.Shift = detection.Benign, []session.UID{{2, 1}}, one, [2]int64{50e9, 250e9}
	exec, scan := finding("remote-execution", 15, 2, one, two), finding("scan", 3, 3, one)
	cases := Cases([]*detection.Finding{work, exec, scan}, 200e9)
	if c := cases[0]; len(cases) != 1 || c.Alert() || c.P > 0.1 || c.Outcome != detection.Benign {
		t.Errorf("an administrator's work: got %v with p = %.2f", c.Outcome, c.P)
	}
	cases = Cases([]*detection.Finding{work, exec, scan, led(finding("reverse-shell", 12, 4, one))}, 200e9)
	if c := cases[0]; !c.Alert() || c.Controller.Addr != outside {
		t.Errorf("a reverse shell beside an administrator's work: got %v with p = %.2f, led by %v", c.Outcome, c.P, c.Controller.Party)
	}
}

// TestAttempt wants what did not succeed to be told so.
func TestAttempt(t *testing.T) {
	f := finding("password-guessing", 7, 1, one)
	f.Outcome = detection.Attempt
	if c := Cases([]*detection.Finding{f}, 200e9)[0]; c.Outcome != detection.Attempt || !c.Controller.IsZero() {
		t.Errorf("got %v, led by %v; want an attempt of nobody", c.Outcome, c.Controller.Party)
	}
}

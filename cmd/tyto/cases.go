package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"tyto/detection"
	"tyto/internal/amount"
	"tyto/packet"
	"tyto/triage"
)

// Rows of the cases: alerts first, others in a line each.
const (
	storyAlerts  = 3
	storyOthers  = 3
	storyClaims  = 10
	storyItems   = 6
	storyPerItem = 2
)

// cases ends the story: what happened, led by whom, on which way and why that is
// believed.
func (s story) cases() {
	j := s.res.Judgement
	if j == nil || len(j.Cases) == 0 {
		return
	}
	alerts, others := 0, 0
	for _, c := range j.Cases {
		if c.Alert() {
			alerts++
		} else {
			others++
		}
	}
	s.heading(fmt.Sprintf("Cases: %d to look at, %d below the threshold", alerts, others))
	told := 0
	for _, c := range j.Cases {
		switch {
		case c.Alert() && told < storyAlerts:
			s.alert(c)
			told++
		case !c.Alert() && told < storyAlerts+storyOthers:
			s.line(dim, "  ", fmt.Sprintf("%s  %s, p = %.2f: %s", c.ID, c.Outcome, c.P, s.named(c.Title)))
			told++
		}
	}
	if n := len(j.Cases) - told; n > 0 {
		s.line(dim, fmt.Sprintf("  and %s more", amount.Thousands(uint64(n))), "")
	}
}

// alert tells one case: title, leader, path, and the weightiest claims.
func (s story) alert(c *triage.Case) {
	at := func(t int64) string { return time.Unix(0, t).UTC().Format("15:04:05") }
	s.block(red, fmt.Sprintf("  %s  ", c.ID), s.named(c.Title)+".")
	s.block("", "    ", fmt.Sprintf("%s, p = %.3f, %s to %s UTC, %d devices.", c.Outcome, c.P, at(c.T0), at(c.T1), len(c.Hosts)))
	if !c.Controller.IsZero() {
		s.block("", "    ", fmt.Sprintf("Controlled by %s (p = %.3f).", s.named(c.Controller.String()), c.Controller.P))
	}
	for _, h := range c.Path {
		from := h.From.String()
		if h.Domain != "" {
			from = h.Domain
		}
		account := ""
		if h.Account != "" {
			account = " as " + printable(h.Account)
		}
		s.line("", "    ", fmt.Sprintf("%s  %s → %s by %s%s  %s", at(h.At), s.named(from), s.named(h.To.String()), h.Via, account, h.UID))
	}
	claims := 0
	for i, it := range c.Items {
		if i >= storyItems || it.Score == 0 {
			break
		}
		for _, e := range detection.Weightiest(it.Evidence, storyPerItem) {
			if claims++; claims <= storyClaims {
				s.block(dim, fmt.Sprintf("    %+5.1f ", e.LLR), s.named(printable(e.Claim)))
			}
		}
	}
}

// block prints text in as many lines as it needs, the first after head.
func (s story) block(color, head, text string) {
	lines := strings.Split(strings.TrimRight(wrap(text, "", max(s.width-len([]rune(head)), 20)), "\n"), "\n")
	for i, l := range lines {
		if i > 0 {
			head = strings.Repeat(" ", len([]rune(head)))
		}
		s.line(color, head, l)
	}
}

// named puts the names of devices in the place of their addresses, and makes the
// text safe for a terminal: all of it may be from the network.
func (s story) named(text string) string {
	words := strings.Fields(printable(text))
	for i, w := range words {
		core := strings.Trim(w, ",.;:()")
		addr, err := netip.ParseAddr(core)
		if err != nil {
			continue
		}
		if name := shortName(s.res.Summary, packet.AddrOf(addr)); name != core {
			words[i] = strings.Replace(w, core, name, 1)
		}
	}
	return printable(strings.Join(words, " "))
}

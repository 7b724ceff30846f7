package report

import (
	"fmt"
	"slices"

	"tyto/detection"
	"tyto/triage"
)

// maxQuestions is how many questions a case has.
const maxQuestions = 6

// questions are what to find out next, the most urgent first.
func (b *builder) questions(c *triage.Case) []string {
	var list []string
	ask := func(format string, args ...any) {
		if q := fmt.Sprintf(format, args...); len(list) < maxQuestions && !slices.Contains(list, q) {
			list = append(list, q)
		}
	}
	has := func(rule string) *triage.Item { return weightiestOf(c, rule) }
	if c.Outcome == detection.Benign {
		ask("Is the work that explains it known and wanted? Ask whoever has the account.")
	}
	if !c.Controller.IsZero() {
		ask("Which other devices talk to %s? Block it once you know, so that nobody is warned before.", b.party(c.Controller.Party))
	}
	if len(c.Path) > 0 && (!c.Controller.IsZero() || c.Alert()) {
		entry := c.Path[0]
		ask("What was run on %s at or before %s, and how did it get there: mail, download, login?", b.name(entry.To), b.clock(entry.At))
	}
	for _, h := range c.Path {
		if h.Account != "" {
			ask("Where else is the account %s used, and who has its password? Change it.", clean(h.Account, 60))
		}
	}
	if n := len(c.Path); n > 1 {
		ask("What was left on %s: services, tasks, keys, programs? It was reached at %s.", b.name(c.Path[n-1].To), b.clock(c.Path[n-1].At))
	}
	if it := has("exfiltration"); it != nil {
		ask("What are the data that went to %s, and whose are they?", b.party(it.Outside))
	}
	if it := has("credential-dumping"); it != nil && len(it.Hosts) > 0 {
		ask("Which secrets could %s read? Count all of them as known to others.", b.name(it.Hosts[0]))
	}
	if it := has("password-guessing"); it != nil && len(it.Hosts) > 0 {
		ask("Was a login at %s accepted after the refused ones, and whose?", b.name(it.Hosts[len(it.Hosts)-1]))
	}
	for _, rule := range []string{"beacon", "dns-tunnel", "reverse-shell"} {
		if it := has(rule); it != nil && len(it.Hosts) > 0 && !it.Outside.IsZero() {
			ask("Which program on %s talks to %s, and does anybody here need it?", b.name(it.Hosts[0]), b.party(it.Outside))
		}
	}
	if it := has("scan"); it != nil && len(it.Hosts) > 0 {
		ask("Is %s a scanner of your own, or an inventory?", b.name(it.Hosts[0]))
	}
	if len(list) == 0 && len(c.Items) > 0 {
		it := &c.Items[0]
		ask("What tells it apart from the benign thing that looks alike? %s", clean(it.Rule.Twin, b.text))
	}
	return list
}

// maxSource is how long the names of files may be to be in every command.
const maxSource = 160

// commands are how to go on with a case: what was seen in its telling sessions,
// and their packets.
func (b *builder) commands(c *triage.Case) []command {
	var list []command
	uids := sessionsOf(c)
	source := b.in.Source
	if source == "" || len(source) > maxSource && !b.in.Stored || clean(source, len(source)+1) != source {
		source = "FILE…"
	}
	for _, id := range uids[:min(len(uids), 3)] {
		list = append(list, command{fmt.Sprintf("tyto explain %s %s", id, source), "all that is known of this session"})
	}
	if len(uids) == 0 {
		return list
	}
	db := source
	if !b.in.Stored {
		db = "--db tyto-db"
		list = append(list, command{fmt.Sprintf("tyto analyze %s %s", source, db), "keep records and packets, for what follows"})
	}
	line := "tyto carve"
	for _, id := range uids[:min(len(uids), 4)] {
		line += " " + id
	}
	return append(list, command{fmt.Sprintf("%s %s -o %s.pcapng", line, db, c.ID), "the packets of its telling sessions"})
}

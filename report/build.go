package report

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"tyto/detection"
	"tyto/internal/amount"
	"tyto/packet"
	"tyto/triage"
)

// view is what the template shows.
type view struct {
	Style      template.CSS
	Script     template.JS
	ScriptHash string

	Title    string
	Verdict  string
	Bad      bool // something must be done
	Worst    string
	WorstID  string
	Span     string
	Figures  []figure
	Cases    []*caseView
	Others   []line
	MoreLeft string
	Graphs   []*drawing
	Times    *timeline
	NoTimes  string
	Ledgers  []*ledger
	Cards    []*card
	CardLeft string
	CardOf   string
	Columns  []column
	None     string
	Notes    []Note
	NoteLeft string
	Lost     []Count
}

// figure is a number of the headline.
type figure struct{ Value, What string }

// line is a case that is told in a line.
type line struct{ ID, Title, P, Outcome, When string }

// caseView is a case told in full.
type caseView struct {
	ID, Title, Outcome, P string
	Percent               string
	When                  string
	Alert                 bool
	Plain                 []string
	Paragraph             string
	Controller            string
	Chains                [][]step
	Found                 []found
	Techniques            []Technique
	Questions             []string
	Commands              []command
}

// step is a device on a path, and how it was reached.
type step struct {
	Name, Addr, Part string
	Via, Account, At string
	UID              string
	Technique        Technique
}

// found is a finding in a line.
type found struct{ Title, When, Claims, Nats string }

// command is a command line and what it is for.
type command struct{ Line, Why string }

// builder makes a view of an input within limits.
type builder struct {
	limits
	in      *Input
	devices map[packet.Addr]*Device
	days    bool // the capture goes over midnight
}

func build(in *Input, l limits) *view {
	b := &builder{limits: l, in: in, devices: make(map[packet.Addr]*Device), days: date(in.First)[:10] != date(in.Last)[:10]}
	for i := range in.Devices {
		for _, a := range in.Devices[i].Addrs {
			if b.devices[a] == nil {
				b.devices[a] = &in.Devices[i]
			}
		}
	}
	v := &view{Title: clean(in.Title, max(b.text, 80))}
	full, others, left := b.split()
	b.head(v)
	for _, c := range full {
		v.Cases = append(v.Cases, b.tell(c))
		if d := b.graph(c); d != nil {
			v.Graphs = append(v.Graphs, d)
		}
	}
	for _, c := range others {
		v.Others = append(v.Others, line{c.ID, b.named(c.Title), probability(c.P), c.Outcome.String(), b.when(c)})
	}
	if left > 0 {
		v.MoreLeft = amount.Number(left, "more case is", "more cases are") + " left out of this page: tyto analyze --json writes all."
	}
	v.Ledgers = b.ledgers(slices.Concat(full, others))
	if v.Times = b.times(full); v.Times == nil {
		v.NoTimes = "Nothing distinct was heard in any session."
		if !in.Heard {
			v.NoTimes = "No model listened to what the sessions did."
		}
	}
	b.cardsTo(v, full)
	columns, none := matrix(in.Cases)
	v.Columns, v.None = columns, strings.Join(none, ", ")
	b.notes(v)
	return v
}

// worthTelling is the probability from which on the first few cases below the
// threshold are told in full.
const worthTelling = 0.1

// split chooses the cases that are told in full, those that get a line, and how
// many get none. They are in order of weight.
func (b *builder) split() (full, others []*triage.Case, left int) {
	for _, c := range b.in.Cases {
		switch {
		case len(full) < b.cases && (c.Alert() || c.P >= worthTelling && len(full) < 3):
			full = append(full, c)
		case len(others) < b.others:
			others = append(others, c)
		default:
			left++
		}
	}
	return full, others, left
}

// device returns what is known of an address, nil if nothing is.
func (b *builder) device(a packet.Addr) *Device { return b.devices[a] }

// deviceKey is the same for all addresses of a device.
func (b *builder) deviceKey(a packet.Addr) string {
	if d := b.devices[a]; d != nil {
		return d.Addrs[0].String()
	}
	return a.String()
}

func (b *builder) home(a packet.Addr) bool {
	if b.in.Home != nil {
		return b.in.Home(a)
	}
	return a.IsPrivate()
}

// head says in a minute what a manager needs.
func (b *builder) head(v *view) {
	in := b.in
	alerts := 0
	for _, c := range in.Cases {
		if c.Alert() {
			alerts++
		}
	}
	below := len(in.Cases) - alerts
	switch {
	case alerts > 0:
		v.Bad = true
		v.Verdict = amount.Number(alerts, "case needs", "cases need") + " attention"
		c := in.Cases[slices.IndexFunc(in.Cases, (*triage.Case).Alert)]
		v.WorstID, v.Worst = c.ID, b.worst(c)
	case !in.Judged:
		v.Verdict = "No verdict: detectors did not run"
		v.Worst = "This page tells what is in the capture; whether it is an attack was not asked."
	case below > 0:
		v.Verdict = "Nothing needs attention"
		c := in.Cases[0]
		v.WorstID = c.ID
		v.Worst = fmt.Sprintf("The closest to the threshold of 50 %%: %s (%s, %s).", b.named(c.Title), c.Outcome, probability(c.P))
	default:
		v.Verdict = "Nothing needs attention"
		v.Worst = "No evidence of an attack was found. That is no proof that there was none: only what the capture holds was looked at."
	}
	v.Span = fmt.Sprintf("%s to %s UTC", date(in.First), date(in.Last))
	v.Figures = []figure{
		{span(in.Last - in.First), "recorded"}, {amount.Thousands(in.Packets), "packets"}, {amount.Size(in.Bytes), "on the wire"}, {amount.Thousands(in.Sessions), "sessions"},
		{amount.Thousands(in.AtHome), "devices at home"}, {amount.Thousands(in.Elsewhere), "addresses elsewhere"}, {amount.Thousands(alerts), "cases to look at"}, {amount.Thousands(below), "below the threshold"},
	}
	if len(in.Encrypted) > 0 {
		v.Figures = append(v.Figures, figure{strings.Join(in.Encrypted, ", "), "of the payload is encrypted"})
	}
}

// side says on which side of the border of the network somebody is.
func (b *builder) side(p detection.Party) string {
	if !p.Addr.IsZero() && b.home(p.Addr) {
		return "inside"
	}
	return "outside"
}

// weightiestOf returns the weightiest finding of a rule in a case, nil if none
// speaks for it.
func weightiestOf(c *triage.Case, rule string) *triage.Item {
	for i := range c.Items {
		if c.Items[i].Rule.ID == rule && c.Items[i].Score > 0 {
			return &c.Items[i]
		}
	}
	return nil
}

// worst tells a case in one sentence.
func (b *builder) worst(c *triage.Case) string {
	text := b.named(c.Title)
	if !c.Controller.IsZero() {
		reached := b.reached(c)
		if len(reached) == 0 {
			for _, a := range c.Hosts {
				reached = append(reached, b.name(a))
			}
		}
		if len(reached) > 4 {
			reached = append(reached[:4:4], fmt.Sprintf("%d more", len(reached)-4))
		}
		text = fmt.Sprintf("%s, %s the network, controls %s", b.named(c.Controller.String()), b.side(c.Controller.Party), listed(reached))
		if it := weightiestOf(c, "exfiltration"); it != nil {
			text += "; " + b.named(it.Name())
		}
	}
	return fmt.Sprintf("%s (%s, %s, %s).", text, c.Outcome, probability(c.P), b.when(c))
}

func (b *builder) when(c *triage.Case) string {
	if c.T0 == 0 {
		return ""
	}
	if b.days {
		return date(c.T0) + " to " + date(c.T1) + " UTC"
	}
	return b.clock(c.T0) + " to " + b.clock(c.T1) + " UTC"
}

func (b *builder) tell(c *triage.Case) *caseView {
	v := &caseView{
		ID: c.ID, Title: b.named(c.Title), Outcome: c.Outcome.String(), P: probability(c.P), Percent: f1(100 * c.P), When: b.when(c), Alert: c.Alert(),
		Plain: b.plain(c), Paragraph: b.whole(c.Summary), Techniques: techniquesOf(c), Chains: b.chains(c),
	}
	switch {
	case !c.Controller.IsZero():
		v.Controller = fmt.Sprintf("%s (%s, against all others and nobody)", b.party(c.Controller.Party), probability(c.Controller.P))
	case c.Alert():
		v.Controller = "Not known: the evidence accuses nobody with nine in ten."
	default:
		v.Controller = "Nobody is accused."
	}
	for i, it := range c.Items {
		if i == 8 {
			break
		}
		f := found{Title: b.named(it.Name()), Nats: nats(it.Score)}
		if it.T0 != 0 {
			f.When = b.clock(it.T0) + " to " + b.clock(it.T1)
		}
		var claims []string
		for _, e := range detection.Weightiest(it.Evidence, 2) {
			claims = append(claims, b.named(e.Claim))
		}
		f.Claims = strings.Join(claims, "; ")
		v.Found = append(v.Found, f)
	}
	v.Questions = b.questions(c)
	v.Commands = b.commands(c)
	return v
}

// whole is a paragraph with the names of devices.
func (b *builder) whole(text string) string {
	wide := *b
	wide.text *= 8
	return wide.named(text)
}

// party names somebody outside with his address.
func (b *builder) party(p detection.Party) string {
	name := clean(p.Domain, 80)
	if name == "" {
		name = b.name(p.Addr)
	}
	if addr := p.Addr.String(); !p.Addr.IsZero() && addr != name {
		name += " (" + addr + ")"
	}
	return name
}

// plain tells a case in a few sentences without a field's words.
func (b *builder) plain(c *triage.Case) []string {
	var say []string
	if c.Controller.IsZero() {
		say = append(say, b.named(c.Title)+".")
	}
	switch {
	case c.Outcome == detection.Benign:
		say = append(say, "There is an everyday explanation for what was seen.")
	case c.Outcome == detection.Attempt:
		say = append(say, "Somebody tried; no sign was found that it succeeded.")
	}
	if !c.Controller.IsZero() {
		led := "devices here"
		if len(c.Path) > 0 {
			led = b.name(c.Path[0].To)
		} else if len(c.Hosts) > 0 {
			led = b.name(c.Hosts[0])
		}
		say = append(say, fmt.Sprintf("Somebody %s the network, at %s, gives the orders on %s.", b.side(c.Controller.Party), b.named(c.Controller.String()), led))
	}
	reached := b.reached(c)
	if len(reached) > 1 {
		say = append(say, fmt.Sprintf("From %s the way went to %s.", reached[0], listed(reached[1:])))
	}
	var took []string
	for _, it := range c.Items {
		if it.Rule.ID == "exfiltration" && it.Score > 0 && len(took) < 3 {
			took = append(took, b.named(it.Name()))
		}
	}
	if took != nil {
		say = append(say, "Data left: "+strings.Join(took, "; ")+".")
	}
	return say
}

// reached are the names of the devices of a path, in order.
func (b *builder) reached(c *triage.Case) []string {
	var list []string
	for i, h := range c.Path {
		for _, a := range []packet.Addr{h.From, h.To} {
			outside := a == h.From && (i == 0 && !c.Controller.IsZero() || h.Domain != "")
			if name := b.name(a); !outside && !a.IsZero() && !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	return list
}

// chains are the path of a case, cut where it goes on from an earlier device.
func (b *builder) chains(c *triage.Case) [][]step {
	var list [][]step
	goesOn := make(map[packet.Addr]bool)
	for _, h := range c.Path {
		goesOn[h.From] = true
	}
	entered := false
	for i, h := range c.Path {
		if i == 0 || c.Path[i-1].To != h.From {
			from := step{Name: b.name(h.From), Addr: h.From.String(), Part: "from"}
			if h.Domain != "" {
				from.Name = clean(h.Domain, 60)
			}
			switch {
			case i > 0:
				from.Part = "again from"
			case h.Domain != "" || !b.home(h.From):
				from.Part = "outside"
				if !c.Controller.IsZero() {
					from.Part = "controller"
				}
			default:
				from.Part, entered = "entry", true
			}
			list = append(list, []step{unnamed(from)})
		}
		to := step{Name: b.name(h.To), Addr: h.To.String(), Via: clean(h.Via, 24), Account: clean(h.Account, 60), At: b.clock(h.At), UID: uid(h.UID), Part: "target"}
		if goesOn[h.To] {
			to.Part = "pivot"
		}
		if !entered {
			to.Part, entered = "entry", true
		}
		if id := hops[h.Via]; id != "" {
			to.Technique = technique(id)
		}
		list[len(list)-1] = append(list[len(list)-1], unnamed(to))
	}
	return list
}

// unnamed leaves the address out where it is the name.
func unnamed(s step) step {
	if s.Addr == s.Name || s.Addr == (packet.Addr{}).String() {
		s.Addr = ""
	}
	return s
}

func (b *builder) notes(v *view) {
	for i, n := range b.in.Notes {
		if i == b.limits.notes {
			v.NoteLeft = amount.Number(len(b.in.Notes)-i, "more is left out.", "more are left out.")
			break
		}
		v.Notes = append(v.Notes, Note{clean(n.Kind, 40), clean(n.Text, b.text), clean(n.UID, 40)})
	}
	v.Lost = b.in.Lost
}

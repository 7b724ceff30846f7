package report

import (
	"fmt"
	"slices"
	"strings"

	"tyto/detection"
	"tyto/internal/amount"
	"tyto/packet"
	"tyto/triage"
)

// card is a device, or somebody outside, with what is known and what it did.
type card struct {
	Name, Class string
	Facts       []fact
	Did         []deed
	More        string
}

// fact is a line of a card.
type fact struct{ What, Value string }

// deed is something it did, or that was done to it.
type deed struct {
	At, Stamp, Text, Case string

	at int64
}

// maxDeeds is how many deeds a card tells.
const maxDeeds = 8

// cardsTo adds the cards of all that cases are about; without cases, those of the
// devices that are known best.
func (b *builder) cardsTo(v *view, cases []*triage.Case) {
	var list []packet.Addr
	var parties []detection.Party
	seen := make(map[string]bool)
	add := func(a packet.Addr) {
		if key := b.deviceKey(a); !a.IsZero() && !seen[key] {
			seen[key] = true
			list = append(list, a)
		}
	}
	outside := func(p detection.Party) {
		if p.Domain == "" && b.home(p.Addr) {
			add(p.Addr)
		}
		if key := p.String(); !p.IsZero() && !seen[key] && !(b.home(p.Addr) && p.Domain == "") {
			seen[key] = true
			parties = append(parties, p)
		}
	}
	for _, c := range cases {
		outside(c.Controller.Party)
		for _, h := range c.Path {
			if h.Domain == "" && b.home(h.From) {
				add(h.From)
			}
			add(h.To)
		}
		for _, a := range c.Hosts {
			add(a)
		}
		for _, it := range c.Items {
			outside(it.Outside)
		}
	}
	v.CardOf = "what the cases are about"
	if len(list)+len(parties) == 0 {
		v.CardOf = "those that sent and received most"
		for i := range b.in.Devices {
			if len(list) == 12 {
				break
			}
			add(b.in.Devices[i].Addrs[0])
		}
	}
	left := len(list) + len(parties)
	for _, p := range parties {
		if len(v.Cards) < b.cards/3+1 {
			v.Cards = append(v.Cards, b.partyCard(p, cases))
		}
	}
	for _, a := range list {
		if len(v.Cards) < b.cards {
			v.Cards = append(v.Cards, b.deviceCard(a, cases))
		}
	}
	if left -= len(v.Cards); left > 0 {
		v.CardLeft = amount.Number(left, "more is left out.", "more are left out.")
	}
}

func (b *builder) partyCard(p detection.Party, cases []*triage.Case) *card {
	k := &card{Name: b.party(p), Class: "outside"}
	for _, c := range cases {
		if c.Controller.Party == p {
			k.Class = "leader"
			k.Facts = append(k.Facts, fact{"Part", fmt.Sprintf("controls %s, %s", c.ID, probability(c.Controller.P))})
		}
	}
	k.Facts = append(k.Facts, fact{"Where", "outside the home networks"})
	if d := b.device(p.Addr); d != nil {
		k.Facts = append(k.Facts, b.facts(d)...)
	}
	k.Did, k.More = b.deeds(func(f *detection.Finding) bool { return f.Outside == p }, func(h *detection.Hop) bool {
		return h.Domain != "" && h.Domain == p.Domain || h.Domain == "" && p.Domain == "" && h.From == p.Addr
	}, cases)
	return k
}

func (b *builder) deviceCard(a packet.Addr, cases []*triage.Case) *card {
	k := &card{Name: b.name(a), Class: "inside"}
	if !b.home(a) {
		k.Class = "outside"
	}
	if d := b.device(a); d != nil {
		k.Facts = b.facts(d)
	} else {
		k.Facts = []fact{{"Address", a.String()}}
	}
	me := b.deviceKey(a)
	is := func(o packet.Addr) bool { return !o.IsZero() && b.deviceKey(o) == me }
	k.Did, k.More = b.deeds(func(f *detection.Finding) bool {
		return slices.ContainsFunc(f.Hosts, is) || f.Outside.Domain == "" && is(f.Outside.Addr)
	}, func(h *detection.Hop) bool { return is(h.From) || is(h.To) }, cases)
	return k
}

// facts are the lines of what is known of a device.
func (b *builder) facts(d *Device) []fact {
	var list []fact
	add := func(what string, values []string, n int) {
		if len(values) == 0 {
			return
		}
		shown := make([]string, len(values))
		for i, v := range values {
			shown[i] = clean(v, 60)
		}
		list = append(list, fact{what, clean(some(shown, n), 2*b.text)})
	}
	var addrs []string
	for _, a := range d.Addrs {
		addrs = append(addrs, a.String())
	}
	add("Role", d.Roles, 3)
	add("Addresses", addrs, 4)
	add("Interfaces", d.MACs, 3)
	if d.Vendor != "" {
		add("Made by", []string{d.Vendor}, 1)
	}
	add("Names", d.Names, 4)
	add("Users", d.Users, 4)
	add("Serves", d.Serves, 6)
	add("Uses", d.Uses, 6)
	add("Software", d.Software, 3)
	if d.Sent+d.Received > 0 {
		add("Payload", []string{amount.Size(d.Sent) + " sent, " + amount.Size(d.Received) + " received"}, 1)
	}
	return list
}

// deeds are what findings and paths say of somebody, in order of time.
func (b *builder) deeds(about func(*detection.Finding) bool, on func(*detection.Hop) bool, cases []*triage.Case) (list []deed, more string) {
	for _, c := range cases {
		for i := range c.Path {
			h := &c.Path[i]
			if !on(h) {
				continue
			}
			from := b.name(h.From)
			if h.Domain != "" {
				from = clean(h.Domain, 60)
			}
			as := ""
			if h.Account != "" {
				as = " as " + clean(h.Account, 60)
			}
			list = append(list, deed{Text: fmt.Sprintf("%s → %s by %s%s", from, b.name(h.To), clean(h.Via, 24), as), Case: c.ID, at: h.At})
		}
		for _, it := range c.Items {
			if about(it.Finding) && it.Rule.ID != "lateral-movement" {
				list = append(list, deed{Text: b.named(it.Name()), Case: c.ID, at: it.T0})
			}
		}
	}
	slices.SortStableFunc(list, func(x, y deed) int {
		switch {
		case x.at < y.at:
			return -1
		case x.at > y.at:
			return 1
		}
		return strings.Compare(x.Text, y.Text)
	})
	list = slices.CompactFunc(list, func(x, y deed) bool { return x.Text == y.Text })
	if n := len(list) - maxDeeds; n > 0 {
		list, more = list[:maxDeeds], amount.Number(n, "more", "more")
	}
	for i := range list {
		if list[i].at != 0 {
			list[i].At, list[i].Stamp = b.clock(list[i].at), stamp(list[i].at)
		}
	}
	return list, more
}

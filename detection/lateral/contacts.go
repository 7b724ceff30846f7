package lateral

import (
	"cmp"
	"slices"

	"tyto/behavior/lead"
	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// Limits of contacts.
const (
	maxPairs     = 100_000
	maxParties   = 100_000
	maxContacts  = 128 // of a device with a party: the latest
	leastContact = 5   // contacts that make a party one that may lead by them
	// fewUse is how many devices use a party that may lead one of them: what more
	// use is everybody's server.
	fewUse = 5
	// holds is how long a contact lasts at most; longer sessions are controls of
	// their own.
	holds = int64(120e9)
)

// contacts remembers which devices come back to whom outside. An agent that asks
// for work has no session in which it is led, but what it is told to do begins just
// after it asked.
type contacts struct {
	parties map[string]*party
	pairs   map[ends]*visits
	order   []ends
}

// party is somebody outside.
type party struct {
	devices map[packet.Addr]bool // up to maxUsers
}

const maxUsers = 64

type ends struct {
	at    packet.Addr
	party string
}

// visits are the contacts of a device with a party.
type visits struct {
	far  detection.Party
	uid  session.UID // of the first
	app  string
	list []lead.Burst
}

// add notes an outbound session and reports whether there was room.
func (c *contacts) add(s *detection.Session) bool {
	if c.parties == nil {
		c.parties, c.pairs = make(map[string]*party), make(map[ends]*visits)
	}
	switch s.App {
	case "dns", "ntp", "icmp":
		return true
	}
	far := s.Far()
	name := far.String()
	p := c.parties[name]
	if p == nil {
		if len(c.parties) >= maxParties {
			return false
		}
		p = &party{make(map[packet.Addr]bool)}
		c.parties[name] = p
	}
	if len(p.devices) < maxUsers {
		p.devices[s.Orig] = true
	}
	k := ends{s.Orig, name}
	v := c.pairs[k]
	if len(p.devices) > fewUse {
		if v != nil {
			v.list = nil
		}
		return true
	}
	if v == nil {
		if len(c.pairs) >= maxPairs {
			return false
		}
		v = &visits{far: far, uid: s.UID, app: s.App}
		c.pairs[k] = v
		c.order = append(c.order, k)
	}
	if s.Duration() > holds || s.Refused() {
		return true
	}
	if len(v.list) == maxContacts {
		v.list = slices.Delete(v.list, 0, maxContacts/8)
	}
	v.list = append(v.list, lead.Burst{From: s.First, To: s.Last})
	return true
}

// users returns how many devices use a party, at most maxUsers.
func (c *contacts) users(far detection.Party) int {
	if p := c.parties[far.String()]; p != nil {
		return len(p.devices)
	}
	return 0
}

// controls returns those that may lead machines by contacts.
func (c *contacts) controls(from map[packet.Addr]bool) (list []*control) {
	for _, k := range c.order {
		v := c.pairs[k]
		if v == nil || len(v.list) < leastContact || !from[k.at] || c.users(v.far) > fewUse {
			continue
		}
		slices.SortFunc(v.list, func(a, b lead.Burst) int { return cmp.Compare(a.From, b.From) })
		first, last := v.list[0].From, v.list[len(v.list)-1].To
		list = append(list, &control{uid: v.uid, at: k.at, leader: v.far, first: first, last: last, acts: actsOf(v.list, first, last), reverse: true, weak: true, app: v.app})
	}
	return list
}

// forget drops what is older than a time. Parties that many use stay known.
func (c *contacts) forget(before int64) {
	c.order = slices.DeleteFunc(c.order, func(k ends) bool {
		v := c.pairs[k]
		if n := len(v.list); n > 0 && v.list[n-1].To >= before {
			return false
		}
		delete(c.pairs, k)
		return true
	})
	for name, p := range c.parties {
		if len(p.devices) <= fewUse && !c.visited(name, p) {
			delete(c.parties, name)
		}
	}
}

// visited reports whether a device still has contacts with a party.
func (c *contacts) visited(name string, p *party) bool {
	for a := range p.devices {
		if c.pairs[ends{a, name}] != nil {
			return true
		}
	}
	return false
}

package entity_test

import (
	"fmt"
	"testing"

	"tyto/entity"
	"tyto/packet"
	"tyto/session"
)

// chain is an intruder's way: in by SSH, on by SMB, on by SSH.
func chain() *scene {
	s := newScene()
	for i, a := range []packet.Addr{a1, a2, a3} {
		s.held("arp", a, mac(i+1))
	}
	s.talk("smb", a2, a3) // earlier, so no part of the way
	s.wait(hour)
	s.talk("ssh", server, a1)
	s.wait(minute)
	s.talk("smb", a1, a2)
	s.wait(minute)
	s.talk("ssh", a2, a3)
	return s
}

func route(g *entity.Graph, hops []entity.Hop) string {
	text := ""
	for _, h := range hops {
		text += fmt.Sprintf("%s %s +%d > ", g.Name(h.From)[8:], h.Via, (h.At-monday)/second)
	}
	if text != "" {
		text += g.Name(hops[len(hops)-1].To)[8:]
	}
	return text
}

func TestPath(t *testing.T) {
	s := chain()
	g, v := s.g, s.g.Now()
	id := func(a packet.Addr) entity.ID { return v.Holder(a) }
	for _, c := range []struct {
		name     string
		from, to packet.Addr
		q        entity.PathQuery
		want     string
	}{
		{"in the order of time", server, a3, entity.PathQuery{}, "203.0.113.9 ssh +3604 > 10.0.0.1 smb +3665 > 10.0.0.2 ssh +3726 > 10.0.0.3"},
		{"not against it", server, a3, entity.PathQuery{Via: map[string]bool{"ssh": true}}, ""},
		{"the earliest", a2, a3, entity.PathQuery{}, "10.0.0.2 smb +3 > 10.0.0.3"},
		{"after a time", a2, a3, entity.PathQuery{After: monday + hour}, "10.0.0.2 ssh +3726 > 10.0.0.3"},
		{"before a time", server, a3, entity.PathQuery{Before: monday + hour + minute}, ""},
		{"few hops", server, a3, entity.PathQuery{MaxHops: 2}, ""},
		{"no way back", a3, server, entity.PathQuery{}, ""},
	} {
		if got := route(g, v.Path(id(c.from), id(c.to), c.q)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if hops := g.At(monday+hour).Path(id(server), id(a1), entity.PathQuery{}); hops != nil {
		t.Errorf("a path was known before it was taken: %v", hops)
	}
	if hops := v.Path(0, 9999, entity.PathQuery{}); hops != nil {
		t.Error("a path between nobody")
	}
}

// A path goes on from any address of a device, and through a session that is
// still open.
func TestPathOverAddressesAndOpenSessions(t *testing.T) {
	s := newScene()
	s.held("arp", a1, mac(1))
	s.add(entity.Fact{Relation: entity.TalkedTo, Via: "ssh", Last: s.now + 5*hour, From: entity.AddressRef(a1), To: entity.AddressRef(a3)}) // stays open
	s.wait(hour)
	s.held("dhcp", a2, mac(1))
	s.talk("rdp", server, a2)
	v := s.g.Now()
	hops := v.Path(v.Holder(server), v.Holder(a3), entity.PathQuery{After: s.now - minute})
	if got := route(s.g, hops); got != "203.0.113.9 rdp +3603 > 10.0.0.1 ssh +3603 > 10.0.0.3" {
		t.Errorf("got %q", got)
	}
}

func TestView(t *testing.T) {
	s := chain()
	domain := entity.NameRef(entity.Domain, "c2.example")
	s.wait(hour)
	first := s.now
	for i, a := range []packet.Addr{a1, a2, a1} {
		s.add(entity.Fact{Relation: entity.Resolved, Via: "dns", From: entity.AddressRef(a), To: domain, UID: session.UID{1, uint64(i)}})
	}
	v := s.g.Now()
	id := s.g.Find("domain:c2.example")
	if n := v.Prevalence(id); n != 2 {
		t.Errorf("prevalence %d, want 2", n)
	}
	if n := s.g.At(first).Prevalence(id); n != 1 {
		t.Errorf("prevalence %d when it was first seen, want 1", n)
	}
	if at, ok := v.FirstSeen(v.Holder(a1), id, entity.Resolved); !ok || at != first {
		t.Errorf("first seen at %d, want %d", at, first)
	}
	if _, ok := s.g.At(first-1).FirstSeen(v.Holder(a1), id, entity.Resolved); ok {
		t.Error("seen before it was")
	}
	for l := range v.Links(id) {
		if l.From != v.Holder(a1) {
			continue
		}
		if c := v.Contacts(l); l.Count != 2 || len(c) != 2 || c[0].UID != (session.UID{1, 0}) || c[1].UID != (session.UID{1, 2}) {
			t.Errorf("got %+v with %v, want two sessions", l, c)
		}
		if c := s.g.At(first).Contacts(l); len(c) != 1 {
			t.Errorf("%d sessions when the first one was seen", len(c))
		}
	}
	if s.g.At(monday-1).Holder(a1) != 0 {
		t.Error("an address has a holder before it was seen")
	}
	if s.g.Find("domain:unknown") != 0 || s.g.Name(0) != "" || s.g.Name(1<<31) != "" {
		t.Error("found what is not there")
	}
}

// The first session and the latest few are kept of a relation with many.
func TestContacts(t *testing.T) {
	s := newScene()
	for i := range 20 {
		s.add(entity.Fact{Relation: entity.TalkedTo, Via: "tls", UID: session.UID{uint64(i)}, From: entity.AddressRef(a1), To: entity.AddressRef(server)})
	}
	v := s.g.Now()
	for l := range v.Links(v.Holder(server)) {
		var got []uint64
		for _, c := range v.Contacts(l) {
			got = append(got, c.UID[0])
		}
		if fmt.Sprint(got) != "[0 15 16 17 18 19]" {
			t.Errorf("got sessions %v", got)
		}
	}
}

// A View goes on with what was concluded while facts come, and forgets what the
// graph forgets.
func TestViewWhileFactsCome(t *testing.T) {
	g := entity.New(entity.Options{MemoryLimit: 300 << 10})
	g.Add(&entity.Fact{Relation: entity.TalkedTo, Via: "ssh", First: monday, From: entity.AddressRef(far1), To: entity.AddressRef(far2), RespBytes: 1})
	was := g.Devices()
	flood(g, 100_000, 1)
	v := g.Now()
	if v.Holder(far1) != 0 {
		t.Fatal("the first address is kept: the flood is too small for this test")
	}
	for _, d := range was {
		if len(d.Parts()) != 0 {
			t.Errorf("%s still has parts %v", d.ID, d.Parts())
		}
	}
	for id := range entity.ID(2000) {
		if d := v.Device(id); d != nil {
			t.Errorf("entity %s is of %s, which is forgotten", g.Name(id), d.ID)
		}
	}
}

// big is a graph of 100,000 addresses at home and a million relations.
func big() *entity.Graph {
	g := entity.New(entity.Options{MemoryLimit: 1 << 30})
	f := entity.Fact{Relation: entity.TalkedTo, Via: "tls", RespBytes: 1}
	addr := func(i uint32) packet.Addr { return ip(10, byte(i>>16), byte(i>>8), byte(i)) }
	x := uint32(1)
	for i := range uint32(1_000_000) {
		x = x*1664525 + 1013904223
		f.First = monday + int64(i)*second/10
		f.From, f.To = entity.AddressRef(addr(i%100_000)), entity.AddressRef(addr(x>>8%100_000))
		g.Add(&f)
	}
	return g
}

func BenchmarkView(b *testing.B) {
	g := big()
	v := g.Now()
	one, other := v.Holder(ip(10, 0, 3, 3)), v.Holder(ip(10, 1, 9, 9))
	b.Run("conclude", func(b *testing.B) {
		for b.Loop() {
			g.Add(&entity.Fact{Relation: entity.TalkedTo, Via: "tls", First: monday + day, From: entity.AddressRef(a1), To: entity.AddressRef(a2)})
			g.Devices()
		}
		v = g.Now()
	})
	b.Run("links", func(b *testing.B) {
		for b.Loop() {
			for range v.Links(one) {
			}
		}
	})
	b.Run("holder", func(b *testing.B) {
		for b.Loop() {
			g.At(monday + hour).Holder(ip(10, 0, 3, 3))
		}
	})
	b.Run("prevalence", func(b *testing.B) {
		for b.Loop() {
			v.Prevalence(one)
		}
	})
	b.Run("first-seen", func(b *testing.B) {
		for b.Loop() {
			v.FirstSeen(one, other, entity.TalkedTo)
		}
	})
	b.Run("two-hops", func(b *testing.B) {
		for b.Loop() {
			for l := range v.Links(one) {
				for range v.Links(l.To) {
				}
			}
		}
	})
	b.Run("path-4-hops", func(b *testing.B) {
		for b.Loop() {
			v.Path(one, other, entity.PathQuery{})
		}
	})
}

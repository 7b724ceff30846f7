package entity

import (
	"cmp"
	"slices"
	"strings"

	"tyto/entity/oui"
	"tyto/packet"
)

// Claim is what a protocol says of an entity.
type Claim struct {
	Value       string
	Source      string // protocol
	First, Last int64  // when it was said first and last, ns
	Count       uint64 // how often
}

// Tenure is a span of time in which a device held an address.
type Tenure struct {
	Addr     packet.Addr
	MAC      packet.MAC // as frames or the link's protocols showed it; perhaps a router's
	From, To int64      // ns; To is when the next holder began, or the address was last seen
}

// Role is what a device is for.
type Role struct {
	Name string
	P    float64 // confidence: 0 to 1
}

// Device is a device: the addresses and interfaces that the evidence says
// are one. Slices are in order of time, or of weight where that is said.
type Device struct {
	ID          string  // device: and the name of its first address, or interface if it has none
	Name        string  // the best of Names, or its latest address
	Names       []Claim // the best first
	Vendor      string  // of its interface, as the registry of OUIs says
	MACs        []packet.MAC
	Addresses   []Tenure
	Users       []Claim // human accounts, the most often seen first
	Software    []Claim
	Prints      []Claim // fingerprints
	Roles       []Role  // the most certain first
	Why         []Merge // why its parts are one
	First, Last int64   // ns
	Sessions    uint64

	parts []ID // its addresses and interfaces
}

// Devices returns the devices at home, in the order in which they appeared. The
// list and what it holds belong to the Graph and do not change; more facts make
// other lists.
func (g *Graph) Devices() []*Device { return g.conclude().devices }

// DeviceAt returns the device that held an address at a time, in ns; nil if none
// is known.
func (g *Graph) DeviceAt(a packet.Addr, at int64) *Device {
	c := g.conclude()
	id, ok := g.addrs[a]
	if !ok {
		return nil
	}
	if h := g.held[a]; h != nil {
		id = h.at(at).node
	}
	return c.of[id]
}

// buildDevices makes devices of the groups.
func (g *Graph) buildDevices(c *conclusion) {
	groups := make(map[ID][]ID)
	members := append(g.holders(c), g.sorted(Interface)...)
	slices.Sort(members)
	for _, id := range members {
		groups[c.find(id)] = append(groups[c.find(id)], id)
	}
	for _, id := range members {
		parts := groups[id]
		if c.find(id) != id || len(parts) == 1 && !g.standsAlone(id) {
			continue
		}
		d := g.buildDevice(c, parts)
		c.devices = append(c.devices, d)
		for _, part := range parts {
			c.of[part] = d
		}
	}
	for _, m := range c.merges {
		if d := c.of[g.lookup(m.A)]; d != nil {
			d.Why = append(d.Why, m)
		}
	}
	for _, d := range c.devices {
		d.Roles = g.roles(c, d)
	}
}

// standsAlone reports whether an entity that is joined with no other is a
// device: any address that sent something; an interface if it has a name or
// forwards.
func (g *Graph) standsAlone(id ID) bool {
	n := g.nodes.at(uint32(id))
	if n.kind == Address {
		return true
	}
	if g.routes(n.mac) {
		return !virtual(n.mac)
	}
	for e := range g.edgesOf(id, out) {
		if e.kind == Named {
			return true
		}
	}
	return false
}

func (g *Graph) buildDevice(c *conclusion, parts []ID) *Device {
	d := &Device{parts: parts}
	first := g.nodes.at(uint32(parts[0]))
	d.First, d.Last = first.first, first.last
	for _, id := range parts {
		n := g.nodes.at(uint32(id))
		if d.ID == "" && n.kind == Address {
			d.ID = "device:" + n.name()
		}
		d.First, d.Last = min(d.First, n.first), max(d.Last, n.last)
		switch n.kind {
		case Interface:
			d.MACs = append(d.MACs, n.mac)
			d.Vendor = cmp.Or(d.Vendor, oui.Vendor(n.mac))
		case Address:
			d.Addresses = append(d.Addresses, g.tenures(id, n)...)
		}
		g.collect(c, d, id)
	}
	if d.ID == "" {
		d.ID = "device:" + first.name()
	}
	slices.SortStableFunc(d.Addresses, func(a, b Tenure) int { return cmp.Compare(a.From, b.From) })
	d.Addresses = joined(d.Addresses)
	g.sortClaims(d)
	d.Name = d.bestName()
	return d
}

// joined makes one tenure of those of one address that follow each other.
func joined(list []Tenure) []Tenure {
	out := list[:0]
	for _, t := range list {
		if n := len(out); n > 0 && out[n-1].Addr == t.Addr {
			out[n-1].To = max(out[n-1].To, t.To)
			if out[n-1].MAC.IsZero() {
				out[n-1].MAC = t.MAC
			}
			continue
		}
		out = append(out, t)
	}
	return out
}

// tenures returns when an entity held its address.
func (g *Graph) tenures(id ID, n *node) []Tenure {
	h := g.held[n.addr]
	if h == nil {
		return []Tenure{{Addr: n.addr, From: n.first, To: n.last}}
	}
	var list []Tenure
	for i, t := range h.tenures {
		if t.node != id {
			continue
		}
		end := n.last
		if i+1 < len(h.tenures) {
			end = min(end, h.tenures[i+1].from)
		}
		list = append(list, Tenure{Addr: n.addr, MAC: n.mac, From: t.from, To: max(t.from, end)})
	}
	if list == nil { // it never was the only holder
		list = append(list, Tenure{Addr: n.addr, MAC: n.mac, From: n.first, To: n.last})
	}
	return list
}

// collect adds what is said of one part of a device.
func (g *Graph) collect(c *conclusion, d *Device, id ID) {
	for e := range g.edgesOf(id, out) {
		claim := g.claim(e, e.to)
		switch e.kind {
		case Named:
			d.Names = addClaim(d.Names, claim)
		case UsesSoftware:
			d.Software = addClaim(d.Software, claim)
		case HasFingerprint:
			d.Prints = addClaim(d.Prints, claim)
		case TalkedTo:
			d.Sessions += uint64(e.count)
		}
	}
	var aliases []Claim
	for e := range g.edgesOf(id, in) {
		switch e.kind {
		case ResolvesTo, ServedBy:
			if len(aliases) <= maxAliasNames {
				aliases = addClaim(aliases, g.claim(e, e.from))
			}
		case ActiveAt:
			if a := c.account[e.from]; a != nil && !a.Machine {
				claim := g.claim(e, e.from)
				claim.Value = a.String()
				d.Users = addClaim(d.Users, claim)
			}
		case TalkedTo:
			d.Sessions += uint64(e.count)
		}
	}
	if len(aliases) <= maxAliasNames {
		for _, claim := range aliases {
			d.Names = addClaim(d.Names, claim)
		}
	}
}

// maxAliasNames is how many names others may know an address by for these to be
// its names: a proxy or sinkhole is known by more.
const maxAliasNames = 16

func (g *Graph) claim(e *edge, about ID) Claim {
	return Claim{Value: g.nodes.at(uint32(about)).name(), Source: g.vias.list[e.via], First: e.first, Last: e.last, Count: uint64(e.count)}
}

// addClaim adds a claim to a list, or to the same claim made before.
func addClaim(list []Claim, c Claim) []Claim {
	for i := range list {
		if have := &list[i]; have.Value == c.Value && have.Source == c.Source {
			have.First, have.Last = min(have.First, c.First), max(have.Last, c.Last)
			have.Count += c.Count
			return list
		}
	}
	return append(list, c)
}

func (g *Graph) sortClaims(d *Device) {
	slices.SortFunc(d.Names, func(a, b Claim) int {
		return cmp.Or(cmp.Compare(nameClass(b), nameClass(a)), cmp.Compare(b.Last, a.Last), cmp.Compare(strings.Count(b.Value, "."), strings.Count(a.Value, ".")), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Source, b.Source))
	})
	for _, list := range [][]Claim{d.Users, d.Software, d.Prints} {
		slices.SortFunc(list, func(a, b Claim) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Source, b.Source))
		})
	}
}

// nameClass orders names: common ones last.
func nameClass(c Claim) claimClass {
	if common(shortName(c.Value)) {
		return 0
	}
	return classOf(c.Source)
}

// bestName returns the name to call a device by: of the best class the latest,
// in its full form if one is known; else its latest address.
func (d *Device) bestName() string {
	if len(d.Names) > 0 {
		best := d.Names[0].Value
		for _, c := range d.Names {
			if len(c.Value) > len(best) && shortName(c.Value) == shortName(best) && !strings.HasSuffix(c.Value, ".local") && strings.Contains(c.Value, ".") {
				return c.Value
			}
		}
		return best
	}
	if n := len(d.Addresses); n > 0 {
		return d.Addresses[n-1].Addr.String()
	}
	return d.MACs[0].String()
}

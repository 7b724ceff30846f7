package entity

import (
	"iter"
	"strconv"
	"strings"

	"tyto/entity/oui"
	"tyto/internal/record"
	"tyto/packet"
)

// EntitySchema describes entity records.
var EntitySchema = record.New("entity", "known_entities", "Somebody or something in the network, told at the end.",
	record.Field{Name: "ts", Type: record.Time, Doc: "When it was first seen."},
	record.Field{Name: "last_seen", Type: record.Time, Doc: "When it was last seen."},
	record.Field{Name: "id", Type: record.String, Doc: "Identifier, KIND:NAME; the same in every record."},
	record.Field{Name: "kind", Type: record.Enum, Doc: "What it is: device, user, service, domain, address, network, certificate, fingerprint, software, file, organisation or interface."},
	record.Field{Name: "name", Type: record.String, Doc: "What to call it; of a device its best name."},
	record.Field{Name: "count", Type: record.Count, Doc: "Facts about it; of a device its sessions, of a network its addresses."},
	record.Field{Name: "device", Type: record.String, Doc: "Of an address or interface: the device that it is part of, as far as the evidence tells; of a spelling of an account: the account."},
	record.Field{Name: "addr", Type: record.Addr, Doc: "Of an address: itself. One that changed hands is an entity for each holder."},
	record.Field{Name: "mac", Type: record.String, Doc: "Link-layer address: of an interface its own, of an address what its frames had, perhaps a router's."},
	record.Field{Name: "vendor", Type: record.String, Doc: "Who made the interface, as the registry of OUIs says."},
	record.Field{Name: "names", Type: record.Set, Doc: "Of a device: its names, the best first."},
	record.Field{Name: "addrs", Type: record.Addrs, Doc: "Of a device: addresses it held, in order of time."},
	record.Field{Name: "macs", Type: record.Set, Doc: "Of a device: link-layer addresses."},
	record.Field{Name: "users", Type: record.Set, Doc: "Of a device: accounts of people that were used there, the most used first."},
	record.Field{Name: "role", Type: record.String, Doc: "Of a device: what it is for, the most certain of roles."},
	record.Field{Name: "role_p", Type: record.Double, Doc: "Confidence in role."},
	record.Field{Name: "roles", Type: record.Set, Doc: "Of a device: all roles, the most certain first."},
	record.Field{Name: "held_from", Type: record.Intervals, Doc: "Of an address that changed hands: when this holder's times began, in seconds since the epoch; 0 for before it was first seen."},
	record.Field{Name: "home", Type: record.Bool, Doc: "Of an address: whether it is in a home network."},
	record.Field{Name: "notes", Type: record.Set, Doc: "What to know: sent (an address that sent something), shared (several devices speak from it at once), forwards (an interface of a router)."},
)

// RelationSchema describes relation records.
var RelationSchema = record.New("relation", "known_relations", "How two entities relate, told at the end.",
	record.Field{Name: "ts", Type: record.Time, Doc: "When it was first seen."},
	record.Field{Name: "last_seen", Type: record.Time, Doc: "When it was last seen."},
	record.Field{Name: "relation", Type: record.Enum, Doc: "What it is: talked-to, resolved, resolves-to, reached, served-by, named, held, has-fingerprint, active-at, logged-in, uses-software, presents-certificate, certifies, issued-by, offers, accessed, administered, member-of, operated-by or same-as."},
	record.Field{Name: "from", Type: record.String, Doc: "Identifier of the entity it is from."},
	record.Field{Name: "to", Type: record.String, Doc: "Identifier of the entity it is to."},
	record.Field{Name: "from_device", Type: record.String, Doc: "Device that from is part of."},
	record.Field{Name: "to_device", Type: record.String, Doc: "Device that to is part of."},
	record.Field{Name: "via", Type: record.String, Doc: "Protocol that shows it; of talked-to the application; concluded for what follows from other relations."},
	record.Field{Name: "count", Type: record.Count, Doc: "How often it was seen; of talked-to the sessions."},
	record.Field{Name: "failed", Type: record.Count, Doc: "How many of these failed: nobody answered, the login was refused, the name does not exist."},
	record.Field{Name: "orig_bytes", Type: record.Count, Doc: "Payload bytes from the first entity to the second."},
	record.Field{Name: "resp_bytes", Type: record.Count, Doc: "Payload bytes from the second entity to the first."},
	record.Field{Name: "port", Type: record.Port, Doc: "Port of the second entity in the first session."},
	record.Field{Name: "behaviors", Type: record.Set, Doc: "What goes on in the sessions."},
	record.Field{Name: "weight", Type: record.Double, Doc: "Of concluded relations: weight of the evidence, a log-likelihood ratio."},
	record.Field{Name: "reason", Type: record.String, Doc: "Of concluded relations: the evidence in words."},
	record.Field{Name: "uids", Type: record.Strings, Doc: "Sessions behind it: the first and the latest few; - for a sighting outside of sessions."},
	record.Field{Name: "after", Type: record.Intervals, Doc: "When each of these was, counted from ts."},
)

// concludedVia is the Via of relations that follow from others.
const concludedVia = "concluded"

// Entity is an entity record. What is not of its kind is empty.
type Entity struct {
	ID          string
	Kind        Kind
	Name        string
	First, Last int64 // ns
	Count       uint64
	Device      string
	Addr        packet.Addr
	MAC         packet.MAC
	Vendor      string
	Names       []string
	Addrs       []string
	MACs        []string
	Users       []string
	Roles       []Role
	HeldFrom    []int64 // ns
	Home        bool
	Notes       []string
}

// Schema implements protocol.Record.
func (x *Entity) Schema() *record.Schema { return EntitySchema }

// Append implements protocol.Record.
func (x *Entity) Append(e *record.Encoder) {
	e.Time(x.First)
	e.Time(x.Last)
	e.Str(x.ID)
	e.Str(x.Kind.String())
	e.Str(x.Name)
	e.Uint(x.Count)
	e.Str(x.Device)
	if x.Kind == Address {
		e.Addr(x.Addr.Netip())
	} else {
		e.Unset()
	}
	if x.MAC.IsZero() {
		e.Unset()
	} else {
		e.Str(x.MAC.String())
	}
	e.Str(x.Vendor)
	e.Strs(x.Names)
	e.Strs(x.Addrs)
	e.Strs(x.MACs)
	e.Strs(x.Users)
	var roles []string
	for _, r := range x.Roles {
		roles = append(roles, r.Name)
	}
	if len(roles) > 0 {
		e.Str(roles[0])
		e.Float(x.Roles[0].P)
	} else {
		e.Unset()
		e.Unset()
	}
	e.Strs(roles)
	e.Intervals(x.HeldFrom)
	if x.Kind == Address {
		e.Bool(x.Home)
	} else {
		e.Unset()
	}
	e.Strs(x.Notes)
}

// Relation is a relation record.
type Relation struct {
	Kind                 RelationKind
	From, To             string // identifiers of entities
	FromDevice, ToDevice string
	Via                  string
	First, Last          int64 // ns
	Count, Failed        uint64
	OrigBytes, RespBytes uint64
	Port                 uint16
	Behaviors            []string
	Weight               float64
	Reason               string
	Contacts             []Contact
}

// Schema implements protocol.Record.
func (x *Relation) Schema() *record.Schema { return RelationSchema }

// Append implements protocol.Record.
func (x *Relation) Append(e *record.Encoder) {
	e.Time(x.First)
	e.Time(x.Last)
	e.Str(x.Kind.String())
	e.Str(x.From)
	e.Str(x.To)
	e.Str(x.FromDevice)
	e.Str(x.ToDevice)
	e.Str(x.Via)
	e.Uint(x.Count)
	e.Uint(x.Failed)
	e.Uint(x.OrigBytes)
	e.Uint(x.RespBytes)
	if x.Port == 0 {
		e.Unset()
	} else {
		e.Uint(uint64(x.Port))
	}
	e.Strs(x.Behaviors)
	if x.Via == concludedVia {
		e.Float(x.Weight)
	} else {
		e.Unset()
	}
	e.Str(x.Reason)
	uids, after := make([]string, 0, len(x.Contacts)), make([]int64, 0, len(x.Contacts))
	for _, c := range x.Contacts {
		uid := "-"
		if !c.UID.IsZero() {
			uid = c.UID.String()
		}
		uids, after = append(uids, uid), append(after, c.Time-x.First)
	}
	e.Strs(uids)
	e.Intervals(after)
}

// Entities calls yield with all entities: devices and networks as they are
// concluded, then what was observed, each in the order in which it appeared.
// The record is valid until yield returns.
func (g *Graph) Entities() iter.Seq[*Entity] {
	return func(yield func(*Entity) bool) {
		c := g.conclude()
		for _, d := range c.devices {
			if !yield(d.entity()) {
				return
			}
		}
		for _, n := range g.networks(c) {
			if !yield(&Entity{ID: n.id(), Kind: Network, Name: n.prefix.String(), First: n.first, Last: n.last, Count: uint64(len(n.members))}) {
				return
			}
		}
		for i := uint32(1); i <= g.nodes.n; i++ {
			if n := g.nodes.at(i); n.flags&nodeUsed != 0 && !yield(g.export(c, ID(i), n)) {
				return
			}
		}
	}
}

// entity returns the record of a device.
func (d *Device) entity() *Entity {
	x := &Entity{ID: d.ID, Kind: DeviceKind, Name: d.Name, First: d.First, Last: d.Last, Count: d.Sessions, Vendor: d.Vendor, Roles: d.Roles}
	x.Names, x.Users = values(d.Names), values(d.Users)
	for _, t := range d.Addresses {
		x.Addrs = addOnce(x.Addrs, t.Addr.String())
	}
	for _, m := range d.MACs {
		x.MACs = append(x.MACs, m.String())
	}
	return x
}

func values(list []Claim) (out []string) {
	for _, c := range list {
		out = addOnce(out, c.Value)
	}
	return out
}

func addOnce(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}

// export returns the record of an entity that was observed.
func (g *Graph) export(c *conclusion, id ID, n *node) *Entity {
	x := &Entity{ID: n.id(), Kind: n.kind, Name: n.name(), First: n.first, Last: n.last, Count: n.count, Addr: n.addr, MAC: n.mac}
	if d := c.of[id]; d != nil {
		x.Device = d.ID
	}
	switch n.kind {
	case User:
		x.Device = c.account[id].ID
	case Interface:
		x.Vendor = oui.Vendor(n.mac)
		if g.routes(n.mac) {
			x.Notes = append(x.Notes, "forwards")
		}
	case Address:
		x.Home = g.atHome(c, n.addr)
		if n.flags&nodeSent != 0 {
			x.Notes = append(x.Notes, "sent")
		}
		h := g.held[n.addr]
		if h == nil {
			break
		}
		x.Notes = append(x.Notes, "held")
		if h.shared {
			x.Notes = append(x.Notes, "shared")
		}
		for i, t := range h.tenures {
			switch {
			case t.node != id:
			case i == 0:
				x.HeldFrom = append(x.HeldFrom, 0)
			default:
				x.HeldFrom = append(x.HeldFrom, t.from)
			}
		}
	}
	return x
}

// Relations calls yield with all relations: those that are concluded, then
// those that were observed, in the order in which they appeared. The record is
// valid until yield returns.
func (g *Graph) Relations() iter.Seq[*Relation] {
	return func(yield func(*Relation) bool) {
		c := g.conclude()
		for _, m := range c.merges {
			a := g.nodes.at(uint32(g.lookup(m.A)))
			x := &Relation{Kind: SameAs, From: m.A, To: m.B, Via: concludedVia, First: a.first, Last: a.last, Count: 1, Weight: m.Weight, Reason: m.Why}
			x.FromDevice, x.ToDevice = c.device(g.lookup(m.A)), c.device(g.lookup(m.B))
			if !yield(x) {
				return
			}
		}
		for _, n := range g.networks(c) {
			for _, id := range n.members {
				v := g.nodes.at(uint32(id))
				x := &Relation{Kind: MemberOf, From: v.id(), To: n.id(), FromDevice: c.device(id), Via: concludedVia, First: v.first, Last: v.last, Count: 1, Reason: "address"}
				if !yield(x) {
					return
				}
			}
		}
		for i := uint32(1); i <= g.edges.n; i++ {
			if e := g.edges.at(i); e.kind != 0 && !yield(g.relation(c, e)) {
				return
			}
		}
	}
}

func (c *conclusion) device(id ID) string {
	if d := c.of[id]; d != nil {
		return d.ID
	}
	return ""
}

func (g *Graph) relation(c *conclusion, e *edge) *Relation {
	return &Relation{
		Kind: e.kind, From: g.nodes.at(uint32(e.from)).id(), To: g.nodes.at(uint32(e.to)).id(),
		FromDevice: c.device(e.from), ToDevice: c.device(e.to), Via: g.vias.list[e.via], First: e.first, Last: e.last,
		Count: uint64(e.count), Failed: uint64(e.failed), OrigBytes: e.origBytes, RespBytes: e.respBytes, Port: e.port,
		Behaviors: g.behaviorsOf(e), Contacts: g.contactsOf(e),
	}
}

// lookup returns the entity of an identifier, 0 if there is none.
func (g *Graph) lookup(id string) ID {
	kind, name, _ := strings.Cut(id, ":")
	switch k := kindOf(kind); k {
	case Address:
		text, number, several := strings.Cut(name, "#")
		first, ok := g.addrs[addrOf(text)]
		if !ok || !several {
			return first
		}
		n, err := strconv.Atoi(number)
		h := g.held[addrOf(text)]
		if err != nil || h == nil || n < 1 || n > len(h.holders) {
			return 0
		}
		return h.holders[n-1]
	case Interface:
		m, _ := parseMAC(name)
		if i := g.ifaces[m]; i != nil {
			return i.node
		}
		return 0
	default:
		return g.names[k][name]
	}
}

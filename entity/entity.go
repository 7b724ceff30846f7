// Package entity keeps the knowledge graph of a network in memory: who and what
// is there, and how it relates, tied to the sessions that show it.
//
// A [Reader] turns sessions, protocol records and observations into [Fact]s;
// each lane has its own. One goroutine owns the [Graph] and adds facts in the
// order of the capture: there is no lock. Everything known is an entity or a
// relation between two of them; a relation says which protocol showed it, when
// first and last, how often, and in which sessions. Nothing is overwritten: of
// two names of a device both stay, each with its source.
//
// An address is an entity for as long as one device holds it. When a lease goes
// to another device another entity begins, so that what was said of the first
// holder never becomes true of the second. [Graph.Devices] then weighs the
// evidence and says which addresses and interfaces are one device; it may be
// asked again when more is known, and answers from the same evidence always the
// same.
//
// To add a kind of evidence: let the Reader make a Fact of it (read.go,
// observe.go), and give it a weight in weigh.go if it identifies a device.
package entity

import (
	"net/netip"

	"tyto/packet"
)

// Kind says what an entity is.
type Kind uint8

// Kinds of entities, with what their names look like.
const (
	DeviceKind   Kind = iota + 1 // the name of its first address or interface; concluded, not observed
	User                         // account@domain, account@ if no domain is known; machine accounts end in $
	Service                      // address:port/transport, or address/role for what is told by configuration
	Domain                       // a DNS, NetBIOS or host name in lower case
	Address                      // 10.0.0.5 as its first holder had it, 10.0.0.5#2 as its second
	Network                      // 10.0.0.0/24, concluded; vlan/20
	Certificate                  // SHA-256 fingerprint
	Fingerprint                  // TYPE:VALUE: ja4, hassh, hassh-server, hostkey, dhcp, dhcp-id, duid
	Software                     // as it calls itself
	File                         // \\server\share\path
	Organisation                 // AS64500, or the name of a provider or certificate issuer
	Interface                    // link-layer address
	kinds
)

var kindNames = [kinds]string{"none", "device", "user", "service", "domain", "address", "network", "certificate", "fingerprint",
	"software", "file", "organisation", "interface"}

// String returns the kind's name in lower case.
func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return "invalid"
}

func kindOf(name string) Kind {
	for k := DeviceKind; k < kinds; k++ {
		if kindNames[k] == name {
			return k
		}
	}
	return 0
}

// RelationKind says how two entities relate.
type RelationKind uint8

// Kinds of relations, with the kinds of entities they join.
const (
	TalkedTo       RelationKind = iota + 1 // address to address: sessions; Via is the application
	Resolved                               // address to domain: asked for it
	ResolvesTo                             // domain to address: was answered
	Reached                                // address to domain: reached a server by this name
	ServedBy                               // domain to address: was reached there
	Named                                  // address or interface to domain: says or is said to have the name
	Held                                   // address to interface: ARP, NDP, DHCP or frames show it there
	HasFingerprint                         // address or interface to fingerprint
	ActiveAt                               // user to address: the account was used from there
	LoggedIn                               // user to address: logged in there, or failed to
	UsesSoftware                           // address or interface to software
	Presents                               // address to certificate
	Certifies                              // certificate to domain
	IssuedBy                               // certificate to organisation; to itself if it is self-signed
	Offers                                 // address to service
	Accessed                               // address or user to file or service
	Administered                           // address to address: changed services, tasks or settings there
	MemberOf                               // address to network
	OperatedBy                             // address to organisation
	SameAs                                 // domain to domain: two names of one domain; address to device: concluded
	relationKinds
)

var relationNames = [relationKinds]string{"none", "talked-to", "resolved", "resolves-to", "reached", "served-by", "named", "held",
	"has-fingerprint", "active-at", "logged-in", "uses-software", "presents-certificate", "certifies", "issued-by", "offers",
	"accessed", "administered", "member-of", "operated-by", "same-as"}

// String returns the relation's name in lower case with hyphens.
func (r RelationKind) String() string {
	if r < relationKinds {
		return relationNames[r]
	}
	return "invalid"
}

// ID is an entity's number within one Graph; 0 is none. It stays the same while
// the entity is kept. Outside a Graph entities are known by [Entity.ID].
type ID uint32

// Options say how a Graph is kept. The zero value is ready for use.
type Options struct {
	// Home are the networks that are the user's own. Nil: they are inferred, see
	// [Graph.Home].
	Home []netip.Prefix
	// MemoryLimit is how many bytes entities and relations may take, about; 0
	// means DefaultMemory. What must go is what has not been seen for longest,
	// and is counted in Stats.
	MemoryLimit int
	// Organisation tells who operates an address that is not at home: its name
	// and where that is known from ("mmdb"), or "". Nil: the table of package
	// provider.
	Organisation func(packet.Addr) (name, source string)
}

// DefaultMemory is the memory limit if none is given.
const DefaultMemory = 256 << 20

// Stats are counts of a Graph.
type Stats struct {
	Facts                                           uint64 // added so far
	Entities, Relations                             int    // kept now
	ShedEntities, ShedRelations, ShedFacts, ShedIDs uint64 // forgotten to keep the memory limit: IDs are holders of one address
}

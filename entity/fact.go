package entity

import (
	"tyto/packet"
	"tyto/session"
)

// Ref says which entity a fact is about, as the traffic shows it: addresses by
// Addr, interfaces by MAC, all others by Name in the form [Kind] describes.
type Ref struct {
	Kind Kind
	Addr packet.Addr
	// MAC is the link-layer address frames of Addr had, or zero. It may be a
	// router's.
	MAC  packet.MAC
	Name string
}

// AddressRef refers to an address.
func AddressRef(a packet.Addr) Ref { return Ref{Kind: Address, Addr: a} }

// InterfaceRef refers to an interface.
func InterfaceRef(m packet.MAC) Ref { return Ref{Kind: Interface, MAC: m} }

// NameRef refers to an entity of another kind by its name.
func NameRef(k Kind, name string) Ref { return Ref{Kind: k, Name: name} }

// Fact is one relation between two entities that was seen at a time. It holds
// no memory of packets, so it can be kept until its turn comes.
type Fact struct {
	Relation RelationKind
	From, To Ref
	// Via is the protocol that shows it; for TalkedTo the application.
	Via string
	// First and Last are when it was seen, in ns; Last is 0 for a moment.
	First, Last int64
	// Until is the end of the lease, in ns, for Held told by DHCP; 0 if unknown.
	Until int64
	UID   session.UID // the session that shows it; zero for none

	// Of sessions.
	OrigBytes, RespBytes uint64
	Port                 uint16 // the responder's, valid for TCP and UDP
	Proto                uint8  // IP protocol number
	VLAN                 uint16
	Failed               bool // nobody answered, or the login was refused
	// Behavior names what goes on in the session (a segment's or session's
	// label). A fact with a behavior adds it to the relation and counts nothing.
	Behavior string
}

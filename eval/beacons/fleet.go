package beacons

import (
	"fmt"
	"math/rand/v2"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// fleetDevices is how many devices a site has.
const fleetDevices = 1000

// visit is the contacts of a device with a destination, and who that is.
type visit struct {
	kind     string
	maker    int32
	held     bool
	device   int
	party    detection.Party
	app      string
	port     uint16
	flaw     string
	users    int // devices that use the destination
	contacts []contact
}

// device returns the address of a device.
func device(i int) packet.Addr { return packet.Addr4([]byte{10, 0, byte(i >> 8), byte(i)}) }

// draw draws who is at the other end: the shares that have no name, a flawed
// certificate, no known protocol or an odd port are assumptions.
type draw struct{ nameless, flawed, namelessFlawed, http, unknown, odd float64 }

var (
	// ordinary are destinations that few devices use: small vendors' and own servers.
	ordinary = draw{nameless: 0.06, flawed: 0.03, namelessFlawed: 0.3, http: 0.07, unknown: 0.03, odd: 0.07}
	// hostile are controllers: most have a name and a certificate that is in order.
	hostile = draw{nameless: 0.25, flawed: 0.08, namelessFlawed: 0.6, http: 0.14, unknown: 0.08, odd: 0.18}
)

func (d draw) party(r *rand.Rand, id int, v *visit) {
	v.party.Addr = packet.Addr4([]byte{198, 18, byte(id >> 8), byte(id)})
	v.app, v.port = "tls", 443
	switch x := r.Float64(); {
	case x < d.http:
		v.app, v.port = "http", 80
	case x < d.http+d.unknown:
		v.app, v.port = "unknown", uint16(1024+r.IntN(60000))
	case x < d.http+d.unknown+d.odd:
		v.port = uint16(1024 + r.IntN(60000))
	}
	flawed := d.flawed
	if r.Float64() < d.nameless {
		flawed = d.namelessFlawed
	} else {
		v.party.Domain = fmt.Sprintf("host%d.example", id)
	}
	if v.app == "tls" && r.Float64() < flawed {
		v.flaw = "self-signed"
	}
}

// fleet is a site's traffic.
type fleet struct {
	r      *rand.Rand
	next   int // destination
	visits []visit
}

// manyUsers is how many devices' contacts with a destination are made in full; of
// the others one is.
const manyUsers = 6

// newFleet makes a site's day without anything hostile, or one in every of it.
func newFleet(seed uint64, every int) *fleet {
	f := &fleet{r: rand.New(rand.NewPCG(seed, 0x666c))}
	for i := range automations {
		a := &automations[i]
		for range (a.shared + every - 1) / every {
			f.program(a, a.users)
		}
		for range (a.single + every - 1) / every {
			f.program(a, 1)
		}
	}
	f.people(fleetDevices / every)
	return f
}

func (f *fleet) program(a *automation, users int) {
	like := visit{kind: a.name, maker: benign, held: a.held, users: users}
	if f.next++; users >= 20 {
		draw{}.party(f.r, f.next, &like)
	} else {
		ordinary.party(f.r, f.next, &like)
	}
	if a.app != "" {
		like.app, like.port, like.flaw = a.app, 123, ""
	}
	for i, d := range f.r.Perm(fleetDevices)[:users] {
		v := like
		v.device = d
		if v.contacts = a.make(f.r); i >= manyUsers {
			v.contacts = v.contacts[:min(1, len(v.contacts))]
		}
		f.visits = append(f.visits, v)
	}
}

// people browse: each a few services that many use, and some that nobody else does.
func (f *fleet) people(devices int) {
	const popular, own = 20, 3
	first := f.next
	f.next += popular
	for d := range devices {
		for i := range popular / 4 {
			v := visit{kind: "a person", maker: human, device: d, users: fleetDevices / 4, app: "tls", port: 443}
			v.party = detection.Party{Addr: packet.Addr4([]byte{198, 19, 0, byte(i)}), Domain: fmt.Sprintf("popular%d.example", first+f.r.IntN(popular))}
			v.contacts = []contact{{at: 8 * hour, up: 900, down: 9000}}
			f.visits = append(f.visits, v)
		}
		for range own {
			v := visit{kind: "a person", maker: human, device: d, users: 1}
			f.next++
			ordinary.party(f.r, f.next, &v)
			v.contacts = person(f.r)
			f.visits = append(f.visits, v)
		}
	}
}

// Makers of a visit.
const (
	human int32 = iota
	benign
	implant
)

// infect adds implants of a kind; four of five controllers have one victim, the
// others two or three.
func (f *fleet) infect(a *agent, n int) {
	for range n {
		like := visit{kind: a.name, maker: implant, held: a.held, users: 1}
		f.next++
		hostile.party(f.r, f.next, &like)
		if f.r.Float64() < 0.2 {
			like.users = 2 + f.r.IntN(2)
		}
		for i, d := range f.r.Perm(fleetDevices)[:like.users] {
			v := like
			v.device = d
			if v.contacts = a.make(f.r); i > 0 {
				v.maker = human // counted once
				v.contacts = v.contacts[:1]
			}
			f.visits = append(f.visits, v)
		}
	}
}

// name tells a visit from others, as the detector's findings do.
func (v *visit) name() string { return device(v.device).String() + ">" + v.party.String() }

// sessions are a visit's contacts as sessions.
func (v *visit) sessions(yield func(*detection.Session)) {
	s := detection.Session{App: v.app, Domain: v.party.Domain, State: "SF", Home: [2]bool{true, false}, Sheet: &detection.Sheet{Flaw: v.flaw}}
	s.Tuple = session.Tuple{Orig: device(v.device), Resp: v.party.Addr, RespPort: v.port, Proto: 6}
	for i, c := range v.contacts {
		e := c.event()
		s.UID = session.UID{uint64(v.device)<<32 | uint64(i), uint64(v.port)}
		s.First, s.Last = e.At, e.At+2e8
		s.Bytes, s.Packets = [2]uint64{e.Up, e.Down}, [2]uint64{5, 5}
		yield(&s)
	}
}

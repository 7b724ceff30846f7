// Package edge measures how much an edge looks like one that a network's machines
// have, by what its two ends did lately and not by who they are: a machine that
// serves files to many is a file server, whatever its name. So it tells on the
// second day, and of machines that were never seen.
//
// A [Table] keeps what each machine used and served lately, forgetting by half in
// [HalfLife], and how often edges were used. A [Model], a small network, weighs
// that: it was trained to tell edges that were used from edges to machines drawn at
// random (link prediction, as in temporal graph networks: Rossi et al. 2020; King
// and Huang, Euler, NDSS 2022), on simulated organisations other than those it is
// tested on. What it says is the logarithm of how much likelier the edge is at
// random than by habit, in nats.
package edge

import (
	"math"

	"tyto/packet"
)

// Service is what a machine uses of another.
type Service uint8

// Services.
const (
	Other Service = iota
	SSH
	Desktop // RDP, VNC
	WinRM
	Execution // services, tasks, WMI, DCOM, registry
	Share
	Directory // Kerberos, LDAP
	Web
	Data // databases
	Mail
	services
)

// Event is the use of a service.
type Event struct {
	At       int64 // ns since the epoch
	From, To packet.Addr
	Service  Service
}

// HalfLife is how long it takes for what was used to count half, in ns.
const HalfLife = int64(72 * 3600e9)

// Limits of what a Table keeps. When it is full, what was not used for longest of
// a few is forgotten.
const (
	maxNodes = 100_000
	maxEdges = 1_000_000
)

// node is what a machine did lately.
type node struct {
	last, first int64
	out, in     [services]float32 // uses, decayed
	reach, wide [services]float32 // new edges of it and to it, decayed: how many others there are
	night       float32           // uses out of hours, decayed
}

func (n *node) decay(at int64) {
	if d := at - n.last; d > 0 {
		f := float32(math.Exp2(-float64(d) / float64(HalfLife)))
		for i := range n.out {
			n.out[i] *= f
			n.in[i] *= f
			n.reach[i] *= f
			n.wide[i] *= f
		}
		n.night *= f
		n.last = at
	}
}

// role is what a machine mostly is: the service it serves most, or else the one it
// uses most.
func (n *node) role() int {
	best, most := 0, float32(0)
	for i, v := range n.wide {
		if n.in[i] > 0.5 && v > most {
			best, most = i, v
		}
	}
	if most > 1.5 {
		return int(services) + best
	}
	most = 0
	for i, v := range n.out {
		if v > most {
			best, most = i, v
		}
	}
	return best
}

const roleCount = 2 * int(services)

type pair struct {
	from, to packet.Addr
	service  Service
}

type use struct {
	count float32
	last  int64
}

// Table is the memory of a network. Its zero value is empty.
type Table struct {
	nodes map[packet.Addr]*node
	edges map[pair]use
	any   map[[2]packet.Addr]use
	roles [roleCount][services][roleCount]float64
	// from a role by a service: all
	total [roleCount][services]float64
	// Forgotten counts machines and edges that there was no room for.
	Forgotten uint64
}

// Nodes and Edges return how many there are.
func (t *Table) Nodes() int { return len(t.nodes) }

// Edges returns how many edges there are, by service.
func (t *Table) Edges() int { return len(t.edges) }

// Counts are what is known of an edge by counting alone.
type Counts struct {
	New bool // never seen
	// Uses is how often it was used, decayed.
	Uses float64
	// Rarity is -log P(role of the target, service | role of the source), smoothed
	// by Laplace, in nats.
	Rarity float64
}

// Width is how many numbers the features of an edge are.
const Width = 4*int(services) + int(services) + 16

// at returns what is known of a machine at a time.
func (t *Table) at(a packet.Addr, at int64) node {
	n := t.nodes[a]
	if n == nil {
		return node{last: at, first: at}
	}
	v := *n
	v.decay(at)
	return v
}

// Measure appends the features of an edge before it is used, Width numbers, and
// returns what counting says.
func (t *Table) Measure(e Event, to []float32) ([]float32, Counts) {
	from, target := t.at(e.From, e.At), t.at(e.To, e.At)
	for i := range from.out {
		to = append(to, squash(from.out[i]), squash(from.in[i]), squash(target.out[i]), squash(target.in[i]))
	}
	for i := range services {
		to = append(to, flag(i == e.Service))
	}
	used, known := t.edges[pair{e.From, e.To, e.Service}]
	all, met := t.any[[2]packet.Addr{e.From, e.To}]
	back := t.any[[2]packet.Addr{e.To, e.From}]
	count := fade(used, e.At)
	a, b := from.role(), target.role()
	c := Counts{New: !known, Uses: float64(count), Rarity: -math.Log((t.roles[a][e.Service][b] + 0.5) / (t.total[a][e.Service] + 0.5*float64(roleCount)))}
	hour := float64(e.At/int64(60e9)%1440) / 1440 * 2 * math.Pi
	to = append(to,
		squash(count), flag(known), squash(fade(all, e.At)), flag(met), squash(fade(back, e.At)),
		squash(from.reach[e.Service]), squash(from.wide[e.Service]), squash(target.wide[e.Service]), squash(target.reach[e.Service]),
		flag(target.wide[e.Service] > 0), float32(c.Rarity)/4,
		squash(from.night), flag(offHours(e.At)), float32(math.Sin(hour)), float32(math.Cos(hour)), age(&target, e.At))
	return to, c
}

// squash makes counts comparable.
func squash(v float32) float32 { return float32(math.Log1p(float64(v))) / 3 }

func flag(ok bool) float32 {
	if ok {
		return 1
	}
	return 0
}

func fade(u use, at int64) float32 {
	if u.count == 0 {
		return 0
	}
	return u.count * float32(math.Exp2(-float64(max(at-u.last, 0))/float64(HalfLife)))
}

// age is how long a machine is known, a week being long.
func age(n *node, at int64) float32 {
	return float32(min(float64(at-n.first)/float64(7*24*3600e9), 1))
}

// offHours reports whether a time is at night (UTC) or on a weekend.
func offHours(at int64) bool {
	h := at / int64(3600e9) % 24
	weekday := (at/int64(24*3600e9) + 4) % 7
	return h < 6 || h >= 20 || weekday == 0 || weekday == 6
}

// Use notes that an edge is used.
func (t *Table) Use(e Event) {
	if t.nodes == nil {
		t.nodes, t.edges, t.any = make(map[packet.Addr]*node), make(map[pair]use), make(map[[2]packet.Addr]use)
	}
	from, to := t.node(e.From, e.At), t.node(e.To, e.At)
	a, b := from.role(), to.role()
	t.roles[a][e.Service][b]++
	t.total[a][e.Service]++
	from.out[e.Service]++
	to.in[e.Service]++
	if offHours(e.At) {
		from.night++
	}
	k := pair{e.From, e.To, e.Service}
	used, known := t.edges[k]
	if !known {
		from.reach[e.Service]++
		to.wide[e.Service]++
		shrink(t, t.edges)
	}
	t.edges[k] = use{fade(used, e.At) + 1, e.At}
	ends := [2]packet.Addr{e.From, e.To}
	all, met := t.any[ends]
	if !met {
		shrink(t, t.any)
	}
	t.any[ends] = use{fade(all, e.At) + 1, e.At}
}

// node returns a machine, which is made if it is new.
func (t *Table) node(a packet.Addr, at int64) *node {
	n := t.nodes[a]
	if n != nil {
		n.decay(at)
		return n
	}
	if len(t.nodes) >= maxNodes {
		var oldest packet.Addr
		tried := 0
		for k, v := range t.nodes {
			if tried == 0 || v.last < t.nodes[oldest].last {
				oldest = k
			}
			if tried++; tried == 8 {
				break
			}
		}
		delete(t.nodes, oldest)
		t.Forgotten++
	}
	n = &node{last: at, first: at}
	t.nodes[a] = n
	return n
}

// shrink makes room for one more.
func shrink[K comparable](t *Table, m map[K]use) {
	if len(m) < maxEdges {
		return
	}
	var oldest K
	tried := 0
	for k, v := range m {
		if tried == 0 || v.last < m[oldest].last {
			oldest = k
		}
		if tried++; tried == 8 {
			break
		}
	}
	delete(m, oldest)
	t.Forgotten++
}

// ServiceOf returns the service of a session: by how one machine administers the
// other, if it does (ssh, rdp, winrm, service, task, wmi, dcom, registry, share), or
// else by the protocol.
func ServiceOf(app, via string) Service {
	switch via {
	case "ssh", "telnet":
		return SSH
	case "rdp", "rfb", "x11", "teamviewer":
		return Desktop
	case "winrm":
		return WinRM
	case "service", "task", "wmi", "dcom", "registry", "share":
		return Execution
	}
	switch app {
	case "ssh", "telnet":
		return SSH
	case "rdp", "rfb":
		return Desktop
	case "winrm":
		return WinRM
	case "dcerpc":
		return Execution
	case "smb", "nfs":
		return Share
	case "kerberos", "ldap":
		return Directory
	case "http", "http2", "tls", "quic":
		return Web
	case "postgresql", "mysql", "tds", "redis", "mongodb":
		return Data
	case "smtp", "imap", "pop3":
		return Mail
	}
	return Other
}

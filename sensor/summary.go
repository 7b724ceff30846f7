package sensor

import (
	"cmp"
	"maps"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"strings"

	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Summary is what a first look at a capture needs: volumes, devices and their
// names, and the sessions worth looking at. It is bounded: what does not fit is
// counted in Overflow. A Summary is for one goroutine; merge brings those of
// the lanes together.
type Summary struct {
	Apps     map[string]*Volume
	Paths    [4]Volume // by Path
	Devices  map[packet.Addr]*Device
	Names    map[packet.Addr][]string // domains that addresses were resolved from, at most maxAliases of each
	Findings map[FindingKey]*Finding
	Inside   []Inside // sessions worth a look at what was heard in them, at most maxInside, the most interesting first
	Overflow uint64   // facts for which there was no room

	home     networks
	logins   map[loginKey]*logins
	attempts int // in logins
}

// Path says between what networks bytes went.
type Path uint8

// Paths.
const (
	Internal Path = iota // between home networks
	Outbound             // from home to elsewhere
	Inbound              // from elsewhere to home
	External             // between others
)

// Volume counts sessions and bytes.
type Volume struct {
	Sessions           uint64
	OrigBytes          uint64 // payload by the originators
	RespBytes          uint64 // payload by the responders
	Encrypted          uint64 // bytes of both in sessions that cannot be read
	Packets, WireBytes uint64
}

// volume returns what a session counts as.
func volume(s *session.Session) Volume {
	o, r := &s.Sides[session.Orig], &s.Sides[session.Resp]
	v := Volume{Sessions: 1, OrigBytes: o.Bytes, RespBytes: r.Bytes, Packets: o.Packets + r.Packets, WireBytes: o.IPBytes + r.IPBytes}
	if s.Flags&session.Encrypted != 0 {
		v.Encrypted = o.Bytes + r.Bytes
	}
	return v
}

func (v *Volume) sub(o *Volume) {
	v.Sessions -= o.Sessions
	v.OrigBytes -= o.OrigBytes
	v.RespBytes -= o.RespBytes
	v.Encrypted -= o.Encrypted
	v.Packets -= o.Packets
	v.WireBytes -= o.WireBytes
}

func (v *Volume) add(o *Volume) {
	v.Sessions += o.Sessions
	v.OrigBytes += o.OrigBytes
	v.RespBytes += o.RespBytes
	v.Encrypted += o.Encrypted
	v.Packets += o.Packets
	v.WireBytes += o.WireBytes
}

// Device is an address that took part in sessions.
type Device struct {
	Addr     packet.Addr
	Local    bool
	MAC      packet.MAC
	Names    []Fact         // in the order they were seen; Summary.Name chooses
	Users    []Fact         // accounts used from it
	Software []Fact         // programs seen on it
	Client   map[string]int // sessions it started, by app
	Server   map[string]int // sessions it answered, by app
	Sent     uint64         // payload bytes
	Received uint64
	Sessions int

	attempts int         // connections it tried and that got nowhere
	targets  sketch      // addresses of these
	ports    sketch      // ports of these
	example  session.UID // one of them
}

// Fact is a name and where it is from.
type Fact struct{ Value, Source string }

// Bounds of a Summary, per lane.
const (
	maxDevices  = 20000
	maxFacts    = 8
	maxApps     = 64
	maxFindings = 4000
	maxUIDs     = 5
	maxNames    = 50000
	maxAliases  = 4 // domains of an address
)

// FindingKind orders findings: the more telling ones first.
type FindingKind uint8

// Kinds of findings.
const (
	FindLogins      FindingKind = iota // refused often, then accepted
	FindScan                           // many addresses or ports tried in vain
	FindRefused                        // logins that were refused
	FindCredential                     // a credential in the clear
	FindOddPort                        // a protocol on a port that is not its own
	FindTunnel                         // a session that carries others
	FindCertificate                    // a certificate that should not be trusted
	FindAnomaly
)

var findingNames = [...]string{"login", "scan", "refused login", "plain login", "odd port", "tunnel", "certificate", "anomaly"}

// String returns the kind in words.
func (k FindingKind) String() string { return findingNames[k] }

// FindingKey is what sessions are gathered by: one finding for each.
type FindingKey struct {
	Kind       FindingKind
	Orig, Resp packet.Addr // zero where any
	Port       uint16
	Detail     string // app, account or fault
}

// Finding is something worth looking at.
type Finding struct {
	FindingKey
	App      string
	Sessions int
	UIDs     []session.UID // the first few
	First    int64         // ns
	Extra    string        // a second detail: the account of a login
	Refused  int           // of logins: how many were refused, in a row where one was accepted at last
	Accepted int           // of logins: how many were accepted
	Among    bool          // of logins: some were refused after the last was accepted
	Sources  int           // of logins: from how many addresses, if Orig is zero
	Targets  int           // of a scan: addresses, an estimate
	Ports    int           // of a scan: ports, an estimate
}

func newSummary(home networks) *Summary {
	return &Summary{
		Apps: make(map[string]*Volume), Devices: make(map[packet.Addr]*Device), Names: make(map[packet.Addr][]string),
		Findings: make(map[FindingKey]*Finding), home: home, logins: make(map[loginKey]*logins),
	}
}

func (m *Summary) device(a packet.Addr) *Device {
	d := m.Devices[a]
	if d == nil {
		if len(m.Devices) >= maxDevices {
			m.Overflow++
			return nil
		}
		d = &Device{Addr: a, Local: m.home.has(a)}
		m.Devices[a] = d
	}
	return d
}

// session counts a session that ended.
func (m *Summary) session(set *protocol.Set, s *session.Session, f *protocol.Flow) {
	app := set.AppName(s.App)
	o, r := &s.Sides[session.Orig], &s.Sides[session.Resp]
	v := volume(s)
	if m.Apps[app] == nil {
		m.Apps[app] = new(Volume)
	}
	m.Apps[app].add(&v)
	m.paths(s, &v)

	answered, byDevice := r.Packets > 0, counted(s)
	client, server := m.device(s.Orig), m.device(s.Resp)
	if client != nil {
		client.Sessions++
		client.Sent += o.Bytes
		client.Received += r.Bytes
		client.learnMAC(s.MACs[session.Orig], s.Tunnel)
		if byDevice[session.Orig] {
			count(&client.Client, app)
		}
		if attempt(s) {
			client.attempts++
			client.targets.add(hashAddr(s.Resp))
			client.ports.add(uint32(s.RespPort))
			client.example = s.UID
		}
	}
	if server != nil && byDevice[session.Resp] {
		server.Sessions++
		server.Sent += r.Bytes
		server.Received += o.Bytes
		server.learnMAC(s.MACs[session.Resp], s.Tunnel)
		count(&server.Server, app)
	}
	if d, ok := set.Lookup(app); ok && d.OddPort && s.Proto != 0 && answered && !slices.Contains(d.Ports, s.RespPort) {
		m.find(FindingKey{Kind: FindOddPort, Resp: s.Resp, Port: s.RespPort, Detail: app}, s, app)
	}
	if f != nil {
		if name, _ := f.Domain(); name != "" && !m.home.has(s.Resp) {
			m.name(s.Resp, name)
		}
	}
}

// announced counts the sessions that announcements named as what they are.
func (m *Summary) announced(o *output) {
	m.Overflow += o.unkept
	unknown := o.set.AppName(protocol.Unknown)
	for k, v := range o.named {
		app := o.set.AppName(k.app)
		m.Apps[unknown].sub(v)
		if m.Apps[app] == nil {
			m.Apps[app] = new(Volume)
		}
		m.Apps[app].add(v)
		for side, a := range [2]packet.Addr{k.orig, k.resp} {
			d := m.Devices[a]
			if d == nil || !k.byDevice[side] {
				continue
			}
			by := d.Client
			if side == int(session.Resp) {
				by = d.Server
			}
			n := min(int(v.Sessions), by[unknown])
			if n == 0 {
				continue // there was no room for it
			}
			if by[unknown] -= n; by[unknown] == 0 {
				delete(by, unknown)
			}
			by[app] += n
		}
	}
	if v := m.Apps[unknown]; v != nil && v.Sessions == 0 {
		delete(m.Apps, unknown)
	}
}

func (m *Summary) paths(s *session.Session, v *Volume) {
	from, to := m.home.has(s.Orig), m.home.has(s.Resp) || s.Resp.IsMulticast()
	switch {
	case from && to:
		m.Paths[Internal].add(v)
	case !from && !to:
		m.Paths[External].add(v)
	default:
		out := Volume{Sessions: v.Sessions, OrigBytes: v.OrigBytes, Packets: v.Packets}
		in := Volume{OrigBytes: v.RespBytes}
		if v.Encrypted > 0 {
			out.Encrypted, in.Encrypted = v.OrigBytes, v.RespBytes
		}
		if to {
			out, in = in, out
		}
		m.Paths[Outbound].add(&out)
		m.Paths[Inbound].add(&in)
	}
}

// counted reports whether a session counts as use of its app by the client, and
// as service of the server.
func counted(s *session.Session) (byDevice [2]bool) {
	answered := s.Sides[session.Resp].Packets > 0
	if attempt(s) {
		return byDevice
	}
	return [2]bool{session.Orig: answered || s.Sides[session.Orig].Bytes > 0, session.Resp: answered}
}

// attempt reports whether a session got nowhere.
func attempt(s *session.Session) bool {
	switch s.State {
	case session.StateREJ, session.StateRSTOS0, session.StateSH:
		return true
	case session.StateS0:
		return s.Proto == packet.ProtoTCP
	}
	return false
}

func hashAddr(a packet.Addr) uint32 {
	h := uint32(2166136261)
	for _, c := range a[8:] {
		h = (h ^ uint32(c)) * 16777619
	}
	return h ^ h>>15
}

func count(m *map[string]int, app string) {
	if *m == nil {
		*m = make(map[string]int, 2)
	}
	if _, ok := (*m)[app]; ok || len(*m) < maxApps {
		(*m)[app]++
	}
}

func (d *Device) learnMAC(mac packet.MAC, tunnel packet.Layer) {
	if d.MAC.IsZero() && tunnel == packet.LayerNone && mac[0]&1 == 0 {
		d.MAC = mac
	}
}

func (m *Summary) find(k FindingKey, s *session.Session, app string) *Finding {
	f := m.Findings[k]
	if f == nil {
		if len(m.Findings) >= maxFindings {
			m.Overflow++
			return nil
		}
		f = &Finding{FindingKey: k, App: app, First: s.First}
		m.Findings[k] = f
	}
	if n := len(f.UIDs); n == 0 || f.UIDs[n-1] != s.UID {
		f.Sessions++
		if n < maxUIDs {
			f.UIDs = append(f.UIDs, s.UID)
		}
	}
	f.First = min(f.First, s.First)
	return f
}

// name notes a domain that an address was resolved from.
func (m *Summary) name(a packet.Addr, name string) {
	names := m.Names[a]
	if len(names) == maxAliases || slices.Contains(names, name) {
		return
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return // a server asked for by its address
	}
	if names == nil && len(m.Names) >= maxNames {
		m.Overflow++
		return
	}
	m.Names[a] = append(names, strings.Clone(name))
}

// observe takes a fact.
func (m *Summary) observe(s *session.Session, o protocol.Observation, now int64) {
	switch o.Kind {
	case protocol.HostName:
		if d := m.device(o.Addr); d != nil {
			learn(&d.Names, o)
		}
	case protocol.DomainName:
		m.name(o.Addr, o.Value)
	case protocol.UserName:
		if d := m.device(o.Addr); d != nil {
			learn(&d.Users, o)
		}
	case protocol.Software:
		if d := m.device(o.Addr); d != nil {
			learn(&d.Software, o)
		}
	case protocol.HardwareMAC:
		if d := m.device(o.Addr); d != nil {
			if mac, ok := parseMAC(o.Value); ok {
				d.MAC = mac
			}
		}
	case protocol.Credential:
		m.find(FindingKey{Kind: FindCredential, Orig: s.Orig, Resp: s.Resp, Port: s.RespPort, Detail: strings.Clone(o.Value)}, s, o.Source)
	case protocol.LoginFailed:
		m.login(s, o, false, now)
	case protocol.LoginOK:
		m.login(s, o, true, now)
	case protocol.Certificate:
		m.find(FindingKey{Kind: FindCertificate, Resp: s.Resp, Port: s.RespPort, Detail: strings.Clone(o.Value)}, s, o.Source)
	case protocol.Tunnel:
		k := FindingKey{Kind: FindTunnel, Orig: s.Orig, Resp: s.Resp, Port: s.RespPort, Detail: strings.Clone(o.Value)}
		if o.Source == o.Value && IsCarrier(o.Value) && slices.Compare(k.Resp[:], k.Orig[:]) < 0 {
			k.Orig, k.Resp = k.Resp, k.Orig // both ends send: one tunnel
		}
		m.find(k, s, o.Source)
	}
}

func parseMAC(s string) (mac packet.MAC, ok bool) {
	if len(s) != 17 {
		return mac, false
	}
	for i := range mac {
		for _, c := range s[i*3 : i*3+2] {
			v := strings.IndexRune("0123456789abcdef", c|0x20)
			if v < 0 {
				return mac, false
			}
			mac[i] = mac[i]<<4 | byte(v)
		}
	}
	return mac, true
}

func learn(facts *[]Fact, o protocol.Observation) {
	for _, f := range *facts {
		if f.Value == o.Value {
			return
		}
	}
	if len(*facts) < maxFacts {
		*facts = append(*facts, Fact{strings.Clone(o.Value), o.Source})
	}
}

// anomaly counts an anomaly by its name.
func (m *Summary) anomaly(s *session.Session, a protocol.Anomaly) {
	m.find(FindingKey{Kind: FindAnomaly, Detail: a.Name}, s, a.Source)
}

// link takes an ARP message.
func (m *Summary) link(p *packet.Packet) {
	if p.NLayers == 0 || p.Layers[p.NLayers-1] != packet.LayerARP || p.Rare.ARP.SenderIP.IsZero() {
		return
	}
	if d := m.device(p.Rare.ARP.SenderIP); d != nil && p.Rare.ARP.SenderMAC[0]&1 == 0 {
		d.MAC = p.Rare.ARP.SenderMAC
	}
}

// merge adds what another Summary found.
func (m *Summary) merge(o *Summary) {
	m.Overflow += o.Overflow
	for _, in := range o.Inside {
		m.keep(in)
	}
	for app, v := range o.Apps {
		if m.Apps[app] == nil {
			m.Apps[app] = new(Volume)
		}
		m.Apps[app].add(v)
	}
	for i := range m.Paths {
		m.Paths[i].add(&o.Paths[i])
	}
	for a, names := range o.Names {
		for _, n := range names {
			m.name(a, n)
		}
	}
	for k, l := range o.logins {
		if m.logins[k] == nil {
			m.logins[k] = new(logins)
		}
		m.logins[k].add(l)
	}
	for a, d := range o.Devices {
		if m.Devices[a] == nil {
			m.Devices[a] = d
			continue
		}
		m.Devices[a].merge(d)
	}
	for k, f := range o.Findings {
		have := m.Findings[k]
		if have == nil {
			m.Findings[k] = f
			continue
		}
		have.Sessions += f.Sessions
		have.First = min(have.First, f.First)
		have.UIDs = append(have.UIDs, f.UIDs...)
		slices.SortFunc(have.UIDs, compareUID)
		have.UIDs = have.UIDs[:min(len(have.UIDs), maxUIDs)]
		if have.Extra == "" || f.Extra != "" && f.Extra < have.Extra {
			have.Extra = f.Extra
		}
	}
}

func compareUID(a, b session.UID) int {
	return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
}

func (d *Device) merge(o *Device) {
	if d.MAC.IsZero() || !o.MAC.IsZero() && slices.Compare(o.MAC[:], d.MAC[:]) < 0 {
		d.MAC = o.MAC
	}
	for _, p := range [...]struct{ to, from *[]Fact }{{&d.Names, &o.Names}, {&d.Users, &o.Users}, {&d.Software, &o.Software}} {
		for _, f := range *p.from {
			if !slices.ContainsFunc(*p.to, func(g Fact) bool { return g.Value == f.Value }) {
				*p.to = append(*p.to, f)
			}
		}
	}
	for _, p := range [...]struct {
		to   *map[string]int
		from map[string]int
	}{{&d.Client, o.Client}, {&d.Server, o.Server}} {
		for app, n := range p.from {
			if *p.to == nil {
				*p.to = make(map[string]int)
			}
			(*p.to)[app] += n
		}
	}
	d.Sent += o.Sent
	d.Received += o.Received
	d.Sessions += o.Sessions
	d.attempts += o.attempts
	for i := range d.targets {
		d.targets[i] |= o.targets[i]
		d.ports[i] |= o.ports[i]
	}
	if compareUID(o.example, d.example) > 0 {
		d.example = o.example
	}
}

// Thresholds of what is told as a scan, within the capture: failed attempts at
// so many distinct addresses or ports, as Zeek's scan policy; or many attempts
// at fewer of each.
const (
	scanTargets  = 20
	scanPorts    = 15
	scanAttempts = 30
	scanSpread   = 10 // addresses and ports together
)

// Conclude adds the findings that need the whole: scans, and logins. It is
// called once, after everything was merged.
func (m *Summary) Conclude() {
	m.scans()
	m.concludeLogins()
}

// scans adds a finding for every device that tried many addresses or ports in
// vain.
func (m *Summary) scans() {
	for _, d := range m.Devices {
		targets, ports := d.targets.count(), d.ports.count()
		if targets < scanTargets && ports < scanPorts && (d.attempts < scanAttempts || targets+ports < scanSpread) {
			continue
		}
		k := FindingKey{Kind: FindScan, Orig: d.Addr}
		m.Findings[k] = &Finding{FindingKey: k, Sessions: d.attempts, Targets: targets, Ports: ports, UIDs: []session.UID{d.example}}
	}
}

// sketch counts distinct values by their hashes: nearly exact up to a few dozen,
// an estimate beyond (linear counting), some 7,000 at most.
type sketch [16]uint64

const sketchBits = 16 * 64

func (k *sketch) add(value uint32) {
	// The finalizer of MurmurHash3: ports in a row must fall anywhere.
	h := (value ^ value>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	h ^= h >> 16
	k[h>>6&15] |= 1 << (h & 63)
}

func (k *sketch) count() int {
	ones := 0
	for _, w := range k {
		ones += bits.OnesCount64(w)
	}
	zeros := max(sketchBits-ones, 1)
	return int(math.Round(sketchBits * math.Log(sketchBits/float64(zeros))))
}

// SortedDevices returns the devices, home first, by the bytes they moved.
func (m *Summary) SortedDevices() []*Device {
	list := slices.Collect(maps.Values(m.Devices))
	slices.SortFunc(list, func(a, b *Device) int {
		if a.Local != b.Local {
			if a.Local {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.Sent+b.Received, a.Sent+a.Received), slices.Compare(a.Addr[:], b.Addr[:]))
	})
	return list
}

// SortedFindings returns the findings by kind, and by sessions within a kind.
func (m *Summary) SortedFindings() []*Finding {
	list := slices.Collect(maps.Values(m.Findings))
	slices.SortFunc(list, func(a, b *Finding) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(b.Sessions, a.Sessions), cmp.Compare(a.First, b.First),
			slices.Compare(a.Resp[:], b.Resp[:]), slices.Compare(a.Orig[:], b.Orig[:]), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Detail, b.Detail))
	})
	return list
}

// Prefixes parses home networks.
func Prefixes(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, err2 := netip.ParseAddr(s)
			if err2 != nil {
				return nil, err
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// Package beacon finds machines that come back to somebody outside in a rhythm,
// as an agent does that asks its controller for work.
//
// The rhythm alone tells that a machine keeps it, not what for: telemetry, update
// checks and monitors are as regular. So benign automation is a hypothesis of its
// own, and what speaks for an agent is who it talks to: nobody else's server, no
// name, a certificate nobody vouches for, and exchanges that brought work.
package beacon

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"tyto/behavior/beacon"
	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// Rules are the definitions of this package.
var Rules = []*detection.Definition{&rule}

var rule = detection.Definition{
	ID: "beacon", Title: "A machine reports to somebody outside in a rhythm", Severity: detection.High,
	Doc: "A device comes back to the same destination outside at gaps and with sizes that a small network takes for those of an implant rather than of a program of everyday use or a person, for as long as it does (not as long as the capture lasts). " +
		"What else tells an agent from telemetry is weighed apart: how many devices use the destination, whether the device asks other places in step, whether it has a name and an honest certificate, ports and protocols, and exchanges that brought much more than usual and made the device send more after.",
	Techniques: []string{"T1071.001", "T1573", "T1571", "T1029"},
	Twin:       "Telemetry, update checks, monitors and mail clients: many devices do it, to well-named servers, and are never given work.",
}

// Limits.
const (
	minEvents = 8
	maxSeries = 20_000
	// surely is the probability from which on what the model hears is enough where
	// there are too few contacts for a rhythm.
	surely = 0.8
	// commonUsers is how many devices use a destination that everybody uses: more
	// are not counted.
	commonUsers = 64
	// everyday is the share of programs among those who come back to a destination
	// that few others use and are no implants: the others are people.
	everyday = 0.4
)

type key struct {
	from  packet.Addr
	group string
}

// series is the contacts of a device with a destination.
type series struct {
	beacon.Series
	far    detection.Party
	inside bool
	uids   []session.UID
	app    string
	port   uint16
	flaw   string
	last   int64   // ns
	heard  float64 // highest probability of a label of beacons
	work   float64 // and of one that is given work
}

// Detector finds beacons.
type Detector struct {
	dropped uint64
	all     map[key]*series
	order   []key
	users   map[string]map[packet.Addr]bool // devices by destination
	devices map[packet.Addr]bool
	shapes  *beacon.Listener
}

// New returns a detector.
func New() detection.Detector {
	return &Detector{all: make(map[key]*series), users: make(map[string]map[packet.Addr]bool), devices: make(map[packet.Addr]bool), shapes: beacon.NewListener()}
}

// carriers are what agents are known to use; name lookups have a detector of
// their own, and clocks are set in a rhythm.
func carries(app string) bool {
	switch app {
	case "dns", "ntp", "mdns", "dhcp", "dhcpv6", "ssdp", "llmnr", "snmp", "igmp", "icmpv6", "netbios", "syslog", "nbdgm":
		return false
	}
	return true
}

// inside are what agents use towards a machine at home, which others do mostly by
// name.
var inside = map[string]bool{"http": true, "tls": true, "unknown": true, "quic": true, "websocket": true}

// Session implements detection.Detector.
func (d *Detector) Session(s *detection.Session, _ *detection.Ledger) {
	far := detection.Party{Addr: s.Resp, Domain: name(s.Domain)}
	if !s.Home[session.Orig] || s.Resp.IsMulticast() || !carries(s.App) || s.Inside() && (far.Domain != "" || !inside[s.App]) {
		return
	}
	if len(d.devices) < maxSeries {
		d.devices[s.Orig] = true
	}
	group := far.String()
	k := key{s.Orig, group}
	v := d.all[k]
	if v == nil {
		if len(d.all) >= maxSeries {
			d.forget()
		}
		v = &series{far: far, inside: s.Inside(), app: s.App, port: s.RespPort}
		d.all[k] = v
		d.order = append(d.order, k)
	}
	users := d.users[group]
	if users == nil {
		users = make(map[packet.Addr]bool)
		d.users[group] = users
	}
	if len(users) < commonUsers {
		users[s.Orig] = true
	}
	v.add(s)
}

// forget makes room: of the series, a quarter goes, those with the fewest contacts
// first, and of these the ones that are quiet for longest. What many devices use
// goes before all.
func (d *Detector) forget() {
	rank := func(k key) int {
		if len(d.users[k.group]) >= commonUsers {
			return 0
		}
		return d.all[k].Count
	}
	list := slices.Clone(d.order)
	slices.SortStableFunc(list, func(a, b key) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(d.all[a].last, d.all[b].last))
	})
	for _, k := range list[:len(list)/4] {
		delete(d.all, k)
		d.dropped++
	}
	d.order = slices.DeleteFunc(d.order, func(k key) bool { return d.all[k] == nil })
	if len(d.users) > 4*maxSeries {
		left := make(map[string]bool)
		for _, k := range d.order {
			left[k.group] = true
		}
		maps.DeleteFunc(d.users, func(group string, users map[packet.Addr]bool) bool { return !left[group] && len(users) < commonUsers })
	}
}

func (v *series) add(s *detection.Session) {
	v.work = max(v.work, s.Label("tasked-beacon"))
	v.heard = max(v.heard, s.Label("beacon"), v.work)
	if s.Sheet != nil && s.Sheet.Flaw != "" {
		v.flaw = s.Sheet.Flaw
	}
	if len(v.uids) < 16 {
		v.uids = append(v.uids, s.UID)
	}
	v.last = max(v.last, s.Last)
	if s.App == v.app && s.Lead != nil && len(s.Lead.Bursts[0]) >= minEvents && s.Lead.Keys[0]+s.Lead.Keys[1] == 0 {
		// One connection that is held: its exchanges are the contacts.
		for _, b := range s.Lead.Bursts[session.Orig] {
			v.Add(beacon.Event{At: b.From, Unsized: true})
		}
		return
	}
	v.Add(beacon.Event{At: s.First, Up: s.Bytes[0], Down: s.Bytes[1]})
}

// oddPort reports whether TLS is on a port where it seldom is.
func (v *series) oddPort() bool {
	return v.app == "tls" && !slices.Contains([]uint16{443, 8443, 993, 995, 853, 465, 636}, v.port)
}

// odd reports whether a server is worth telling without a rhythm: one under a name
// for changing addresses, with a certificate nobody vouches for or a port of
// its own.
func (v *series) odd() bool { return dynamic(v.far.Domain) && (v.flaw != "" || v.oddPort()) }

// providers give names to whoever asks, for addresses that change.
var providers = []string{"duckdns.org", "con-ip.com", "ddns.net", "no-ip.org", "no-ip.com", "no-ip.biz", "hopto.org", "zapto.org", "sytes.net", "myftp.org", "serveo.net",
	"dynu.net", "mooo.com", "dyndns.org", "ddnsfree.com", "kozow.com", "chickenkiller.com", "ngrok.io", "ngrok-free.app", "3utilities.com", "bounceme.net", "freedynamicdns.net"}

// dynamic reports whether a name is one of a provider of names for changing
// addresses.
func dynamic(domain string) bool {
	return slices.ContainsFunc(providers, func(p string) bool { return strings.HasSuffix(domain, "."+p) })
}

// name returns a domain, "" if it is an address.
func name(domain string) string {
	if strings.Trim(domain, "0123456789.:") == "" {
		return ""
	}
	return domain
}

// Finish implements detection.Detector: rhythms are judged when all is known.
func (d *Detector) Finish(l *detection.Ledger) {
	rhythms := make(map[key]*beacon.Rhythm)
	by := make(map[packet.Addr][]*beacon.Rhythm)
	for _, k := range d.order {
		v := d.all[k]
		r, ok := v.Measure()
		if ok && r.N >= minEvents {
			by[k.from] = append(by[k.from], &r)
		} else if v.heard <= surely && !v.odd() {
			continue
		}
		rhythms[k] = &r
	}
	for _, k := range d.order {
		if r := rhythms[k]; r != nil {
			d.judge(k, d.all[k], r, inStep(r, by[k.from]), l)
		}
	}
}

// inStep counts the rhythms of a device that go on at the same time as one of them
// and at its pace, itself included.
func inStep(r *beacon.Rhythm, list []*beacon.Rhythm) (n int) {
	for _, o := range list {
		if together := min(r.Last, o.Last) - max(r.First, o.First); r.N >= minEvents && 2*together >= max(r.Last-r.First, o.Last-o.First) && math.Abs(o.Period-r.Period) <= 0.1*r.Period {
			n++
		}
	}
	return n
}

// watched is how many places are asked in step by what watches them, at least.
const watched = 3

// mostRhythm is what a rhythm weighs at most: ten contacts may be anybody's.
func mostRhythm(contacts int) float64 { return min(2+0.1*float64(contacts), 6) }

func (d *Detector) judge(k key, v *series, r *beacon.Rhythm, inStep int, l *detection.Ledger) {
	machine, like := r.Automation(), beacon.Shape{}
	if r.N < minEvents {
		machine = 0
	} else if !r.Unsized { // the network learned of sessions, not of one that is held
		like = d.shapes.Tell(&v.Series, r)
	}
	if machine < 0.8 && like.CheckIn < 0.5 && v.heard <= surely && !v.odd() {
		return
	}
	var list []detection.Evidence
	add := func(kind string, llr float64, format string, args ...any) {
		list = append(list, detection.Evidence{Kind: kind, LLR: llr, Claim: fmt.Sprintf(format, args...), T0: r.First, T1: r.Last, UID: v.uids[0]})
	}
	if v.heard > 0.5 {
		add("model", min(math.Log(v.heard/(1-v.heard+1e-6)), 3), "the model hears an agent that checks in (p = %.3f)", v.heard)
	}
	if v.work > 0.5 {
		add("model work", min(math.Log(v.work/(1-v.work+1e-6)), 2), "the model hears that it is given work (p = %.3f)", v.work)
	}
	switch {
	case r.N < minEvents:
	case r.Unsized:
		add("rhythm", min(machine, 3), "%d exchanges in one connection in %.0f s, every %.1f s (give or take %.0f %%)", r.N, r.Dwell(), r.Period, 100*r.Spread)
		add("automation", -1.5, "most machines that keep a rhythm report, update or watch")
	default:
		ratio := math.Log((like.CheckIn + 1e-4) / (everyday*like.Automation + (1-everyday)*like.Person + 1e-4))
		add("rhythm", min(max(ratio, -2.5), mostRhythm(r.N)), "%d contacts in %.0f s, every %.1f s (give or take %.0f %%), %.0f %% alike in size: by gaps and sizes an implant made them with p = %.2f, a program of everyday use with p = %.2f, a person with p = %.2f",
			r.N, r.Dwell(), r.Period, 100*r.Spread, 100*(1-math.Min(r.UpSpread, 1)), like.CheckIn, like.Automation, like.Person)
	}
	if inStep >= watched {
		add("in step", -2.5, "it asks %d places at this pace at the same time, as what watches them does", inStep)
	}
	if dynamic(v.far.Domain) {
		add("dynamic", 2, "its name is one that anybody gets for a changing address")
	}
	if v.inside {
		add("inside", -0.7, "it is a machine inside")
	}
	users, devices := len(d.users[k.group]), len(d.devices)
	switch {
	case users == 1 && devices >= 4:
		add("alone", min(0.4*math.Log(float64(devices)), 1.5), "no other of %d devices talks to it", devices)
	case users >= 3:
		llr := -1.2 * math.Log(float64(users)/2)
		if users >= 4 && 4*users >= 3*devices {
			llr -= 3.4 // one in thirty: what nearly every device does is the network's own habit, however few there are
		}
		add("shared", llr, "%d of %d devices talk to it", users, devices)
	}
	if v.far.Domain == "" {
		add("nameless", 1, "it is reached by address, not by name")
	}
	if v.flaw != "" {
		add("certificate", 1, "its certificate is %s", v.flaw)
	}
	if v.app == "unknown" {
		add("carrier", 1, "no known protocol")
	} else if v.oddPort() {
		add("carrier", 0.7, "TLS on port %d", v.port)
	}
	if r.Tasked > 0 && r.Tasked*4 < r.N {
		add("tasked", min(0.8+0.3*float64(r.Worked), 2), "%d of %d contacts brought much more than the others, as work does", r.Tasked, r.N)
	}
	sum := 0.0
	for _, e := range list {
		sum += e.LLR
	}
	if sum < 1 {
		return
	}
	f := l.Finding(&rule, k.from.String()+">"+k.group)
	f.Host(k.from)
	f.Outside, f.Controls = v.far, true
	f.Title = fmt.Sprintf("%v reports to %v", k.from, v.far)
	if r.N >= minEvents {
		f.Title += fmt.Sprintf(" every %.0f s", r.Period)
	}
	for _, uid := range v.uids {
		f.Session(uid)
	}
	for _, e := range list {
		f.Add(e)
	}
}

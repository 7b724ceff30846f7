package enterprise

import (
	"fmt"
	"math"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// Style is how somebody moves.
type Style uint8

// Styles (SCIENCE.md K).
const (
	Noisy   Style = iota // scans first, copies tools, takes whatever is there
	Careful              // no scans, names that look right
	Living               // only where administrators go anyway, with their accounts
	Slow                 // a day and more between hops
	styles
)

var styleNames = [styles]string{"noisy", "careful", "living off admin edges", "slow"}

// String returns the style in words.
func (s Style) String() string { return styleNames[s] }

// habits of a style.
type habit struct {
	gap   [2]int64 // between hops
	scan  bool
	tool  float64 // chance that a tool is copied
	usual float64 // chance that a hop goes where an administrator of the machine goes
	late  float64 // chance that a hop is made by something that waits, so that it follows nothing
	vias  []string
	check [2]int64 // period of check-ins
}

var styleHabits = [styles]habit{
	Noisy:   {gap: [2]int64{minute, 20 * minute}, scan: true, tool: 0.7, usual: 0.35, late: 0.05, vias: []string{"service", "service", "task", "wmi", "ssh"}, check: [2]int64{10 * second, 5 * minute}},
	Careful: {gap: [2]int64{20 * minute, 4 * hour}, tool: 0.2, usual: 0.45, late: 0.2, vias: []string{"wmi", "winrm", "task", "service"}, check: [2]int64{5 * minute, hour}},
	Living:  {gap: [2]int64{20 * minute, 6 * hour}, tool: 0, usual: 1, late: 0.2, vias: []string{"rdp", "winrm", "winrm", "service"}, check: [2]int64{10 * minute, 2 * hour}},
	Slow:    {gap: [2]int64{14 * hour, 32 * hour}, tool: 0.2, usual: 0.45, late: 0.4, vias: []string{"wmi", "winrm", "task", "service"}, check: [2]int64{hour, 6 * hour}},
}

// goal is what a campaign ends at, and what is done there.
type goal struct {
	name  string
	role  Role
	finds string // fetch, dump, wreck, stay
}

// goals are twelve.
var goals = []goal{
	{"documents", FileServer, "fetch"}, {"customers", Database, "fetch"}, {"source code", GitServer, "fetch"}, {"mail", MailServer, "fetch"},
	{"the domain", Controller, "dump"}, {"backups", Backup, "wreck"}, {"build chain", CI, "stay"}, {"web pages", WebServer, "stay"},
	{"deployment", Patch, "wreck"}, {"payroll", AppServer, "fetch"}, {"an administrator", AdminStation, "fetch"}, {"the jump host", Jump, "stay"},
}

// schedule spreads campaigns and twins over the days after the first third.
func (s *simulation) schedule() {
	s.starts = make(map[int][]func())
	quiet := max(2, (s.days+2)/3)
	open := max(s.days-quiet, 1)
	for i := range s.Campaigns {
		style := Style(i % int(styles))
		last := open
		if style == Slow {
			last = max(1, open-4)
		}
		d := quiet + s.rand.IntN(last)
		g := goals[i/int(styles)%len(goals)]
		s.starts[d] = append(s.starts[d], func() { s.intrude(i+1, style, g, d) })
	}
	for i := range s.Twins {
		d := quiet + s.rand.IntN(open)
		s.starts[d] = append(s.starts[d], func() { s.twin(i+1, i%len(twins), d) })
	}
}

// intrusion is a campaign that is being planned.
type intrusion struct {
	*simulation
	*Campaign
	habit
	tag     Tag
	entry   *host
	victim  *admin // whose account is stolen
	far     site
	control string // scenario of sessions that are held
	at      int64
	path    []*host
	relay   map[*host]*draft // session in which the machine is led at the moment
}

// intrude plans a campaign that begins on a day.
func (s *simulation) intrude(id int, style Style, g goal, d int) {
	c := &Campaign{ID: id, Style: style, Goal: g.name, Hops: 3 + s.rand.IntN(4), Beacon: s.chance(0.4)}
	p := &intrusion{simulation: s, Campaign: c, habit: styleHabits[style], tag: Tag{Campaign: id}, relay: make(map[*host]*draft)}
	p.entry = pick(s, s.byRole[Workstation])
	if style == Living {
		p.victim = pick(s, s.admins)
		if s.chance(0.5) {
			p.entry = p.victim.station
		}
	} else {
		p.victim = pick(s, s.admins)
	}
	p.at = Start + int64(d)*day + int64(p.entry.start*float64(hour)) + s.rand.Int64N(5*hour)
	p.far = site{addr: packet.Addr4([]byte{203, byte(s.Seed % 200), byte(id / 250), byte(id%250 + 2)}), port: 443}
	if style != Noisy || s.chance(0.5) {
		p.far.domain = fmt.Sprintf("cdn-%x.example.net", s.rand.Uint32())
	} else if s.chance(0.5) {
		p.far.port = pick(s, []uint16{8443, 4444, 9001})
	}
	p.control = pick(s, []string{"revshell-tls", "revshell-tls", "revshell-websocket", "revshell-plain", "ssh-reverse-login"})
	c.Controller, c.From = detection.Party{Addr: p.far.addr, Domain: p.far.domain}, p.at
	p.path = []*host{p.entry}
	if c.Beacon {
		defer p.checkins()
	} else {
		p.lead(p.entry)
	}
	if p.scan {
		p.look()
	}
	end := Start + int64(s.days)*day
	for i := range c.Hops {
		if p.hop(i+1, g) >= end {
			c.Hops = i // what comes later nobody sees
			break
		}
	}
	if p.at < end {
		p.finish(g)
	}
	c.To = p.at
	s.truth.Campaigns = append(s.truth.Campaigns, c)
}

// lead opens a session in which the controller leads a machine: from outside, or
// through the machine from which it was taken.
func (p *intrusion) lead(h *host) *draft {
	s := p.simulation
	t := talk{from: h, site: &p.far, at: p.at, kinds: []string{p.control}, stretch: 1 + 3*s.rand.Float64(), tag: p.tag}
	if p.control == "ssh-reverse-login" {
		t.port = 22
	}
	if p.Beacon { // a check-in that brings work
		t.kinds, t.stretch = []string{"c2-https", "c2-office-hours", "c2-quic"}, 1
	}
	d := s.say(t)
	p.relay[h] = d
	return d
}

// hop goes from a machine that is held to the next, and returns when.
func (p *intrusion) hop(n int, g goal) int64 {
	s := p.simulation
	from := p.path[len(p.path)-1]
	if len(p.path) > 1 && s.chance(0.25) {
		from = p.path[s.rand.IntN(len(p.path)-1)]
	}
	to := p.next(from, n, g)
	if n > 1 {
		p.at += s.between(p.gap[0], p.gap[1])
	}
	cause := p.present(from)
	if p.scan && s.chance(0.5) {
		for range 12 + s.rand.IntN(20) {
			s.probe(from, s.hosts[s.rand.IntN(len(s.hosts))], p.at+s.rand.Int64N(20*second), []uint16{pick(s, []uint16{22, 445})}, p.tag)
		}
	}
	at := s.led(cause.draft, cause.side, max(p.at, cause.draft.First))
	if s.chance(p.late) {
		at += s.between(minute, 40*minute)
	}
	d := s.execute(from, to, at, p.way(to, n), Tag{Campaign: p.ID, Hop: n})
	p.at = max(p.at, at) + 5*second
	p.path = append(p.path, to)
	delete(p.relay, to)
	if d.App == "ssh" && d.Lead != nil {
		p.relay[to] = d
	}
	return d.First
}

// presence is a session in which a machine is led, and by which side.
type presence struct {
	draft *draft
	side  session.Direction
}

// present makes sure that somebody leads a machine at p.at: in the session that is
// open, in a new one to the outside, or in one through the machine before.
func (p *intrusion) present(h *host) presence {
	s := p.simulation
	if d := p.relay[h]; d != nil && d.Last > p.at+20*second {
		side := session.Resp
		if d.to == h {
			side = session.Orig
		}
		if s.draw.after(s.rand, &d.Session, side, p.at) != 0 {
			return presence{d, side}
		}
	}
	if h == p.entry || s.chance(0.5) {
		return presence{p.lead(h), session.Resp}
	}
	// An agent on the machine that is led through the entry.
	up := p.present(p.entry)
	at := s.led(up.draft, up.side, max(p.at, up.draft.First))
	p.at = at
	d := s.say(talk{from: h, to: p.entry, at: at, kinds: []string{"c2-pivot-tcp", "c2-pivot-smb", "revshell-plain"}, app: "unknown", port: 4445, tag: p.tag})
	p.relay[h] = d
	return presence{d, session.Resp}
}

// next is where a hop goes.
func (p *intrusion) next(from *host, n int, g goal) *host {
	s := p.simulation
	for range 50 {
		var to *host
		switch {
		case p.Style == Living && n == 1 && from.role == Workstation:
			to = p.victim.station
		case p.Style == Living && from == p.victim.station && s.chance(0.6):
			to = p.victim.jump
		case s.chance(p.usual):
			to = pick(s, p.victim.usual)
		case n == p.Hops:
			to = pick(s, s.byRole[g.role])
		case s.chance(0.5):
			to = pick(s, s.byRole[Workstation])
		default:
			to = s.hosts[s.rand.IntN(len(s.hosts))]
		}
		if to.role < Printer && to != from && !contains(p.path, to) {
			return to
		}
	}
	for {
		if to := s.hosts[s.rand.IntN(len(s.hosts))]; to.role < Printer && to != from {
			return to
		}
	}
}

func contains(list []*host, h *host) bool {
	for _, v := range list {
		if v == h {
			return true
		}
	}
	return false
}

// way is how a hop is made.
func (p *intrusion) way(to *host, n int) way {
	s := p.simulation
	w := way{via: pick(s, p.vias), account: p.victim.account, name: pick(s, []string{"SysHealth", "NetSync", "UpdateAgent", "DiagTrack"}), command: `C:\Windows\Temp\svc.exe`}
	if n == 1 && p.Style != Living {
		w.account = p.entry.user
	}
	if to.linux {
		w.via = pick(s, []string{"shell", "ssh"})
	} else if w.via == "ssh" {
		w.via = "service"
	}
	if p.Style == Noisy {
		w.name, w.command = s.word(8), `%COMSPEC% /Q /c echo whoami ^> \\127.0.0.1\C$\__output`
		w.agent = "Ruby WinRM Client"
	} else if p.Style != Living && s.chance(0.2) {
		w.name = s.word(8)
	}
	if s.chance(p.tool) {
		w.tool = pick(s, []string{"update.exe", s.word(8) + ".exe", "agent64.exe"})
	}
	return w
}

// word makes a name that means nothing.
func (s *simulation) word(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "bcdfghjklmnpqrstvwxzBCDFGHJKLMNPQRSTVWXZaeio"[s.rand.IntN(44)]
	}
	return string(b)
}

// look sweeps a port before the first hop.
func (p *intrusion) look() {
	s := p.simulation
	at := s.led(p.present(p.entry).draft, session.Resp, p.at)
	for range 15 + s.rand.IntN(60) {
		s.probe(p.entry, s.hosts[s.rand.IntN(len(s.hosts))], at+s.rand.Int64N(minute), []uint16{445}, p.tag)
	}
	p.at = at + minute
}

// finish does what the campaign is for.
func (p *intrusion) finish(g goal) {
	s := p.simulation
	last := p.path[len(p.path)-1]
	cause := p.present(last)
	at := s.led(cause.draft, cause.side, max(p.at, cause.draft.First))
	switch g.finds {
	case "fetch":
		size := uint64(s.between(2e6, 400e6))
		s.say(talk{from: p.entry, to: last, at: at, app: "smb", port: 445, bytes: [2]uint64{60_000, size}, lasts: 2 * minute, tag: p.tag,
			sheet: &detection.Sheet{Shares: []detection.Share{{At: at, Path: `\\` + last.name + `\data`}}}})
		s.say(talk{from: p.entry, site: &p.far, at: at + 5*minute, app: "tls", bytes: [2]uint64{size / uint64(1+s.rand.IntN(3)), 30_000}, lasts: 4 * minute, tag: p.tag})
	case "dump":
		dc := pick(s, s.byRole[Controller])
		if dc != last {
			s.say(talk{from: last, to: dc, at: at, app: "dcerpc", port: 49155, tag: p.tag, sheet: &detection.Sheet{Calls: []detection.Call{{At: at, Interface: "drsuapi", Operation: "DRSGetNCChanges", Count: 1}}}})
		}
	case "wreck":
		for i := range 20 {
			if to := pick(s, s.byRole[Workstation]); !to.linux && to != last {
				s.execute(last, to, at+int64(i)*5*second, way{via: "service", account: p.victim.account, name: "Maint", command: `C:\Windows\Temp\m.exe`}, p.tag)
			}
		}
	}
	p.at = at + 5*minute
}

// checkins are the beacon of the entry, for as long as the campaign lasts; few days
// at most.
func (p *intrusion) checkins() {
	s := p.simulation
	period := float64(s.between(p.check[0], p.check[1]))
	jitter := 0.5 * s.rand.Float64()
	kind := pick(s, []string{"c2-https", "c2-https", "c2-office-hours"})
	to := min(p.at+4*hour, p.From+4*day)
	for at, n := p.From, 0; at < to && n < 2000; n++ {
		s.say(talk{from: p.entry, site: &p.far, at: at, kinds: []string{kind}, tag: p.tag})
		at += int64(math.Max(1e9, period*(1+jitter*(2*s.rand.Float64()-1))))
	}
}

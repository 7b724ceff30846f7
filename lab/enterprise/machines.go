package enterprise

import (
	"fmt"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// talk is how a session between two machines begins to be made.
type talk struct {
	from, to *host
	site     *site // where it goes if to is nil
	at       int64
	app      string // and port, for what no exemplar is drawn
	port     uint16
	bytes    [2]uint64
	lasts    int64
	kinds    []string // scenarios that its content is drawn from
	stretch  float64
	sheet    *detection.Sheet
	state    string
	tag      Tag
}

// say makes a session; it is planned, and begins when its time comes.
func (s *simulation) say(t talk) *draft {
	d := &draft{from: t.from, to: t.to, tag: t.tag}
	d.First, d.App, d.State, d.Sheet, d.Proto = t.at, t.app, t.state, t.sheet, packet.ProtoTCP
	d.OrigPort, d.RespPort = uint16(32768+s.rand.IntN(28000)), t.port
	if d.State == "" {
		d.State = "SF"
	}
	d.Bytes, d.Last = t.bytes, t.at+max(t.lasts, 20e6)
	if t.site != nil {
		d.Resp, d.Domain = t.site.addr, t.site.domain
		if d.Domain != "" {
			d.Source = "sni"
		}
		if d.RespPort == 0 {
			d.RespPort = t.site.port
		}
	}
	if t.bytes == [2]uint64{} && d.State == "SF" && t.lasts == 0 {
		d.Bytes = [2]uint64{uint64(400 + s.rand.IntN(2000)), uint64(800 + s.rand.IntN(8000))}
	}
	for i, n := range d.Bytes {
		d.Packets[i] = 3 + n/900
	}
	if len(t.kinds) > 0 {
		if e := s.draw.of(s.rand, t.to != nil, t.kinds...); e != nil {
			if t.stretch == 0 {
				t.stretch = 1
			}
			e.fill(s.rand, &d.Session, t.stretch)
			if t.app != "" {
				d.App = t.app
			}
		}
	}
	switch d.State {
	case "S0", "REJ":
		d.Bytes, d.Packets, d.Last = [2]uint64{}, [2]uint64{1, 0}, d.First+1e9
		if d.State == "REJ" {
			d.Packets[1], d.Last = 1, d.First+1e6
		}
	}
	if t.from != t.to { // nobody talks to himself over the wire
		s.planned.push(d)
	}
	return d
}

// work makes what people and machines do in an hour by themselves.
func (s *simulation) work(from int64, d, h int) {
	for _, m := range s.hosts {
		switch m.role {
		case Workstation, AdminStation:
			s.person(m, from, d, h)
		case Plant:
			if s.chance(0.2) {
				s.say(talk{from: s.byRole[Monitor][0], to: m, at: s.in(from), app: "modbus", port: 502})
			}
		case Phone:
			if s.chance(0.05) && h >= 8 && h < 18 {
				s.say(talk{from: m, to: pick(s, s.byRole[Phone]), at: s.in(from), app: "sip", port: 5060})
			}
		default:
			s.server(m, from, d, h)
		}
		s.reports(m, from, h)
	}
	for _, a := range s.admins {
		at := float64(h) - a.station.start
		if a.station.works && at >= 0 && at < a.station.length && s.chance(0.35*s.Activity) {
			s.shift(a, s.in(from), Tag{}, 1+s.rand.IntN(4))
		}
		if a.station.works && at >= 0 && at < a.station.length && s.chance(0.15*s.Activity) {
			s.help(a, s.in(from))
		}
	}
}

// in returns a time within the hour.
func (s *simulation) in(from int64) int64 { return from + s.rand.Int64N(hour) }

// reports makes what agents send in a rhythm.
func (s *simulation) reports(m *host, from int64, h int) {
	if !m.on && (!m.works || float64(h) < m.start || float64(h) > m.start+m.length) {
		for i := range m.agents {
			m.agents[i].next = max(m.agents[i].next, from+hour)
		}
		return
	}
	for i := range m.agents {
		a := &m.agents[i]
		for a.next < from+hour {
			if a.next >= from {
				s.say(talk{from: m, site: &s.sites[a.site], at: a.next, kinds: []string{a.kind}})
			}
			step := float64(a.period) * (1 + a.jitter*(2*s.rand.Float64()-1))
			a.next = max(a.next, from) + int64(step)
		}
	}
}

// person makes an hour of somebody's work.
func (s *simulation) person(m *host, from int64, d, h int) {
	into := float64(h) + 0.5 - m.start
	if !m.works || into < -0.5 || into > m.length {
		return
	}
	often := func(perHour float64) int { return s.poisson(perHour * m.busy * s.Activity) }
	if into < 0.5 {
		s.logon(m, s.in(from))
	}
	for range often(0.5) {
		s.mount(m, pick(s, m.shares), s.in(from), "data", Tag{})
	}
	for range often(0.4) {
		s.say(talk{from: m, to: s.byRole[MailServer][m.id%len(s.byRole[MailServer])], at: s.in(from), kinds: []string{"imap-idle", "https-autosave"}, port: 443})
	}
	for range often(0.7) {
		s.say(talk{from: m, to: pick(s, m.apps), at: s.in(from), kinds: []string{"https-browse", "https-api-poll", "web-terminal"}[:2], port: 443})
	}
	for range often(1.5) {
		i := pick(s, m.sites)
		if s.chance(0.3) {
			i = s.site(d)
		}
		s.say(talk{from: m, site: &s.sites[i], at: s.in(from), kinds: []string{"https-browse", "browser", "https-video", "https-download", "https-longpoll", "https-browse"}})
	}
	for range often(0.06) {
		s.say(talk{from: m, site: &s.sites[common+s.rand.IntN(stores)], at: s.in(from), kinds: []string{"backup-upload", "https-upload", "webdav-files", "exfil-cloud"}[:3]})
	}
	for range often(0.06) {
		s.say(talk{from: m, site: &s.sites[s.rand.IntN(common)], at: s.in(from), kinds: []string{"websocket-chat", "presence-heartbeat"}, stretch: 4})
	}
	for range often(0.05) {
		s.say(talk{from: m, to: pick(s, s.byRole[PrintServer]), at: s.in(from), kinds: []string{"smb-print"}, port: 445,
			sheet: &detection.Sheet{Shares: []detection.Share{{At: from, Path: `\\prt\print$`}}}})
	}
	if m.dev != nil {
		for range often(0.3) {
			s.say(talk{from: m, to: pick(s, s.byRole[GitServer]), at: s.in(from), kinds: []string{"git-ssh"}, port: 22, sheet: &detection.Sheet{Authentic: true}})
		}
		for range often(0.12) {
			s.say(talk{from: m, to: m.dev, at: s.in(from), kinds: []string{"ssh-shell", "ssh-keys", "ssh-editor"}, port: 22, stretch: 2, sheet: &detection.Sheet{Authentic: true}})
		}
	}
	for range often(0.02) {
		if p := pick(s, m.peers); p != nil && p != m {
			s.mount(m, p, s.in(from), "share", Tag{})
		}
	}
	for range often(s.Fresh) {
		s.fresh(m, s.in(from))
	}
}

// logon is what a machine does when its user comes.
func (s *simulation) logon(m *host, at int64) {
	dc := pick(s, s.byRole[Controller])
	tickets := []detection.Ticket{{At: at, Kind: "AS", Client: m.user, Service: "krbtgt/CORP", OK: true, Cipher: "aes256-cts-hmac-sha1-96", Preauth: "timestamp", Etypes: []string{"aes256-cts-hmac-sha1-96"}},
		{At: at + 1, Kind: "TGS", Service: "cifs/" + dc.name, OK: true, Cipher: "aes256-cts-hmac-sha1-96"}}
	s.say(talk{from: m, to: dc, at: at, app: "kerberos", port: 88, sheet: &detection.Sheet{Tickets: tickets}})
	s.say(talk{from: m, to: dc, at: at + second, kinds: []string{"ldap-lookups"}, app: "ldap", port: 389})
	s.mount(m, dc, at+2*second, "SYSVOL", Tag{})
}

// mount uses a share.
func (s *simulation) mount(m, to *host, at int64, share string, tag Tag) {
	sheet := &detection.Sheet{Shares: []detection.Share{{At: at, Path: `\\` + to.name + `\` + share, User: m.user}}}
	if s.chance(0.5) { // else the ticket says nothing of who it is
		sheet.Logins = []detection.Login{{At: at, How: "smb", Account: m.user, OK: true}}
	}
	s.say(talk{from: m, to: to, at: at, kinds: []string{"ad-logon", "smb-files"}, app: "smb", port: 445, sheet: sheet, tag: tag})
}

// fresh reaches a machine that its user has no habit of; he may come back.
func (s *simulation) fresh(m *host, at int64) {
	switch s.rand.IntN(10) {
	case 0, 1, 2:
		to := pick(s, s.byRole[FileServer])
		s.mount(m, to, at, "projects", Tag{})
		if s.chance(0.4) {
			m.shares = append(m.shares, to)
		}
	case 3, 4, 5, 6:
		to := pick(s, s.byRole[[]Role{WebServer, AppServer}[s.rand.IntN(2)]])
		s.say(talk{from: m, to: to, at: at, kinds: []string{"https-browse"}, port: 443})
		if s.chance(0.4) {
			m.apps = append(m.apps, to)
		}
	case 7, 8:
		if to := pick(s, s.byRole[Workstation]); to != m {
			s.mount(m, to, at, "share", Tag{})
		}
	default:
		if m.linux || m.dev != nil {
			s.say(talk{from: m, to: pick(s, s.byRole[AppServer]), at: at, kinds: []string{"ssh-shell", "scp-download", "ssh-exec"}, port: 22, sheet: &detection.Sheet{Authentic: true}})
			return
		}
		s.say(talk{from: m, to: pick(s, s.byRole[AppServer]), at: at, kinds: []string{"rdp-session"}, port: 3389, stretch: 3})
	}
}

// server makes an hour of a server.
func (s *simulation) server(m *host, from int64, d, h int) {
	switch m.role {
	case WebServer, AppServer:
		for range s.poisson(0.5 * s.Activity) {
			s.say(talk{from: m, to: pick(s, m.apps), at: s.in(from), app: "postgresql", port: 5432})
		}
	case Controller:
		if to := pick(s, s.byRole[Controller]); to != m {
			at := s.in(from)
			s.say(talk{from: m, to: to, at: at, app: "kerberos", port: 88})
			s.say(talk{from: m, to: to, at: at + second, app: "dcerpc", port: 49155, sheet: &detection.Sheet{Calls: []detection.Call{{At: at, Interface: "drsuapi", Operation: "DRSGetNCChanges", Count: 1}}}})
		}
	case Monitor:
		for i, to := range s.hosts {
			if to.role != Workstation && to.role < Printer && to != m && i%4 == h%4 {
				if s.chance(0.1) && !to.linux {
					s.say(talk{from: m, to: to, at: s.in(from), kinds: []string{"wmi-exec"}, app: "dcerpc", port: 135, sheet: call(s.in(from), "IWbemServices", "ExecQuery", "svc-mon", nil)})
					continue
				}
				s.say(talk{from: m, to: to, at: s.in(from), app: "http", port: 9100})
			}
		}
	case CI:
		for range s.poisson(1.5 * s.Activity) {
			s.say(talk{from: m, to: pick(s, s.byRole[WebServer]), at: s.in(from), kinds: []string{"ssh-exec", "rsync-ssh"}, port: 22, sheet: &detection.Sheet{Authentic: true}})
		}
	case Backup:
		if h == 1 {
			s.night(m, from)
		}
	case Patch:
		if h >= 20 || h < 4 {
			s.patch(m, from, d, h)
		}
	case Scanner:
		if h >= 22 || h < 5 {
			s.inventory(m, from, d, h)
		}
	}
}

// call is a remote procedure call by an account.
func call(at int64, iface, operation, account string, args []string) *detection.Sheet {
	return &detection.Sheet{Calls: []detection.Call{{At: at, Interface: iface, Operation: operation, Args: args, Count: 1}},
		Logins: []detection.Login{{At: at, How: "dcerpc", Account: account, OK: account != ""}}}
}

// night is the backup's round: what it holds of each server is fetched.
func (s *simulation) night(m *host, from int64) {
	for i, to := range s.hosts {
		if to.role < Controller || to.role >= Printer || to == m || i%len(s.byRole[Backup]) != m.id%len(s.byRole[Backup]) {
			continue
		}
		at := from + s.rand.Int64N(3*hour)
		if to.linux {
			s.say(talk{from: m, to: to, at: at, kinds: []string{"rsync-ssh"}, port: 22, sheet: &detection.Sheet{Authentic: true}})
			continue
		}
		s.say(talk{from: m, to: to, at: at, app: "smb", port: 445, bytes: [2]uint64{90_000, uint64(s.between(1e6, 1e9))}, lasts: 10 * minute,
			sheet: &detection.Sheet{Shares: []detection.Share{{At: at, Path: `\\` + to.name + `\C$`, User: "svc-backup"}}, Logins: []detection.Login{{At: at, How: "smb", Account: "svc-backup", OK: true}}}})
	}
}

// patch brings updates to one machine in seven each day: a service is made and
// started there.
func (s *simulation) patch(m *host, from int64, d, h int) {
	for i, to := range s.hosts {
		if to.linux || to.role >= Printer || to == m || !to.on || i%7 != d%7 || i/7%8 != h%8 || i%len(s.byRole[Patch]) != m.id%len(s.byRole[Patch]) {
			continue
		}
		s.execute(m, to, s.in(from), way{via: "service", account: "svc-deploy", name: fmt.Sprintf("UpdateAgent%d", d/7)}, Tag{})
	}
}

// inventory looks at one machine in seven each week's night.
func (s *simulation) inventory(m *host, from int64, d, h int) {
	for i, to := range s.hosts {
		if i%7 == d%7 && i/7%7 == h%7 && i%len(s.byRole[Scanner]) == m.id%len(s.byRole[Scanner]) {
			s.probe(m, to, s.in(from), []uint16{22, 80, 135, 443, 445, 3389, 8080}, Tag{})
		}
	}
}

// open reports whether a role serves a port.
func (h *host) open(port uint16) bool {
	switch port {
	case 22:
		return h.linux
	case 135, 445:
		return !h.linux && h.role < Printer
	case 3389:
		return !h.linux && h.role != Workstation && h.role < Printer
	case 80, 443:
		return h.role == WebServer || h.role == AppServer || h.role == MailServer || h.role == Printer
	}
	return false
}

// probe tries ports of a machine.
func (s *simulation) probe(m, to *host, at int64, ports []uint16, tag Tag) {
	for i, port := range ports {
		state := "REJ"
		if to.open(port) {
			state = "SF"
		} else if s.chance(0.3) {
			state = "S0"
		}
		d := s.say(talk{from: m, to: to, at: at + int64(i)*200e6, app: "unknown", port: port, state: state, tag: tag})
		if state == "SF" {
			d.Bytes, d.Packets = [2]uint64{}, [2]uint64{3, 2}
		}
	}
}

// led returns when something begins that the leader of d causes, not before a
// time: after one of his bursts; or, if d is too short to have any (a check-in that
// brings work), after its end.
func (s *simulation) led(d *draft, side session.Direction, from int64) int64 {
	if at := s.draw.after(s.rand, &d.Session, side, from); at != 0 {
		return at
	}
	at := max(from, d.Last) + s.between(200e6, 10*second)
	if n := len(s.draw.delays); n > 0 {
		at += s.draw.delays[s.rand.IntN(n)]
	}
	return at
}

package enterprise

import (
	"fmt"

	"tyto/detection"
	"tyto/session"
)

// twins are kinds of work that look like intrusions.
var twins = []struct {
	kind string
	plan func(*simulation, *Twin, Tag)
}{
	{"an administrator's chain over many machines", (*simulation).chain},
	{"incident response", (*simulation).respond},
	{"deployment to many machines", (*simulation).deploy},
	{"red team's scanner", (*simulation).assess},
	{"support from far away", (*simulation).assist},
}

func (s *simulation) twin(id, kind, d int) {
	t := &Twin{ID: id, Kind: twins[kind].kind, From: Start + int64(d)*day + 8*hour + s.rand.Int64N(8*hour)}
	t.To = t.From
	twins[kind].plan(s, t, Tag{Twin: id})
	s.truth.Twins = append(s.truth.Twins, t)
}

// chain is an administrator who goes on from server to server.
func (s *simulation) chain(t *Twin, tag Tag) {
	s.shift(pick(s, s.admins), t.From, tag, 4+s.rand.IntN(4))
	t.To = t.From + 2*hour
}

// respond is a responder who collects traces from machines he never was on: with
// a tool that he copies there.
func (s *simulation) respond(t *Twin, tag Tag) {
	a := pick(s, s.admins)
	at := t.From
	for range 15 + s.rand.IntN(25) {
		to := pick(s, s.byRole[Workstation])
		if to.linux || to == a.station {
			continue
		}
		s.execute(a.station, to, at, way{via: pick(s, []string{"winrm", "service", "wmi"}), account: a.account, name: "TriageCollect", command: `C:\IR\collect.exe`, tool: "collect.exe"}, tag)
		at += s.between(20*second, 5*minute)
	}
	t.To = at
}

// deploy brings a new program to many machines within the hour.
func (s *simulation) deploy(t *Twin, tag Tag) {
	from := pick(s, s.byRole[Patch])
	version := s.rand.IntN(90) + 10
	for i := range 30 + s.rand.IntN(70) {
		to := pick(s, s.byRole[Workstation])
		if to.linux || to == from {
			continue
		}
		s.execute(from, to, t.From+int64(i)*20*second, way{via: "service", account: "svc-deploy", name: fmt.Sprintf("Setup%d", version), command: `C:\Windows\ccmcache\setup.exe`, tool: "setup.exe"}, tag)
	}
	t.To = t.From + hour
}

// assess is a scanner that somebody brought: it scans, tries passwords and runs a
// command here and there, and nobody leads it.
func (s *simulation) assess(t *Twin, tag Tag) {
	from := pick(s, s.byRole[Workstation])
	for i := range 150 {
		s.probe(from, s.hosts[s.rand.IntN(len(s.hosts))], t.From+int64(i)*2*second, []uint16{22, 445, 3389}, tag)
	}
	for i := range 3 {
		if to := pick(s, s.byRole[FileServer]); to != from {
			s.execute(from, to, t.From+10*minute+int64(i)*minute, way{via: "service", account: "assess", name: s.word(8), command: `cmd /c hostname`}, tag)
		}
	}
	t.To = t.From + hour
}

// assist is a vendor who works on a machine through a session that it opened to
// him, and on a server from there.
func (s *simulation) assist(t *Twin, tag Tag) {
	from := pick(s, s.byRole[AppServer])
	vendor := &s.sites[common+stores+s.rand.IntN(support)]
	d := s.say(talk{from: from, site: vendor, at: t.From, kinds: []string{"revshell-websocket", "reverse-https-tunnel"}, stretch: 3, tag: tag})
	if to := pick(s, s.byRole[Database]); to.linux {
		s.say(talk{from: from, to: to, at: s.led(d, session.Resp, d.First), kinds: []string{"ssh-shell"}, port: 22, tag: tag, sheet: &detection.Sheet{Authentic: true}})
	} else {
		s.execute(from, to, s.led(d, session.Resp, d.First), way{via: "winrm", account: "vendor"}, tag)
	}
	t.To = d.Last
}

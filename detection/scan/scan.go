// Package scan finds machines that look for others and for open ports.
package scan

import (
	"fmt"
	"math"

	"tyto/behavior/scan"
	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// Rules are the definitions of this package.
var Rules = []*detection.Definition{&rule}

var rule = detection.Definition{
	ID: "scan", Title: "Somebody looks for machines or open ports", Severity: detection.Low,
	Doc: "A device tries many addresses on one port, or many ports of one address, most of them in vain: refused, silent, or connected and left without a word. " +
		"Ports by which machines are administered count from few on, since nobody opens them to say nothing.",
	Techniques: []string{"T1046", "T1018", "T1595"},
	Twin:       "Inventory scanners and monitors do it on purpose, and clients whose server is gone try again and again: the same few addresses.",
}

// Detector finds scans.
type Detector struct {
	tries scan.Table
	admin map[packet.Addr]*probes
}

// probes are administrative ports that a device opened and left.
type probes struct {
	list  map[endpoint]bool
	hosts map[packet.Addr]bool
	first int64
}

type endpoint struct {
	addr packet.Addr
	port uint16
}

// administrative ports: nobody connects to them by chance.
var administrative = map[uint16]bool{22: true, 23: true, 135: true, 139: true, 445: true, 3389: true, 5985: true, 5986: true, 5900: true, 1433: true, 3306: true, 5432: true, 389: true, 88: true, 8080: true, 111: true, 21: true}

// Limits.
const (
	minAddresses = 12
	minPorts     = 15
	minVain      = 0.6
	minProbes    = 4
	maxProbers   = 10_000
	maxProbes    = 512
	probesWithin = int64(600e9)
)

// New returns a detector.
func New() detection.Detector { return &Detector{admin: make(map[packet.Addr]*probes)} }

// Finish implements detection.Detector.
func (d *Detector) Finish(*detection.Ledger) {}

// Session implements detection.Detector.
func (d *Detector) Session(s *detection.Session, l *detection.Ledger) {
	if s.Resp.IsMulticast() || s.Proto != packet.ProtoTCP && s.Proto != packet.ProtoUDP || s.Proto == packet.ProtoUDP && s.RespPort == 53 {
		return
	}
	quiet := s.Bytes[session.Orig]+s.Bytes[session.Resp] == 0
	t := scan.Try{At: s.First, From: s.Orig, To: s.Resp, Port: s.RespPort, Failed: s.Refused(), Empty: s.Proto == packet.ProtoTCP && quiet}
	if s.Proto == packet.ProtoUDP {
		t.Empty = false
	}
	horizontal, vertical := d.tries.Add(t)
	if c := horizontal; c != nil && c.Distinct >= minAddresses && c.Share() >= minVain {
		d.tell(s, c, l, fmt.Sprintf("%d addresses tried on port %d, %.0f %% in vain", c.Distinct, c.Port, 100*c.Share()), c.Distinct, minAddresses)
	}
	if c := vertical; c != nil && c.Distinct >= minPorts && c.Share() >= minVain {
		d.tell(s, c, l, fmt.Sprintf("%d ports of %v tried, %.0f %% in vain", c.Distinct, c.To, 100*c.Share()), c.Distinct, minPorts)
	}
	if (t.Empty || t.Failed) && administrative[s.RespPort] && s.Inside() && s.Proto == packet.ProtoTCP {
		d.probe(s, l)
	}
}

func (d *Detector) finding(s *detection.Session, l *detection.Ledger) *detection.Finding {
	f := l.Finding(&rule, s.Orig.String())
	if s.Home[session.Orig] {
		f.Host(s.Orig)
	} else {
		f.Outside = detection.Party{Addr: s.Orig}
		f.Host(s.Resp)
	}
	f.Outcome = detection.Attempt
	return f
}

func (d *Detector) tell(s *detection.Session, c *scan.Count, l *detection.Ledger, claim string, n, least int) {
	f := d.finding(s, l)
	f.Title = fmt.Sprintf("%v looks for machines or open ports", s.Orig)
	llr := 1.5 + 1.2*math.Log(float64(n)/float64(least))
	rate := float64(n) / (float64(c.Last-c.First)/1e9 + 1)
	if rate > 1 {
		llr += min(math.Log(rate), 2)
	}
	f.Set(detection.Evidence{Kind: c.Kind.String(), LLR: min(llr, 7), UID: s.UID, T0: c.First, T1: c.Last, Claim: claim})
}

// probe counts administrative ports that are opened and left.
func (d *Detector) probe(s *detection.Session, l *detection.Ledger) {
	p := d.admin[s.Orig]
	if p == nil {
		if len(d.admin) >= maxProbers {
			return
		}
		p = &probes{}
		d.admin[s.Orig] = p
	}
	if p.list == nil || s.First-p.first > probesWithin {
		*p = probes{make(map[endpoint]bool), make(map[packet.Addr]bool), s.First}
	}
	if len(p.list) < maxProbes {
		p.list[endpoint{s.Resp, s.RespPort}] = true
		p.hosts[s.Resp] = true
	}
	if len(p.list) < minProbes || len(p.hosts) < 2 {
		return
	}
	f := d.finding(s, l)
	if f.Title == "" {
		f.Title = fmt.Sprintf("%v tries administrative ports of %d machines", s.Orig, len(p.hosts))
	}
	f.Set(detection.Evidence{Kind: "administrative", LLR: min(1+0.8*math.Log(float64(len(p.list))/minProbes), 3), UID: s.UID, T0: p.first, T1: s.Last,
		Claim: fmt.Sprintf("%d administrative ports of %d machines were tried, and nothing was said there", len(p.list), len(p.hosts))})
}

// Package exfil finds data that leaves the network: much more sent than received,
// to somebody few send to, and above all as much as was gathered from machines
// inside shortly before.
package exfil

import (
	"fmt"
	"math"

	"tyto/behavior/transfer"
	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// Rules are the definitions of this package.
var Rules = []*detection.Definition{&rule}

var rule = detection.Definition{
	ID: "exfiltration", Title: "Data leaves the network", Severity: detection.High,
	Doc: "A device sends much more to a destination outside than it receives. It is weighed how much, how one-sided, whether others send there or go there at all, " +
		"whether the device sent as much there, or to anybody, on days before, and whether about as much had come to the device from a machine inside shortly before (staging; archives are up to five times smaller).",
	Techniques: []string{"T1048", "T1041", "T1567", "T1074"},
	Twin:       "Backups, video calls and synchronised folders upload as well: every day, from many devices, to the same places, and not what was just fetched from a server.",
}

// Thresholds.
const (
	minBytes  = 64 << 10
	minRatio  = 0.7
	maxGroups = 20_000
	// much is from how many bytes on it matters what is usual here.
	much = 4 << 20
)

// Detector finds exfiltration.
type Detector struct {
	volumes transfer.Table
	senders map[string]map[packet.Addr]bool // of a group: devices that sent much
	habits  habits
	told    map[*detection.Finding]string // destinations
	order   []*detection.Finding
}

// New returns a detector.
func New() detection.Detector {
	return &Detector{senders: make(map[string]map[packet.Addr]bool), habits: newHabits(), told: make(map[*detection.Finding]string)}
}

// Finish implements detection.Detector: others may have gone to the same place
// after a finding.
func (d *Detector) Finish(*detection.Ledger) {
	for _, f := range d.order {
		set := func(kind string, llr float64, format string, args ...any) {
			f.Set(detection.Evidence{Kind: kind, LLR: llr, T0: f.T0, T1: f.T1, Claim: fmt.Sprintf(format, args...)})
		}
		d.others(d.told[f], set)
		d.habits.visited(d.told[f], set)
	}
}

// setter sets evidence of a finding.
type setter func(kind string, llr float64, format string, args ...any)

// others weighs how many devices send to a destination.
func (d *Detector) others(group string, set setter) {
	if n := len(d.senders[group]); n >= 3 {
		set("others", -math.Log(float64(n)), "%d devices send there", n)
	}
}

// Session implements detection.Detector.
func (d *Detector) Session(s *detection.Session, l *detection.Ledger) {
	if !s.Home[session.Orig] || s.Resp.IsMulticast() {
		return
	}
	f := transfer.Flow{First: s.First, Last: s.Last, From: s.Orig, To: s.Resp, Group: s.Far().String(), Out: s.Bytes[0], In: s.Bytes[1], Inside: s.Inside()}
	if f.Inside {
		d.habits.stage(s.Orig, staging{s.Last, s.Resp, s.Bytes[1]})
		d.habits.stage(s.Resp, staging{s.Last, s.Orig, s.Bytes[0]})
	}
	u := d.volumes.Add(&f)
	if u == nil {
		return
	}
	p := d.habits.add(&f)
	if u.Out < minBytes || u.Ratio() < minRatio || s.Bytes[0] < minBytes/4 {
		return
	}
	d.tell(s, u, p, l)
}

func (d *Detector) tell(s *detection.Session, u *transfer.Upload, p *pair, l *detection.Ledger) {
	f := l.Finding(&rule, u.From.String()+">"+u.Group)
	f.Host(s.Orig)
	f.Outside = s.Far()
	f.Title = fmt.Sprintf("%v sends %s to %v", s.Orig, bytes(u.Out), s.Far())
	f.Set(detection.Evidence{Kind: "volume", LLR: min(0.5+0.45*math.Log(float64(u.Out)/(256<<10)), 3.5), UID: s.UID, T0: u.First, T1: u.Last,
		Claim: fmt.Sprintf("%s sent and %s received in %d sessions", bytes(u.Out), bytes(u.In), u.Sessions)})
	set := func(kind string, llr float64, format string, args ...any) {
		f.Set(detection.Evidence{Kind: kind, LLR: llr, UID: s.UID, T0: s.First, T1: s.Last, Claim: fmt.Sprintf(format, args...)})
	}
	if u.Ratio() > 0.9 {
		set("one-sided", 0.5, "hardly anything comes back")
	}
	if u.Conserved() {
		f.Host(u.StagedFrom)
		f.Set(detection.Evidence{Kind: "staged", LLR: 2, UID: s.UID, T0: u.StagedAt, T1: s.Last,
			Claim: fmt.Sprintf("%s had come from %v %.0f s before: about as much as left", bytes(u.Staged), u.StagedFrom, float64(s.First-u.StagedAt)/1e9)})
	}
	others := d.senders[u.Group]
	if others == nil && len(d.senders) < maxGroups {
		others = make(map[packet.Addr]bool)
		d.senders[u.Group] = others
	}
	if others != nil && len(others) < 64 {
		others[s.Orig] = true
	}
	d.others(u.Group, set)
	if s.App == "unknown" || s.App == "icmp" {
		set("carrier", 1, "no protocol that uploads are known to use")
	}
	if u.Out >= much {
		if d.told[f] == "" && len(d.order) < maxGroups {
			d.told[f] = u.Group
			d.order = append(d.order, f)
		}
		d.habits.tell(u, p, s.Last, set)
	}
}

// bytes writes a volume.
func bytes(n uint64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d B", n)
	case n < 10_000_000:
		return fmt.Sprintf("%d kB", n/1000)
	}
	return fmt.Sprintf("%d MB", n/1_000_000)
}

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
	Doc: "A device sends much more to a destination outside than it receives. It is weighed how much, how one-sided, whether others send there too, " +
		"and whether about as much had come to the device from a machine inside shortly before (staging; archives are up to five times smaller).",
	Techniques: []string{"T1048", "T1041", "T1567", "T1074"},
	Twin:       "Backups, video calls and synchronised folders upload as well: every day, from many devices, to the same places, and not what was just fetched from a server.",
}

// Thresholds.
const (
	minBytes  = 64 << 10
	minRatio  = 0.7
	maxGroups = 20_000
)

// Detector finds exfiltration.
type Detector struct {
	volumes transfer.Table
	senders map[string]map[packet.Addr]bool // of a group: devices that sent much
}

// New returns a detector.
func New() detection.Detector { return &Detector{senders: make(map[string]map[packet.Addr]bool)} }

// Finish implements detection.Detector.
func (d *Detector) Finish(*detection.Ledger) {}

// Session implements detection.Detector.
func (d *Detector) Session(s *detection.Session, l *detection.Ledger) {
	if !s.Home[session.Orig] || s.Resp.IsMulticast() {
		return
	}
	f := transfer.Flow{First: s.First, Last: s.Last, From: s.Orig, To: s.Resp, Group: s.Far().String(), Out: s.Bytes[0], In: s.Bytes[1], Inside: s.Inside()}
	u := d.volumes.Add(&f)
	if u == nil || u.Out < minBytes || u.Ratio() < minRatio || s.Bytes[0] < minBytes/4 {
		return
	}
	d.tell(s, u, l)
}

func (d *Detector) tell(s *detection.Session, u *transfer.Upload, l *detection.Ledger) {
	f := l.Finding(&rule, u.From.String()+">"+u.Group)
	f.Host(s.Orig)
	f.Outside = s.Far()
	f.Title = fmt.Sprintf("%v sends %s to %v", s.Orig, bytes(u.Out), s.Far())
	f.Set(detection.Evidence{Kind: "volume", LLR: min(0.5+0.45*math.Log(float64(u.Out)/(256<<10)), 3.5), UID: s.UID, T0: u.First, T1: u.Last,
		Claim: fmt.Sprintf("%s sent and %s received in %d sessions", bytes(u.Out), bytes(u.In), u.Sessions)})
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
	if n := len(others); n >= 3 {
		f.Set(detection.Evidence{Kind: "others", LLR: -math.Log(float64(n)), UID: s.UID, T0: s.First, Claim: fmt.Sprintf("%d devices send there", n)})
	}
	if s.App == "unknown" || s.App == "icmp" {
		f.Set(detection.Evidence{Kind: "carrier", LLR: 1, UID: s.UID, T0: s.First, Claim: "no protocol that uploads are known to use"})
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

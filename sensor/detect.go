package sensor

import (
	"net/netip"
	"slices"

	"tyto/behavior/lead"
	"tyto/detection"
	"tyto/protocol"
	"tyto/session"
	"tyto/triage"
)

// Judgement is what detections found.
type Judgement struct {
	Findings []*detection.Finding
	Cases    []*triage.Case
	// Dropped are findings for which there was no room, Blind the sessions whose
	// protocols could not be noted for want of memory.
	Dropped, Blind uint64
}

// Messages that a session must have, and how long it must last, for who leads it
// to be measured.
const (
	leadPackets = 12
	leadLasts   = int64(3e9)
)

// detect tells the detectors of a session that is over, in the order of packets.
func (l *lane) detect(s *session.Session, f *protocol.Flow) {
	l.match.ended(l, s)
	d := detection.Session{
		UID: s.UID, First: s.First, Last: s.Last, Tuple: s.Tuple, App: l.set.AppName(s.App), State: s.State.String(),
		Home: [2]bool{l.home.has(s.Orig), l.home.has(s.Resp)}, Sheet: l.sheets.take(s.UID),
	}
	if f != nil {
		domain, source := f.Domain()
		if _, err := netip.ParseAddr(domain); err != nil { // a certificate or Host may name an address
			d.Domain, d.Source = l.names.Clone(domain), source
		}
	}
	for i := range s.Sides {
		d.Bytes[i], d.Packets[i] = s.Sides[i].Bytes, s.Sides[i].Packets
	}
	if s.Series.Packets >= leadPackets && s.Duration() >= leadLasts {
		d.Lead = lead.Of(l.messages(s), s.First)
	}
	if h := l.heardOf(); h != nil {
		d.Heard = detached(h)
	}
	l.say(&d)
	l.chunk.sessions = append(l.chunk.sessions, d)
	l.chunk.tell(l.key, sessionEntry)
}

// judge owns the detectors; the writer tells it sessions in order.
type judge struct {
	detectors []detection.Detector
	ledger    detection.Ledger
	latest    int64
	result    Judgement
}

func newJudge(list []detection.Detector) *judge {
	if len(list) == 0 {
		return nil
	}
	return &judge{detectors: list}
}

func (j *judge) session(s *detection.Session) {
	j.latest = max(j.latest, s.Last)
	for _, d := range j.detectors {
		d.Session(s, &j.ledger)
	}
}

// finish ends the detectors and makes the cases.
func (j *judge) finish() {
	for _, d := range j.detectors {
		d.Finish(&j.ledger)
	}
	j.result = Judgement{
		Findings: slices.DeleteFunc(slices.Clone(j.ledger.All()), func(f *detection.Finding) bool { return !told(f) }),
		Cases:    triage.Cases(j.ledger.All(), j.latest), Dropped: j.ledger.Dropped,
	}
}

// told reports whether a finding is worth a record.
func told(f *detection.Finding) bool {
	return f.Score() >= triage.Least || f.Outcome == detection.Benign && len(f.Explains) > 0
}

// judgeSession tells the detectors of a session, by the name that passive DNS has
// for where it goes if it says none itself.
func (o *output) judgeSession(s *detection.Session) {
	if s.Domain == "" && !s.Home[session.Resp] {
		if name := o.names.name(resolution{s.Orig, s.Resp}, s.First); name != "" {
			s.Domain, s.Source = name, "dns"
		}
	}
	o.judge.session(s)
}

// writeJudgement writes detections and cases as JSON lines.
func (o *output) writeJudgement() error {
	o.judge.finish()
	if len(o.streams) == 0 || !o.streams[0].takesAll() {
		return nil
	}
	ids := make(map[*detection.Finding]string)
	for i, f := range o.judge.result.Findings {
		ids[f] = detection.ID(i)
		if err := o.writeRecord(&detectionRecord{f, ids[f], o.home}); err != nil {
			return err
		}
	}
	for _, c := range o.judge.result.Cases {
		if err := o.writeRecord(&caseRecord{c, ids, o.home}); err != nil {
			return err
		}
	}
	return nil
}

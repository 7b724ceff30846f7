package sensor

import (
	"tyto/detection"
	"tyto/internal/record"
	"tyto/packet"
	"tyto/session"
	"tyto/triage"
)

// DetectionSchema describes detection records.
var DetectionSchema = record.New("detection", "", "What a rule or detector found, told at the end.",
	record.Field{Name: "ts", Type: record.Time, Doc: "When it began."},
	record.Field{Name: "id", Type: record.String, Doc: "Identifier within the analysis."},
	record.Field{Name: "rule", Type: record.String, Doc: "Rule that found it; docs/detections.md tells about each."},
	record.Field{Name: "title", Type: record.String, Doc: "What was found, in a line."},
	record.Field{Name: "severity", Type: record.Enum, Doc: "How bad it is if it is true: low, medium, high or critical."},
	record.Field{Name: "outcome", Type: record.Enum, Doc: "What became of it: attack, attempt, or benign trigger, for which there is an everyday explanation."},
	record.Field{Name: "p", Type: record.Double, Doc: "Probability that it is true, by its own evidence alone."},
	record.Field{Name: "score", Type: record.Double, Doc: "Sum of the evidence, in nats."},
	record.Field{Name: "entities", Type: record.Strings, Doc: "Who it is about: the device that acts first, then others, then who is outside."},
	record.Field{Name: "techniques", Type: record.Strings, Doc: "ATT&CK techniques."},
	record.Field{Name: "uids", Type: record.Strings, Doc: "Sessions it was found in, the first of them."},
	record.Field{Name: "t0", Type: record.Time, Doc: "When it began."},
	record.Field{Name: "t1", Type: record.Time, Doc: "When it was last seen."},
	record.Field{Name: "evidence", Type: record.String, Doc: "List of {claim, llr, uid, t0, t1}: what speaks for it, and against it where llr is negative, in nats. The sum is the score."},
	record.Field{Name: "path", Type: record.String, Doc: "Of lateral movement: list of hops {from, to, via, uid, ts}, in order."},
)

// CaseSchema describes case records.
var CaseSchema = record.New("case", "", "Detections of one story, told at the end, the weightiest first.",
	record.Field{Name: "ts", Type: record.Time, Doc: "When it began."},
	record.Field{Name: "id", Type: record.String, Doc: "Identifier within the analysis."},
	record.Field{Name: "title", Type: record.String, Doc: "What happened, in a line."},
	record.Field{Name: "summary", Type: record.String, Doc: "What happened, in a paragraph."},
	record.Field{Name: "outcome", Type: record.Enum, Doc: "attack, attempt, or benign trigger."},
	record.Field{Name: "alert", Type: record.Bool, Doc: "Whether it is worth somebody's time: p of at least one half, and no everyday explanation."},
	record.Field{Name: "p", Type: record.Double, Doc: "Probability that somebody attacks, by all evidence."},
	record.Field{Name: "score", Type: record.Double, Doc: "Sum of what the detections count in the case, in nats."},
	record.Field{Name: "entities", Type: record.Strings, Doc: "Devices it is about."},
	record.Field{Name: "detections", Type: record.Strings, Doc: "Identifiers of its detections, the weightiest first."},
	record.Field{Name: "path", Type: record.String, Doc: "List of hops {from, to, via, uid, ts}, in order: from whoever leads to the last machine."},
	record.Field{Name: "controller", Type: record.String, Doc: "Domain or address of who leads; unset if nobody is accused."},
	record.Field{Name: "controller_p", Type: record.Double, Doc: "Probability that it is this one, against all others and nobody."},
	record.Field{Name: "t1", Type: record.Time, Doc: "When it was last seen."},
)

// Parts of these records.
var (
	evidencePart = record.New("", "", "", record.Field{Name: "claim", Type: record.String}, record.Field{Name: "llr", Type: record.Double},
		record.Field{Name: "uid", Type: record.String}, record.Field{Name: "t0", Type: record.Time}, record.Field{Name: "t1", Type: record.Time})
	hopPart = record.New("", "", "", record.Field{Name: "from", Type: record.String}, record.Field{Name: "to", Type: record.String},
		record.Field{Name: "via", Type: record.String}, record.Field{Name: "uid", Type: record.String}, record.Field{Name: "ts", Type: record.Time})
)

// names writes entities as their identifiers.
func (n networks) name(a packet.Addr) string {
	if n.has(a) {
		return "device:" + a.String()
	}
	return "address:" + a.String()
}

func (n networks) party(p detection.Party) string {
	if p.Domain != "" {
		return "domain:" + p.Domain
	}
	return n.name(p.Addr)
}

// parts writes a list of objects.
func parts(n int, schema *record.Schema, each func(e *record.Encoder, i int)) []byte {
	if n == 0 {
		return nil
	}
	e := record.Encoder{Buf: []byte{'['}, Format: record.ZeekJSON}
	for i := range n {
		if i > 0 {
			e.Buf = append(e.Buf, ',')
		}
		e.Begin(schema)
		each(&e, i)
		e.End()
		e.Buf = e.Buf[:len(e.Buf)-1] // the end of the line
	}
	return append(e.Buf, ']')
}

func (n networks) hops(path []detection.Hop) []byte {
	return parts(len(path), hopPart, func(e *record.Encoder, i int) {
		h := &path[i]
		from := n.name(h.From)
		if h.Domain != "" {
			from = "domain:" + h.Domain
		}
		e.Str(from)
		e.Str(n.name(h.To))
		e.Str(h.Via)
		e.Str(uidText(h.UID))
		e.Time(h.At)
	})
}

func uidText(u session.UID) string {
	if u.IsZero() {
		return ""
	}
	return u.String()
}

func uidTexts(list []session.UID) (texts []string) {
	for _, u := range list {
		texts = append(texts, u.String())
	}
	return texts
}

// detectionRecord is a finding as a record.
type detectionRecord struct {
	*detection.Finding
	id   string
	home networks
}

// Schema implements protocol.Record.
func (r *detectionRecord) Schema() *record.Schema { return DetectionSchema }

// Append implements protocol.Record.
func (r *detectionRecord) Append(e *record.Encoder) {
	e.Time(r.T0)
	e.Str(r.id)
	e.Str(r.Rule.ID)
	e.Str(r.Name())
	e.Str(r.Rule.Severity.String())
	e.Str(r.Outcome.String())
	e.Float(detection.P(r.Score()))
	e.Float(r.Score())
	var entities []string
	for _, a := range r.Hosts {
		entities = append(entities, r.home.name(a))
	}
	if !r.Outside.IsZero() {
		entities = append(entities, r.home.party(r.Outside))
	}
	e.Strs(entities)
	e.Strs(r.Rule.Techniques)
	e.Strs(uidTexts(r.UIDs))
	e.Time(r.T0)
	e.Time(r.T1)
	e.JSON(parts(len(r.Evidence), evidencePart, func(e *record.Encoder, i int) {
		v := &r.Evidence[i]
		e.Str(v.Claim)
		e.Float(v.LLR)
		e.Str(uidText(v.UID))
		e.Time(v.T0)
		e.Time(max(v.T0, v.T1))
	}))
	e.JSON(r.home.hops(r.Path))
}

// caseRecord is a case as a record.
type caseRecord struct {
	*triage.Case
	ids  map[*detection.Finding]string
	home networks
}

// Schema implements protocol.Record.
func (r *caseRecord) Schema() *record.Schema { return CaseSchema }

// Append implements protocol.Record.
func (r *caseRecord) Append(e *record.Encoder) {
	e.Time(r.T0)
	e.Str(r.ID)
	e.Str(r.Title)
	e.Str(r.Summary)
	e.Str(r.Outcome.String())
	e.Bool(r.Alert())
	e.Float(r.P)
	e.Float(r.Score)
	var entities, detections []string
	for _, a := range r.Hosts {
		entities = append(entities, r.home.name(a))
	}
	e.Strs(entities)
	for _, it := range r.Items {
		detections = append(detections, r.ids[it.Finding])
	}
	e.Strs(detections)
	e.JSON(r.home.hops(r.Path))
	if r.Controller.IsZero() {
		e.Unset()
		e.Unset()
	} else {
		e.Str(r.Controller.String())
		e.Float(r.Controller.P)
	}
	e.Time(r.T1)
}

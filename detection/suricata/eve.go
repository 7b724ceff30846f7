package suricata

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// Alerts are the alerts of eve.json files.
type Alerts struct {
	Lines   int // read
	Other   int // events that are no alerts
	Bad     int // lines that are no events
	BadLine int // the first of them
	Dropped int // alerts for which there was no room

	list  []alert
	rules map[string]*signature
}

// signature is what the alerts of one rule have in common.
type signature struct {
	detection.Definition
	id  string // "1:2001:3"
	llr float64
}

// alert is one, waiting for its session.
type alert struct {
	at        int64
	rule      *signature
	community string
	blocked   bool
	tuple     session.Tuple // without roles
}

// Limits.
const (
	maxAlerts  = 1_000_000
	maxLine    = 1 << 20
	maxSignals = 50_000
	// slack is how far an alert may be from a session that it is in by name: the
	// engines' clocks are the packets', but ends of sessions differ.
	slack = int64(5e9)
)

// event is what is read of a line.
type event struct {
	Timestamp string
	Type      string `json:"event_type"`
	Src       string `json:"src_ip"`
	Dst       string `json:"dest_ip"`
	SrcPort   uint16 `json:"src_port"`
	DstPort   uint16 `json:"dest_port"`
	Proto     string
	Community string `json:"community_id"`
	Alert     *struct {
		Action    string
		GID       int
		SID       int `json:"signature_id"`
		Rev       int
		Signature string
		Category  string
		Severity  int
		Metadata  map[string]any
	}
}

// ReadEVE reads the alerts of an eve.json, in addition to those read before.
func (a *Alerts) ReadEVE(name string, r io.Reader) error {
	if a.rules == nil {
		a.rules = make(map[string]*signature)
	}
	lines := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	for {
		part, err := lines.ReadSlice('\n')
		if len(line)+len(part) <= maxLine {
			line = append(line, part...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if len(bytes.TrimSpace(line)) > 0 {
			a.Lines++
			a.line(line)
		}
		line = line[:0]
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	if a.Lines > 0 && a.Bad == a.Lines {
		return fmt.Errorf("%s: no line is an event of Suricata; give an eve.json", name)
	}
	return nil
}

func (a *Alerts) line(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil || e.Type == "" {
		a.bad()
		return
	}
	if e.Type != "alert" || e.Alert == nil {
		a.Other++
		return
	}
	at, ok := eveTime(e.Timestamp)
	src, err := netip.ParseAddr(e.Src)
	dst, err2 := netip.ParseAddr(e.Dst)
	if !ok || err != nil || err2 != nil {
		a.bad()
		return
	}
	if len(a.list) >= maxAlerts {
		a.Dropped++
		return
	}
	rule := a.signature(&e)
	if rule == nil {
		a.Dropped++
		return
	}
	proto := protocolNumber(e.Proto)
	if proto == packet.ProtoICMP || proto == packet.ProtoICMPv6 {
		e.SrcPort, e.DstPort = 0, 0
	}
	t := session.Tuple{Orig: packet.AddrOf(src.WithZone("")), Resp: packet.AddrOf(dst.WithZone("")), OrigPort: e.SrcPort, RespPort: e.DstPort, Proto: proto}
	a.list = append(a.list, alert{at, rule, strings.Clone(e.Community), e.Alert.Action == "blocked", without(t)})
}

func (a *Alerts) bad() {
	if a.Bad++; a.Bad == 1 {
		a.BadLine = a.Lines
	}
}

// signature returns the signature of an alert.
func (a *Alerts) signature(e *event) *signature {
	v := e.Alert
	id := fmt.Sprintf("%d:%d:%d", v.GID, v.SID, v.Rev)
	if r := a.rules[id]; r != nil {
		return r
	}
	if len(a.rules) >= maxSignals {
		return nil
	}
	metadata := func(key string) string {
		switch m := v.Metadata[key].(type) {
		case string:
			return m
		case []any:
			if len(m) > 0 {
				s, _ := m[0].(string)
				return s
			}
		}
		return ""
	}
	r := &signature{Definition: alertRule, id: id}
	r.llr, r.Severity = weight(v.Severity, metadata)
	r.Title, r.Techniques = v.Signature, nil
	for _, key := range [...]string{"mitre_technique_id", "mitre_sub_technique_id", "mitre_technique"} {
		if list, ok := v.Metadata[key].([]any); ok {
			for _, x := range list {
				s, _ := x.(string)
				if t := technique(s); t != "" && !slices.Contains(r.Techniques, t) {
					r.Techniques = append(r.Techniques, t)
				}
			}
		} else if t := technique(metadata(key)); t != "" {
			r.Techniques = append(r.Techniques, t)
		}
	}
	a.rules[id] = r
	return r
}

// eveTime reads the time of an event.
func eveTime(s string) (int64, bool) {
	for _, layout := range []string{"2006-01-02T15:04:05.999999999-0700", time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 1900 && t.Year() < 2262 {
			return t.UnixNano(), true
		}
	}
	return 0, false
}

// protocolNumber returns the number of a protocol that events name.
func protocolNumber(s string) uint8 {
	switch strings.ToUpper(s) {
	case "TCP":
		return packet.ProtoTCP
	case "UDP":
		return packet.ProtoUDP
	case "ICMP":
		return packet.ProtoICMP
	case "IPV6-ICMP", "ICMPV6":
		return packet.ProtoICMPv6
	case "SCTP":
		return packet.ProtoSCTP
	}
	n, _ := strconv.ParseUint(s, 10, 8)
	return uint8(n)
}

// without returns a tuple in an order that does not depend on roles.
func without(t session.Tuple) session.Tuple {
	if c := bytes.Compare(t.Orig[:], t.Resp[:]); c > 0 || c == 0 && t.OrigPort > t.RespPort {
		return t.Reverse()
	}
	return t
}

// Len returns how many alerts there are.
func (a *Alerts) Len() int { return len(a.list) }

// AlertDetector makes findings of alerts. It is used once.
type AlertDetector struct {
	// Matched are alerts whose session was found, Unmatched those without: told
	// when Finish was called.
	Matched, Unmatched int
	Sessions           int // with an alert

	alerts    *Alerts
	taken     []bool
	byTuple   map[session.Tuple][]int32 // in order of time
	community map[string][]int32
	near      map[int32]nearby // best session that an alert is near to, without being in it
	scratch   []byte
}

// nearby is a session that ended, or began, shortly beside an alert.
type nearby struct {
	distance int64
	session  detection.Session
}

// NewDetector returns a detector.
func (a *Alerts) NewDetector() *AlertDetector {
	d := &AlertDetector{alerts: a, taken: make([]bool, len(a.list)), byTuple: make(map[session.Tuple][]int32), community: make(map[string][]int32), near: make(map[int32]nearby)}
	order := make([]int32, len(a.list))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(x, y int32) int { return cmp.Compare(a.list[x].at, a.list[y].at) })
	for _, i := range order {
		v := &a.list[i]
		d.byTuple[v.tuple] = append(d.byTuple[v.tuple], i)
		if v.community != "" {
			d.community[v.community] = append(d.community[v.community], i)
		}
	}
	return d
}

// Session implements detection.Detector.
func (d *AlertDetector) Session(s *detection.Session, l *detection.Ledger) {
	if len(d.alerts.list) == 0 {
		return
	}
	t := s.Tuple
	if t.Proto == packet.ProtoICMP || t.Proto == packet.ProtoICMPv6 {
		t.OrigPort, t.RespPort = 0, 0
	}
	n := d.Matched
	d.those(d.byTuple[without(t)], s, l)
	if len(d.community) > 0 {
		d.scratch = s.Tuple.AppendCommunityID(d.scratch[:0])
		d.those(d.community[string(d.scratch)], s, l)
	}
	if d.Matched > n {
		d.Sessions++
	}
}

// those looks at alerts whose ends are those of a session.
func (d *AlertDetector) those(list []int32, s *detection.Session, l *detection.Ledger) {
	from, _ := slices.BinarySearchFunc(list, s.First-slack, func(i int32, t int64) int { return cmp.Compare(d.alerts.list[i].at, t) })
	for _, i := range list[from:] {
		at := d.alerts.list[i].at
		if at > s.Last+slack {
			return
		}
		if d.taken[i] {
			continue
		}
		// Events have microseconds: the last packet may seem to be before it.
		const microsecond = 1000
		distance := max(s.First-microsecond-at, at-s.Last-microsecond, 0)
		if distance == 0 {
			d.add(i, s, l)
			continue
		}
		if n, ok := d.near[i]; !ok || distance < n.distance {
			kept := *s
			kept.Sheet, kept.Lead = nil, nil
			d.near[i] = nearby{distance, kept}
		}
	}
}

// add adds what an alert says.
func (d *AlertDetector) add(i int32, s *detection.Session, l *detection.Ledger) {
	d.taken[i] = true
	d.Matched++
	delete(d.near, i)
	a := &d.alerts.list[i]
	r := a.rule
	f := l.Finding(&r.Definition, device(s).String()+">"+r.id)
	involve(f, s.Home, detection.Party{Addr: s.Orig}, s.Far())
	outcome := detection.Attack
	if a.blocked || s.Refused() {
		outcome = detection.Attempt
	}
	if len(f.Evidence) == 0 {
		f.Title = fmt.Sprintf("%v: Suricata: %s", device(s), r.Title)
		f.Outcome = outcome
	}
	f.Outcome = min(f.Outcome, outcome)
	claim := fmt.Sprintf("Suricata's signature %s says of %v and %v: %s", r.id, s.Orig, s.Far(), r.Title)
	if a.blocked {
		claim += " (it was blocked)"
	}
	f.AddOnce(detection.Evidence{Kind: "alert", Claim: claim, LLR: r.llr, UID: s.UID, T0: a.at, T1: a.at})
}

// Finish implements detection.Detector: alerts beside a session, not in one, are
// given to the nearest.
func (d *AlertDetector) Finish(l *detection.Ledger) {
	order := make([]int32, 0, len(d.near))
	for i := range d.near {
		order = append(order, i)
	}
	slices.Sort(order)
	for _, i := range order {
		s := d.near[i].session
		d.add(i, &s, l)
	}
	d.Unmatched = len(d.alerts.list) - d.Matched
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tyto/internal/amount"
	"tyto/store"
)

// verdictID is the identifier of a case or a detection.
var verdictID = regexp.MustCompile(`^[CD]-[0-9]{1,9}$`)

// judged is where explain gets cases, detections and their sessions from.
type judged interface {
	facts
	// verdicts returns cases and detections; of a store those that where chooses of a
	// kind, of captures all.
	verdicts(ctx context.Context, kind string, where store.Expr) ([]row, error)
	// sessions returns the sessions of identifiers, seen between two times, in ns.
	sessions(ctx context.Context, uids []string, from, to int64) ([]row, error)
}

var (
	_ judged = stored{}
	_ judged = (*captured)(nil)
)

func (d stored) verdicts(ctx context.Context, kind string, where store.Expr) ([]row, error) {
	return d.query(ctx, &store.Query{Kind: kind, Steps: []store.Step{store.Filter{Where: where}, store.Limit{Rows: maxAbout}}})
}

func (d stored) sessions(ctx context.Context, uids []string, from, to int64) ([]row, error) {
	in := store.Call{Op: store.In, Args: []store.Expr{store.Field("uid")}}
	for _, u := range uids {
		in.Args = append(in.Args, store.Literal{Value: u})
	}
	return d.query(ctx, &store.Query{Kind: "session", After: max(from-spare, 1), Before: max(to+spare, 2), Steps: []store.Step{store.Filter{Where: in}, store.Limit{Rows: maxAround}}})
}

func (d *captured) verdicts(ctx context.Context, _ string, _ store.Expr) ([]row, error) {
	return d.pass(ctx, true, maxWho, func(b *store.Batch, _ int) bool { return b.Kind == "case" || b.Kind == "detection" })
}

func (d *captured) sessions(ctx context.Context, uids []string, _, _ int64) ([]row, error) {
	return d.pass(ctx, false, maxAround, func(b *store.Batch, i int) bool {
		uid, _ := column(b, i, "uid").(string)
		return b.Kind == "session" && slices.Contains(uids, uid)
	})
}

// verdict is a case, or a detection alone, and what it stands on.
type verdict struct {
	head       row
	isCase     bool
	detections []row // of a case, the weightiest first
	cases      []row // that a detection is part of
	sessions   []row
	uids       []string // of sessions, the weightiest first
}

// Bounds of what is told of a case.
const (
	verdictSessions   = 24
	verdictDetections = 12
	verdictClaims     = 4 // of a detection in a case
	verdictUIDs       = 200
)

// gatherVerdicts returns the cases or detections of an identifier: one of each
// analysis that is in the store.
func gatherVerdicts(ctx context.Context, f judged, id string) ([]*verdict, error) {
	kind := "detection"
	if id[0] == 'C' {
		kind = "case"
	}
	all, err := f.verdicts(ctx, kind, equal("id", id))
	if err != nil {
		return nil, err
	}
	var list []*verdict
	for _, r := range all {
		if r.kind == kind && r.text("id") == id {
			list = append(list, &verdict{head: r, isCase: kind == "case"})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("there is no %s %s; tyto hunt '%s' lists what there is", kind, id, kind)
	}
	slices.SortStableFunc(list, func(a, b *verdict) int { return cmp.Compare(a.head.int("ts"), b.head.int("ts")) })
	for _, v := range list {
		if err := v.gather(ctx, f, all); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// gather asks for what a verdict stands on. Identifiers are of an analysis, so a
// detection is of a case only if it is within its time and about its devices.
func (v *verdict) gather(ctx context.Context, f judged, all []row) error {
	other, where := "case", has("detections", v.head.text("id"))
	if v.isCase {
		var either []store.Expr
		for _, d := range v.head.list("detections") {
			either = append(either, equal("id", d))
		}
		other, where = "detection", anyOf(either)
		if len(either) == 0 {
			where = equal("id", "")
		}
	}
	if !slices.ContainsFunc(all, func(r row) bool { return r.kind == other }) {
		more, err := f.verdicts(ctx, other, where)
		if err != nil {
			return err
		}
		all = append(slices.Clone(all), more...)
	}
	for _, r := range all {
		switch {
		case r.kind != other:
		case v.isCase && slices.Contains(v.head.list("detections"), r.text("id")) && within(&r, &v.head):
			v.detections = append(v.detections, r)
		case !v.isCase && slices.Contains(r.list("detections"), v.head.text("id")) && within(&v.head, &r):
			v.cases = append(v.cases, r)
		}
	}
	order := v.head.list("detections")
	slices.SortStableFunc(v.detections, func(a, b row) int {
		return cmp.Compare(slices.Index(order, a.text("id")), slices.Index(order, b.text("id")))
	})
	for _, h := range hopsOf(&v.head) {
		v.mention(h.UID)
	}
	for _, d := range append([]row{v.head}, v.detections...) {
		for _, e := range evidenceOf(&d) {
			v.mention(e.UID)
		}
		for _, u := range d.list("uids") {
			v.mention(u)
		}
	}
	if len(v.uids) == 0 {
		return nil
	}
	var err error
	v.sessions, err = f.sessions(ctx, v.uids, v.head.int("ts"), v.head.int("t1"))
	slices.SortStableFunc(v.sessions, func(a, b row) int { return cmp.Compare(a.int("ts"), b.int("ts")) })
	return err
}

// within reports whether a detection can be one of a case.
func within(detection, of *row) bool {
	const slack = int64(time.Millisecond) // of times that are told in decimals
	if detection.int("ts") < of.int("ts")-slack || detection.int("t1") > of.int("t1")+slack {
		return false
	}
	return slices.ContainsFunc(detection.list("entities"), func(e string) bool {
		return slices.Contains(of.list("entities"), e) || strings.HasSuffix(e, ":"+of.text("controller"))
	})
}

func (v *verdict) mention(uid string) {
	if uid != "" && len(v.uids) < verdictUIDs && !slices.Contains(v.uids, uid) {
		v.uids = append(v.uids, uid)
	}
}

// claimed is a piece of evidence.
type claimed struct {
	Claim string  `json:"claim"`
	LLR   float64 `json:"llr"`
	UID   string  `json:"uid"`
}

// evidenceOf returns the evidence of a detection, the weightiest first.
func evidenceOf(r *row) (list []claimed) {
	text, _ := r.get("evidence").(string)
	if json.Unmarshal([]byte(text), &list) != nil {
		return nil
	}
	slices.SortStableFunc(list, func(a, b claimed) int { return cmp.Compare(math.Abs(b.LLR), math.Abs(a.LLR)) })
	return list
}

// hopTold is a step of a path.
type hopTold struct {
	From string  `json:"from"`
	To   string  `json:"to"`
	Via  string  `json:"via"`
	UID  string  `json:"uid"`
	TS   float64 `json:"ts"` // s
}

func hopsOf(r *row) (list []hopTold) {
	text, _ := r.get("path").(string)
	if json.Unmarshal([]byte(text), &list) != nil {
		return nil
	}
	return list
}

// tellVerdict writes a case or a detection, in the order of an analyst's
// questions: what, when, who, which way, why, in which sessions.
func (x *explanation) tellVerdict(v *verdict) {
	h := &v.head
	kind := "Detection"
	if v.isCase {
		kind = "Case"
	}
	x.line("%s %s: %s.", kind, h.text("id"), h.text("title"))
	if s := h.text("summary"); s != "" {
		x.line("\n%s", strings.TrimRight(wrap(s, "  ", 100), "\n"))
	}
	if v.isCase {
		alert := "below the threshold of an alert"
		if h.get("alert") == true {
			alert = "worth looking at"
		}
		x.line("\nWhat        %s, p %.3f by all evidence, %.1f nats; %s", h.text("outcome"), h.float("p"), h.float("score"), alert)
	} else {
		x.line("\nWhat        %s of severity %s, p %.3f by its own evidence, %.1f nats; rule %s", h.text("outcome"), h.text("severity"), h.float("p"), h.float("score"), h.text("rule"))
		if t := h.list("techniques"); len(t) > 0 {
			x.line("            ATT&CK %s", printable(strings.Join(t, ", ")))
		}
	}
	x.line("When        %s to %s UTC, %s", clock(h.int("ts")), clock(h.int("t1")), duration(time.Duration(h.int("t1")-h.int("ts"))))
	x.line("Who         %s", printable(some(h.list("entities"), 12)))
	if c := h.text("controller"); c != "" {
		x.line("            led by %s (p %.3f)", c, h.float("controller_p"))
	}
	if hops := hopsOf(h); len(hops) > 0 {
		x.line("\nWay")
		for i, p := range hops {
			if i == maxLines {
				x.line("  and %d hops more", len(hops)-i)
				break
			}
			x.line("  %s  %s → %s by %s  %s", clock(int64(p.TS*1e9)), printable(p.From), printable(p.To), printable(p.Via), printable(p.UID))
		}
	}
	x.why(v)
	for i, c := range v.cases {
		if i == 0 {
			x.line("\nPart of")
		}
		x.line("  %s: %s (%s, p %.3f)", c.text("id"), c.text("title"), c.text("outcome"), c.float("p"))
	}
	x.verdictSessions(v)
	if x.source != "" && len(v.uids) > 0 {
		x.line("\nIts packets: tyto carve %s %s -o %s.pcapng", printable(strings.Join(v.uids[:min(len(v.uids), verdictSessions)], " ")), x.source, h.text("id"))
		if n := len(v.uids) - verdictSessions; n > 0 {
			x.line("             and those of %s more, which tyto hunt 'detection' names", amount.Number(n, "session", "sessions"))
		}
	}
}

// why tells the evidence: of a case by its detections.
func (x *explanation) why(v *verdict) {
	claims := func(r *row, indent string, n int) {
		list := evidenceOf(r)
		for i, e := range list {
			if i == n {
				x.line("%sand %d claims more: tyto explain %s", indent, len(list)-i, r.text("id"))
				return
			}
			uid := ""
			if e.UID != "" {
				uid = "  " + printable(e.UID)
			}
			x.line("%s%+6.1f nats  %s%s", indent, e.LLR, printable(e.Claim), uid)
		}
	}
	if !v.isCase {
		x.line("\nWhy")
		claims(&v.head, "  ", maxLines)
		return
	}
	for i, d := range v.detections {
		if i == 0 {
			x.line("\nWhy")
		}
		if i == verdictDetections {
			x.line("  and %s more: %s", amount.Number(len(v.detections)-i, "detection", "detections"), printable(some(v.head.list("detections")[i:], verdictDetections)))
			break
		}
		x.line("  %s: %s (%s, %s, p %.3f)", d.text("id"), d.text("title"), d.text("rule"), d.text("severity"), d.float("p"))
		claims(&d, "    ", verdictClaims)
	}
}

func (x *explanation) verdictSessions(v *verdict) {
	for i, r := range v.sessions {
		if i == 0 {
			x.line("\nSessions")
		}
		if i == verdictSessions {
			x.line("  and %d more", len(v.sessions)-i)
			break
		}
		name := ""
		if d := r.text("domain"); d != "" {
			name = " " + d
		}
		x.line("  %s  %s  %s → %s%s, %s, %s", clock(r.int("ts")), r.text("uid"), r.text("id.orig_h"),
			net.JoinHostPort(r.text("id.resp_h"), strconv.FormatInt(r.int("id.resp_p"), 10)), name, x.app(&r), amount.Size(uint64(r.int("orig_bytes")+r.int("resp_bytes"))))
	}
	if n := len(v.uids) - len(v.sessions); n > 0 && len(v.sessions) > 0 {
		x.line("  %s not here: retention removed them, or they are of another analysis", amount.Number(n, "session is", "sessions are"))
	}
}

package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"tyto/hunt"
	"tyto/internal/amount"
	"tyto/sensor"
	"tyto/session"
	"tyto/store"
	"tyto/store/duck"
)

var explainCommand = command{
	name:  "explain",
	usage: "explain UID | C-N | D-N [FILE…] [--db DIR] [--home CIDR] [--model FILE | --no-model]",
	short: "tell all that is known of a session, a case (C-1) or a detection (D-1), with the evidence: from what analyze --db stored, or from captures",
	run:   explain,
}

func explain(ctx context.Context, c *cli, args []string) error {
	fs := flag.NewFlagSet("explain", flag.ContinueOnError)
	o := options{memory: sensor.DefaultMemory >> 20}
	dir := fs.String("db", defaultDB, "")
	fs.Func("home", "", func(s string) error {
		p, err := sensor.Prefixes(strings.Split(s, ","))
		o.home = append(o.home, p...)
		return err
	})
	fs.StringVar(&o.model, "model", "", "")
	fs.BoolVar(&o.noModel, "no-model", false, "")
	words, err := parseMixed(fs, args)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return usageError{errors.New("which session? give its identifier (uid in records), or that of a case or detection")}
	}
	if slices.Contains(words[1:], "-") {
		return usageError{errors.New("captures are read more than once: standard input cannot be")}
	}
	x := explanation{uid: words[0], source: "--db " + *dir}
	var from judged
	if files := words[1:]; len(files) > 0 {
		kinds, err := store.NewKinds(sensor.Schemas(everyProtocol())...)
		if err != nil {
			return err
		}
		from, x.source = &captured{cli: c, files: files, options: o, kinds: kinds}, ""
	} else {
		s, kinds, err := openStore(*dir, duck.Options{ReadOnly: true})
		if err != nil {
			return err
		}
		defer s.Close()
		from = stored{s, kinds}
	}
	if verdictID.MatchString(x.uid) {
		return x.explainVerdict(ctx, c, from)
	}
	x.facts = from
	if err := x.gather(ctx); err != nil {
		return err
	}
	x.out = bufio.NewWriter(c.stdout)
	x.tell()
	return x.out.Flush()
}

// explainVerdict tells a case or a detection; all of that identifier, should
// several analyses be in the store.
func (x *explanation) explainVerdict(ctx context.Context, c *cli, from judged) error {
	list, err := gatherVerdicts(ctx, from, x.uid)
	if err != nil {
		return err
	}
	x.out = bufio.NewWriter(c.stdout)
	for i, v := range list {
		if i > 0 {
			x.line("")
		}
		x.tellVerdict(v)
	}
	return x.out.Flush()
}

// explanation is what is known of a session, and how it is told.
type explanation struct {
	facts  facts
	uid    string
	source string // flags that say where it is from, for other commands

	session  row
	records  []row          // what protocols said, and notices of all kinds
	segments []row          // what was heard, in order of time
	findings []row          // detections that name the session
	devices  map[string]row // by address
	around   []row          // sessions of the originator's device
	entries  []session.Entry

	out *bufio.Writer
}

// aroundSpan is how far neighbours in time may be, in ns.
const aroundSpan = 300e9

// gather asks for the facts.
func (x *explanation) gather(ctx context.Context) error {
	list, err := x.facts.about(ctx, x.uid)
	if err != nil {
		return err
	}
	if len(list) == 0 || list[0].kind != "session" {
		return fmt.Errorf("there is no session %s; identifiers are the uid of records, and those of the same capture are always the same", printable(x.uid))
	}
	x.session = list[0]
	for _, r := range list[1:] {
		switch r.kind {
		case "session":
		case "segment":
			x.segments = append(x.segments, r)
		case "detection":
			x.findings = append(x.findings, r)
		case "series":
			text, _ := r.get("entries").(string)
			if x.entries, err = sensor.ParseSeries(r.int("ts"), text); err != nil {
				return err
			}
		default:
			x.records = append(x.records, r)
		}
	}
	byTime := func(a, b row) int { return cmp.Compare(a.int("ts"), b.int("ts")) }
	slices.SortStableFunc(x.records, byTime)
	slices.SortStableFunc(x.segments, func(a, b row) int { return cmp.Compare(a.int("t0"), b.int("t0")) })
	orig, resp := x.session.text("id.orig_h"), x.session.text("id.resp_h")
	if err := x.identify(ctx, orig, resp); err != nil {
		return err
	}
	addrs := []string{orig}
	if d, ok := x.devices[orig]; ok {
		addrs = append(addrs, d.list("addrs")...)
	}
	x.around, err = x.facts.around(ctx, addrs, x.session.int("ts")-aroundSpan, x.end()+aroundSpan)
	x.around = slices.DeleteFunc(x.around, func(r row) bool { return r.text("uid") == x.uid })
	slices.SortStableFunc(x.around, byTime)
	return err
}

// end is the time of the session's last packet.
func (x *explanation) end() int64 { return x.session.int("ts") + x.session.int("duration") }

// identify finds the devices that held addresses when the session began.
func (x *explanation) identify(ctx context.Context, addrs ...string) error {
	list, err := x.facts.entities(ctx, addrs)
	if err != nil {
		return err
	}
	x.devices = make(map[string]row)
	at := x.session.int("ts")
	for _, a := range addrs {
		holder := ""
		for _, r := range list {
			// Of several holders the last that held it before the session is it.
			if r.text("addr") == a && (holder == "" || r.int("ts") <= at) {
				holder = r.text("device")
			}
		}
		for _, r := range list {
			if r.text("kind") == "device" && r.text("id") == holder {
				x.devices[a] = r
			}
		}
	}
	return nil
}

func (x *explanation) line(format string, args ...any) { fmt.Fprintf(x.out, format+"\n", args...) }

// tell writes everything, in the order of an analyst's questions.
func (x *explanation) tell() {
	s := &x.session
	x.line("Session %s: %s spoke %s with %s.", printable(x.uid), x.name("id.orig_h"), x.app(s), x.name("id.resp_h"))
	x.who()
	x.what()
	x.heard()
	x.said()
	x.suspected()
	x.neighbours()
	if x.source != "" {
		x.line("\nIts packets: tyto carve %s %s -o %[1]s.pcapng", printable(x.uid), x.source)
	}
}

// app is what a session is, in a word.
func (x *explanation) app(s *row) string {
	app := cmp.Or(s.text("app"), "unknown")
	if app == "unknown" {
		return "something unknown over " + s.text("proto")
	}
	return app
}

// name is the shortest name of a side of the session.
func (x *explanation) name(field string) string {
	addr := x.session.text(field)
	if d, ok := x.devices[addr]; ok && d.text("name") != addr {
		return d.text("name") + " (" + addr + ")"
	}
	if domain := x.session.text("domain"); domain != "" && field == "id.resp_h" {
		return domain + " (" + addr + ")"
	}
	return addr
}

// who tells who the two sides are, by the entities behind their addresses.
func (x *explanation) who() {
	x.line("\nWho")
	for _, side := range []struct{ title, addr, port, mac string }{
		{"originator", "id.orig_h", "id.orig_p", "orig_l2_addr"}, {"responder", "id.resp_h", "id.resp_p", "resp_l2_addr"},
	} {
		s := &x.session
		addr := s.text(side.addr)
		end := addr
		if p := s.text("proto"); p == "tcp" || p == "udp" || p == "sctp" {
			end = net.JoinHostPort(addr, strconv.FormatInt(s.int(side.port), 10)) + "/" + p
		}
		x.line("  %-10s  %s%s", side.title, end, x.place(side.addr))
		d, ok := x.devices[addr]
		if !ok {
			x.line("              no device is known behind it")
			continue
		}
		role := ""
		if r := d.text("role"); r != "" {
			role = fmt.Sprintf(", %s (p %.2f)", r, d.float("role_p"))
		}
		x.line("              %s%s, seen from %s to %s", d.text("name"), role, clock(d.int("ts")), clock(d.int("last_seen")))
		for _, f := range []struct{ title, field string }{{"names", "names"}, {"people", "users"}, {"addresses", "addrs"}, {"interfaces", "macs"}} {
			if l := d.list(f.field); len(l) > 0 {
				x.line("              %s: %s", f.title, printable(some(l, 6)))
			}
		}
	}
	if d := x.session.text("domain"); d != "" {
		how := map[string]string{"sni": "the client named it in TLS", "http": "the client named it in HTTP", "cert": "the server's certificate names it", "dns": "its address was looked up under this name"}
		x.line("  %-10s  %s: %s", "name", d, cmp.Or(how[x.session.text("domain_source")], x.session.text("domain_source")))
	}
}

// place says on which side of the network's border an address is.
func (x *explanation) place(field string) string {
	home, known := x.session.get(map[string]string{"id.orig_h": "local_orig", "id.resp_h": "local_resp"}[field]).(bool)
	switch {
	case !known:
		return ""
	case home:
		return ", of the home network"
	}
	return ", outside"
}

// states are the words of conn_state.
var states = map[string]string{
	"OTH": "no beginning was seen", "S0": "nobody answered", "S1": "established, no end was seen", "SF": "established, and ended in order",
	"REJ": "it was rejected", "S2": "the originator ended its side only", "S3": "the responder ended its side only", "RSTO": "the originator broke it off",
	"RSTR": "the responder broke it off", "RSTOS0": "the originator gave up before an answer", "RSTRH": "the responder broke off before it began",
	"SH": "the originator began and ended it, no answer was seen", "SHR": "only the responder's answer and end were seen",
}

// what tells what the session is, when it was and how much went which way.
func (x *explanation) what() {
	s := &x.session
	certain := ""
	if p := s.float("app_p"); p > 0 && p < 1 {
		certain = fmt.Sprintf(" (p %.2f)", p)
	}
	secret := ""
	if s.get("encrypted") == true {
		secret = ", encrypted"
	}
	x.line("\nWhat        %s%s%s over %s; %s (%s, history %s)", x.app(s), certain, secret, s.text("proto"), cmp.Or(states[s.text("conn_state")], "state unknown"), s.text("conn_state"), s.text("history"))
	if l := s.list("tunnel_parents"); len(l) > 0 {
		x.line("            it came out of a tunnel: session %s", printable(strings.Join(l, ", ")))
	}
	for _, n := range s.list("notes") {
		x.line("            note: %s", printable(n))
	}
	x.line("When        %s to %s UTC, %s", clock(s.int("ts")), clock(x.end()), duration(time.Duration(s.int("duration"))))
	x.line("How much    %s sent in %s packets, %s received in %s packets", amount.Size(uint64(s.int("orig_bytes"))), amount.Thousands(uint64(s.int("orig_pkts"))), amount.Size(uint64(s.int("resp_bytes"))), amount.Thousands(uint64(s.int("resp_pkts"))))
	if n := s.int("missed_bytes"); n > 0 {
		x.line("            %s are missing in the capture", amount.Size(uint64(n)))
	}
}

// heard tells what a session's messages sound like, whatever its content: labels,
// who leads, segments, and the series they were heard in. A model's evidence for
// a label or a segment belongs below it.
func (x *explanation) heard() {
	s := &x.session
	labels := s.text("labels")
	if labels == "" && s.text("control") == "" && len(x.segments) == 0 && len(x.entries) == 0 {
		return
	}
	x.line("\nHeard")
	var named []struct {
		Name string  `json:"name"`
		P    float64 `json:"p"`
	}
	if json.Unmarshal([]byte(labels), &named) == nil {
		for _, l := range named {
			x.line("  %-20s p %.2f", printable(l.Name), l.P)
		}
	}
	if c := s.text("control"); c != "" {
		who := map[string]string{"orig": "the originator leads", "resp": "the responder leads: whoever is at the far end gives the orders", "both": "both lead in turn", "none": "neither leads"}
		x.line("  %s (p %.2f)", cmp.Or(who[c], c), s.float("control_p"))
	}
	for i, g := range x.segments {
		if i == maxLines {
			x.line("  and %d segments more", len(x.segments)-i)
			break
		}
		x.line("  %s to %s  %-10s p %.2f  %s sent, %s received", clock(g.int("t0")), clock(g.int("t1")), g.text("state"), g.float("p"), amount.Size(uint64(g.int("orig_bytes"))), amount.Size(uint64(g.int("resp_bytes"))))
	}
	x.series()
}

// series tells of the session's series in a line.
func (x *explanation) series() {
	if len(x.entries) == 0 {
		return
	}
	var n [2]int
	var quiet, last int64
	messages := 0
	for i, e := range x.entries {
		if e.Message {
			messages++
		} else {
			n[e.Dir]++
		}
		if i > 0 && e.Time-last > quiet {
			quiet = e.Time - last
		}
		last = e.Time
	}
	x.line("  in %d packets with %d messages: %d sent, %d received, the longest quiet %s", len(x.entries)-messages, messages, n[session.Orig], n[session.Resp], duration(time.Duration(quiet)))
}

// maxLines is how many lines a list has.
const maxLines = 24

// said tells the records of protocols, and what was odd about them.
func (x *explanation) said() {
	if len(x.records) == 0 {
		return
	}
	x.line("\nSaid")
	for i, r := range x.records {
		if i == maxLines {
			x.line("  and %d records more: tyto hunt 'KIND where uid = %s'", len(x.records)-i, printable(x.uid))
			break
		}
		x.line("  %s", clip(fmt.Sprintf("%s  %-12s %s", clock(r.int("ts"))[11:], r.kind, r.words()), 200))
	}
}

// words is a record's own fields in a line.
func (r *row) words() string {
	var parts []string
	for i, f := range r.fields {
		if f.Name == "ts" || f.Name == "uid" || strings.HasPrefix(f.Name, "id.") || r.values[i] == nil {
			continue
		}
		if v := hunt.Display(r.values[i], f.Type); v != "" {
			parts = append(parts, f.Name+" "+v)
		}
	}
	return strings.Join(parts, ", ")
}

// suspected tells the detections that name the session, with their evidence.
func (x *explanation) suspected() {
	for i, d := range x.findings {
		if i == 0 {
			x.line("\nSuspected")
		}
		x.line("  %s: %s (%s, p %.2f)", d.text("id"), d.text("title"), d.text("severity"), d.float("p"))
		var evidence []struct {
			Claim string  `json:"claim"`
			LLR   float64 `json:"llr"`
			UID   string  `json:"uid"`
		}
		if text, _ := d.get("evidence").(string); json.Unmarshal([]byte(text), &evidence) != nil {
			continue
		}
		for _, e := range evidence {
			here := ""
			if e.UID == x.uid {
				here = " (this session)"
			}
			x.line("    %+.1f nats  %s%s", e.LLR, printable(e.Claim), here)
		}
	}
}

// maxNeighbours is how many sessions before and after are told.
const maxNeighbours = 6

// neighbours tells what the originator's device did just before and after.
func (x *explanation) neighbours() {
	start := x.session.int("ts")
	after := slices.IndexFunc(x.around, func(r row) bool { return r.int("ts") > start })
	if after < 0 {
		after = len(x.around)
	}
	list := x.around[max(after-maxNeighbours, 0):min(after+maxNeighbours, len(x.around))]
	if len(list) == 0 {
		return
	}
	x.line("\nAround it: %s of the same device from 5 minutes before to 5 minutes after; the nearest", amount.Number(len(x.around), "session", "sessions"))
	for _, r := range list {
		name := ""
		if d := r.text("domain"); d != "" {
			name = " " + d
		}
		x.line("  %9s  %s  %s → %s%s, %s, %s", sooner(r.int("ts")-start), r.text("uid"), r.text("id.orig_h"),
			net.JoinHostPort(r.text("id.resp_h"), strconv.FormatInt(r.int("id.resp_p"), 10)), name, x.app(&r), amount.Size(uint64(r.int("orig_bytes")+r.int("resp_bytes"))))
	}
}

// sooner is a difference of times with its sign.
func sooner(ns int64) string {
	if ns < 0 {
		return "-" + duration(time.Duration(-ns))
	}
	return "+" + duration(time.Duration(ns))
}

// clock is a time as people write it, in UTC.
func clock(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02 15:04:05.000") }

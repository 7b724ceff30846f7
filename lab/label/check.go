package label

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What a run may hold. A run that was read stays within these.
const (
	MaxFile     = 64 << 20 // bytes of NAME.json
	MaxFlows    = 1 << 16
	MaxSegments = 1 << 16 // of a flow
	MaxKeys     = 1 << 18 // of a flow
	MaxList     = 1 << 10 // of hosts, software, parameters, labels, techniques, notes
	MaxText     = 4 << 10 // bytes of any string
	MaxName     = 200     // bytes of the names of runs, scenarios and variants
)

// maxCommas is how many commas a file may have.
const maxCommas = 1 << 20

// maxProblems is how many problems Check tells before it gives up.
const maxProblems = 20

// checker collects what is wrong.
type checker struct{ problems []error }

func (c *checker) failf(format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, fmt.Errorf(format, args...))
	}
}

// Check returns what is wrong with a run, joined, or nil: names that are
// missing or unknown, times out of order or outside the capture, hosts that
// are not listed, and more of anything than a run may hold.
func (r *Run) Check() error {
	var c checker
	if r.Format != FormatVersion {
		c.failf("format %d, this is for %d", r.Format, FormatVersion)
	}
	c.name("name", r.Name)
	c.name("scenario", r.Scenario)
	c.name("variant", r.Variant)
	if !slices.Contains([]string{"client", "core", "server"}, r.Sensor) {
		c.failf("sensor %.40q, want client, core or server", r.Sensor)
	}
	if r.T0 < 0 || r.T0 > r.T1 {
		c.failf("the capture ends (%d) before it begins (%d)", r.T1, r.T0)
	}
	if r.Packets < 0 || r.Bytes < 0 {
		c.failf("%d packets of %d bytes", r.Packets, r.Bytes)
	}
	c.labels("run", r.Labels)
	c.texts(r)
	c.profile(&r.Profile)
	c.lateness(r.Lateness)
	c.hosts(r)
	c.flows(r)
	return errors.Join(c.problems...)
}

func (c *checker) name(what, s string) {
	if s == "" || len(s) > MaxName || strings.ContainsAny(s, "/\x00") || s[0] == '.' {
		c.failf("%s %.40q is not a name", what, s)
	}
	c.text(what, s)
}

func (c *checker) text(what, s string) {
	if len(s) > MaxText {
		c.failf("%s has %d bytes, more than %d", what, len(s), MaxText)
	}
	if !utf8.ValidString(s) {
		c.failf("%s %.40q is not UTF-8", what, s)
	}
}

// count reports whether there are no more than most.
func (c *checker) count(what string, n, most int) bool {
	if n > most {
		c.failf("%d %s, more than %d", n, what, most)
	}
	return n <= most
}

func (c *checker) texts(r *Run) {
	if c.count("parameters", len(r.Params), MaxList) {
		for k, v := range r.Params {
			c.text("parameter", k)
			c.text("parameter "+k, v)
		}
	}
	if c.count("notes", len(r.Notes), MaxList) {
		for _, s := range r.Notes {
			c.text("note", s)
		}
	}
	if c.count("techniques", len(r.Techniques), MaxList) {
		for _, s := range r.Techniques {
			if !IsTechnique(s) {
				c.failf("technique %.40q is not an ATT&CK id", s)
			}
		}
	}
	c.text("twin", r.Twin)
	c.text("typist", r.Typist)
}

// IsTechnique reports whether s has the form of an ATT&CK technique's id
// (T1021 or T1021.004).
func IsTechnique(s string) bool {
	id, sub, dot := strings.Cut(s, ".")
	digits := func(s string, n int) bool {
		return len(s) == n && strings.Trim(s, "0123456789") == ""
	}
	return strings.HasPrefix(id, "T") && digits(id[1:], 4) && (!dot || digits(sub, 3))
}

func (c *checker) labels(what string, labels []Label) {
	var seen [numLabels]bool
	for _, l := range labels {
		if l == Unknown || l >= numLabels {
			c.failf("%s: label %d is unknown", what, l)
			continue
		}
		if seen[l] {
			c.failf("%s: label %s twice", what, l)
		}
		seen[l] = true
	}
}

func (c *checker) profile(p *Profile) {
	c.text("profile", p.Name)
	if p.Name == "" {
		c.failf("the network profile has no name")
	}
	// Written so that NaN fails.
	if !(p.RTT >= 0 && p.Jitter >= 0 && p.Rate >= 0 && p.Loss >= 0 && p.Loss <= 1 && p.Reorder >= 0 && p.Reorder <= 1) {
		c.failf("profile %.40q has a value out of range", p.Name)
	}
	if p.MTU < 0 || p.MTU > 1<<16 || p.Queue < 0 {
		c.failf("profile %.40q: MTU %d, queue %d", p.Name, p.MTU, p.Queue)
	}
}

func (c *checker) lateness(l Lateness) {
	if !(l.P50 >= 0 && l.P50 <= l.P99 && l.P99 <= l.Max) {
		c.failf("lateness p50 %v, p99 %v, max %v", l.P50, l.P99, l.Max)
	}
}

func (c *checker) hosts(r *Run) {
	if !c.count("hosts", len(r.Hosts), MaxList) || !c.count("software", len(r.Software), MaxList) {
		return
	}
	names := make(map[string]bool)
	for _, h := range r.Hosts {
		c.name("host", h.Name)
		c.text("role of host "+h.Name, h.Role)
		c.addr("host "+h.Name, h.Addr)
		if names[h.Name] {
			c.failf("host %.40q twice", h.Name)
		}
		names[h.Name] = true
	}
	for _, s := range r.Software {
		c.text("software", s.Name)
		c.text("version", s.Version)
		if s.Name == "" || !names[s.Host] {
			c.failf("software %.40q on host %.40q, which is not listed", s.Name, s.Host)
		}
	}
	for i := range r.Flows {
		if p := r.Flows[i].Process; p != nil && !names[p.Host] {
			c.failf("flow %d: its process is on host %.40q, which is not listed", i, p.Host)
		}
	}
}

func (c *checker) addr(what string, a netip.Addr) {
	if !a.IsValid() || a.Is4In6() {
		c.failf("%s: address %s is not valid", what, a)
	}
	if len(a.Zone()) > MaxName {
		c.failf("%s: zone of %d bytes", what, len(a.Zone()))
	}
}

func (c *checker) flows(r *Run) {
	if !c.count("flows", len(r.Flows), MaxFlows) {
		return
	}
	last := r.T0
	for i := range r.Flows {
		f := &r.Flows[i]
		if f.T0 < last || f.T0 > f.T1 || f.T1 > r.T1 {
			c.failf("flow %d: times are out of order", i)
		}
		last = f.T0
		c.flow(fmt.Sprintf("flow %d", i), f)
	}
}

func (c *checker) flow(what string, f *Flow) {
	if !validProto(f.Proto) {
		c.failf("%s: protocol %.40q", what, f.Proto)
	}
	c.addr(what, f.Src)
	c.addr(what, f.Dst)
	c.labels(what, f.Labels)
	if p := f.Process; p != nil {
		c.text(what+": process", p.Name)
		c.text(what+": command", p.Command)
		if p.PID < 0 {
			c.failf("%s: process %d", what, p.PID)
		}
	}
	if c.count("segments of "+what, len(f.Segments), MaxSegments) {
		last := f.T0
		for i, s := range f.Segments {
			if s.T0 < last || s.T0 > s.T1 || s.T1 > f.T1 {
				c.failf("%s: segment %d: times are out of order", what, i)
			}
			last = s.T0
			if s.State == StateUnknown || s.State >= numStates {
				c.failf("%s: segment %d: state %d is unknown", what, i, s.State)
			}
			c.text(what+": detail", s.Detail)
		}
	}
	if c.count("keys of "+what, len(f.Keys), MaxKeys) {
		last := f.T0
		for i, k := range f.Keys {
			if k < last || k > f.T1 {
				c.failf("%s: key %d: times are out of order", what, i)
				break
			}
			last = k
		}
	}
}

func validProto(s string) bool {
	switch s {
	case "tcp", "udp", "icmp", "sctp":
		return true
	}
	number, ok := strings.CutPrefix(s, "ip-")
	n, err := strconv.ParseUint(number, 10, 8)
	return ok && err == nil && strconv.FormatUint(n, 10) == number
}

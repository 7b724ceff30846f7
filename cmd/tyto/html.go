package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tyto/detection"
	"tyto/entity"
	"tyto/packet"
	"tyto/report"
	"tyto/sensor"
)

// htmlPage is the page of --html: what it needs of an analysis that the story
// does not.
type htmlPage struct {
	options
	title    string
	source   string // how other commands name the captures
	judged   bool
	graph    *entity.Graph // nil if the records must not tell entities
	recorder *report.Recorder
}

// newPage asks the sensor for what the page needs; nil without --html. It is
// called when the rest of the configuration stands.
func newPage(o options, c *sensor.Config, title string, src *captures) *htmlPage {
	if o.html == "" {
		return nil
	}
	p := &htmlPage{options: o, title: title, judged: len(c.Detectors) > 0, recorder: report.NewRecorder()}
	switch {
	case o.db != "":
		p.source = "--db " + report.Quoted(o.db)
	case src.files != nil && !slices.Contains(o.captures, "-"):
		var names []string
		for _, f := range o.captures {
			names = append(names, report.Quoted(f))
		}
		p.source = strings.Join(names, " ")
	}
	c.Summary = true
	if c.Graph == nil && !o.json { // entities would be among the records
		c.Graph = entity.New(entity.Options{Home: o.home})
	}
	p.graph = c.Graph
	c.Detectors = append(slices.Clone(c.Detectors), p.recorder)
	return p
}

// write writes the page. The summary must have concluded. A page that cannot be
// written to its end leaves nothing.
func (p *htmlPage) write(res *sensor.Result) error {
	f, err := os.CreateTemp(filepath.Dir(p.html), ".tyto-*.html")
	if err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	w := bufio.NewWriter(f)
	err = cmp.Or(report.Write(w, p.input(res)), w.Flush(), f.Chmod(0o644))
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), p.html)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("make the page: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// input is what the page is made of.
func (p *htmlPage) input(res *sensor.Result) *report.Input {
	st, m := &res.Stats, res.Summary
	in := &report.Input{
		Title: p.title, Source: p.source, Stored: p.db != "", First: st.First, Last: st.Last, Packets: st.Packets, Bytes: st.Bytes, Sessions: st.Sessions,
		Judged: p.judged, Heard: !p.noModel, Named: p.recorder.Named(), Devices: p.devices(m), Home: p.atHome,
		Name: func(a packet.Addr) string { return pageName(m, a) }, Lost: lost(st, m),
	}
	if res.Judgement != nil {
		in.Cases = res.Judgement.Cases
	}
	for i := range m.Inside {
		v := &m.Inside[i]
		in.Distinct = append(in.Distinct, &detection.Session{UID: v.UID, First: v.First, Last: v.Last, Tuple: v.Tuple, App: v.App, Domain: v.Domain, Bytes: v.Bytes, Heard: v.Heard})
	}
	for _, d := range m.Devices {
		switch {
		case d.Addr.IsMulticast() || d.Addr.IsZero():
		case d.Local:
			in.AtHome++
		default:
			in.Elsewhere++
		}
	}
	for i, name := range [...]string{"inside", "out", "in", "between others"} {
		v := &m.Paths[i]
		if total := v.OrigBytes + v.RespBytes; total > 0 {
			in.Encrypted = append(in.Encrypted, fmt.Sprintf("%s %.0f %%", name, 100*float64(v.Encrypted)/float64(total)))
		}
	}
	for _, f := range m.SortedFindings() {
		n := report.Note{Kind: f.Kind.String(), Text: strings.Join(findingText(m, f), "")}
		if len(f.UIDs) > 0 && !f.UIDs[0].IsZero() {
			n.UID = f.UIDs[0].String()
		}
		in.Notes = append(in.Notes, n)
	}
	return in
}

// atHome reports whether an address is in a home network, as the sensor sees it.
func (p *htmlPage) atHome(a packet.Addr) bool {
	if p.home == nil {
		return a.IsPrivate()
	}
	return slices.ContainsFunc(p.home, func(n netip.Prefix) bool { return n.Contains(a.Netip()) })
}

// pageName is what the page calls an address: the name of story, empty if there is none.
func pageName(m *sensor.Summary, a packet.Addr) string {
	if m.Name(a) == "" {
		return ""
	}
	return shortName(m, a)
}

// devices are the devices that the graph knows, then addresses of which only the
// summary knows: those at home first, by the bytes they moved.
func (p *htmlPage) devices(m *sensor.Summary) []report.Device {
	var list []report.Device
	known := make(map[packet.Addr]int) // index in list
	if p.graph != nil {
		for _, d := range p.graph.Devices() {
			if len(d.Addresses) == 0 {
				continue
			}
			for _, t := range d.Addresses {
				known[t.Addr] = len(list)
			}
			list = append(list, deviceOf(d))
		}
	}
	for _, d := range m.SortedDevices() {
		if d.Addr.IsMulticast() || d.Addr.IsZero() {
			continue
		}
		i, ok := known[d.Addr]
		if !ok {
			i = len(list)
			list = append(list, report.Device{Addrs: []packet.Addr{d.Addr}, Name: m.Name(d.Addr), Users: d.Accounts()})
			if !d.MAC.IsZero() {
				list[i].MACs = []string{d.MAC.String()}
			}
		}
		v := &list[i]
		v.Local = v.Local || d.Local
		v.Sent, v.Received = v.Sent+d.Sent, v.Received+d.Received
		if v.Serves == nil {
			v.Serves = appsOf(d.Server)
		}
		if v.Uses == nil {
			v.Uses = appsOf(d.Client)
		}
	}
	slices.SortStableFunc(list, func(a, b report.Device) int {
		if a.Local != b.Local {
			if a.Local {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.Sent+b.Received, a.Sent+a.Received)
	})
	return list
}

// deviceOf is a device of the graph as the page shows it.
func deviceOf(d *entity.Device) report.Device {
	v := report.Device{Name: d.Name, Vendor: d.Vendor, Local: true}
	for i := len(d.Addresses) - 1; i >= 0; i-- {
		if a := d.Addresses[i].Addr; !slices.Contains(v.Addrs, a) {
			v.Addrs = append(v.Addrs, a)
		}
	}
	for _, mac := range d.MACs {
		v.MACs = append(v.MACs, mac.String())
	}
	for _, r := range d.Roles {
		v.Roles = append(v.Roles, strings.ReplaceAll(r.Name, "-", " "))
	}
	values := func(claims []entity.Claim) (list []string) {
		for _, c := range claims {
			if !slices.Contains(list, c.Value) {
				list = append(list, c.Value)
			}
		}
		return list
	}
	v.Names, v.Users, v.Software = values(d.Names), values(d.Users), values(d.Software)
	return v
}

// lost says what was not seen or not kept.
func lost(st *sensor.Stats, m *sensor.Summary) (list []report.Count) {
	for _, c := range []report.Count{
		{N: st.Undecoded, What: "frames without IP"},
		{N: st.Flawed, What: "frames with a flawed header"},
		{N: st.FragmentsLost, What: "fragments without the rest"},
		{N: st.GapBytes, What: "stream bytes missing in the capture"},
		{N: st.ShedSessions, What: "sessions ended early for the memory budget"},
		{N: st.ShedStreams, What: "segments given up for the memory budget"},
		{N: st.ShedSeries, What: "packets left out of series"},
		{N: st.ShedRecords, What: "anomalies beyond the limit of a session"},
		{N: st.Faults, What: "analyzers stopped by a mistake of tyto's own"},
		{N: m.Overflow, What: "facts beyond the story's limits"},
	} {
		if c.N > 0 {
			list = append(list, c)
		}
	}
	return list
}

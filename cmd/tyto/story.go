package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"tyto/packet"
	"tyto/sensor"
)

// story prints what a capture shows on one screen.
type story struct {
	out         io.Writer
	width       int
	color       bool
	title       string
	res         *sensor.Result
	took        time.Duration
	logs        string
	interrupted bool
}

// Rows of each part: the whole fits a screen of about forty lines.
const (
	storyDevices  = 8
	storyApps     = 8
	storyFindings = 12
)

const (
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
	plain  = "\x1b[0m"
)

func (s story) paint(color, text string) string {
	if !s.color {
		return text
	}
	return color + text + plain
}

// line prints a line cut to the width. Colors are given by spans that start at
// a column, so that cutting does not count them.
func (s story) line(color, head, rest string) {
	head = clip(head, s.width)
	r := []rune(rest)
	if n := s.width - len([]rune(head)); len(r) > n {
		r = append(r[:max(n-1, 0)], '…')
	}
	fmt.Fprintln(s.out, s.paint(color, head)+string(r))
}

func (s story) print() {
	m := s.res.Summary
	m.Scans()
	s.head()
	s.devices(m)
	s.apps(m)
	s.findings(m)
	s.tail(m)
}

func (s story) head() {
	st := &s.res.Stats
	first, last := time.Unix(0, st.First).UTC(), time.Unix(0, st.Last).UTC()
	until := last.Format("15:04:05")
	if first.YearDay() != last.YearDay() || first.Year() != last.Year() {
		until = last.Format("2006-01-02 15:04:05")
	}
	s.line(bold, clip(s.title, s.width), "")
	s.line("", "", fmt.Sprintf("  %s to %s UTC (%s): %s packets, %s in %s sessions.", first.Format("2006-01-02 15:04:05"), until,
		duration(last.Sub(first)), thousands(st.Packets), size(st.Bytes), thousands(st.Sessions)))
	s.line("", "", "  "+s.encrypted())
}

// encrypted tells what part of the bytes cannot be read, by direction.
func (s story) encrypted() string {
	var parts []string
	for p, name := range [...]string{"inside", "out", "in", "between others"} {
		v := s.res.Summary.Paths[p]
		total := v.OrigBytes + v.RespBytes
		if total == 0 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %.0f %% of %s", name, 100*float64(v.Encrypted)/float64(total), size(total)))
	}
	if parts == nil {
		return "No payload was exchanged."
	}
	return "Encrypted: " + strings.Join(parts, ", ") + "."
}

func (s story) heading(text string) {
	fmt.Fprintln(s.out)
	s.line(cyan, text, "")
}

func (s story) devices(m *sensor.Summary) {
	list := slices.DeleteFunc(m.SortedDevices(), func(d *sensor.Device) bool {
		silent := d.Sent == 0 && len(d.Client) == 0 && len(d.Server) == 0 && len(d.Names) == 0
		return silent || d.Addr.IsMulticast() || d.Addr.IsZero()
	})
	local := 0
	for _, d := range list {
		if d.Local {
			local++
		}
	}
	if len(list) == 0 {
		return
	}
	s.heading(fmt.Sprintf("Devices: %s at home, %s elsewhere", thousands(uint64(local)), thousands(uint64(len(list)-local))))
	shown := list[:min(len(list), storyDevices)]
	wide := 0
	labels := make([]string, len(shown))
	for i, d := range shown {
		labels[i] = d.Addr.String()
		if name := m.Name(d.Addr); name != "" {
			labels[i] += " " + clip(printable(name), 32)
		}
		wide = max(wide, len([]rune(labels[i])))
	}
	wide = min(wide, s.width/2)
	for i, d := range shown {
		head := "  " + pad(clip(labels[i], wide), wide) + "  "
		s.line(bold, head, s.deviceText(d))
	}
	if n := len(list) - len(shown); n > 0 {
		s.line(dim, fmt.Sprintf("  and %s more", thousands(uint64(n))), "")
	}
}

func (s story) deviceText(d *sensor.Device) string {
	var parts []string
	if len(d.Users) > 0 {
		users := make([]string, 0, 3)
		for _, u := range d.Users[:min(3, len(d.Users))] {
			users = append(users, printable(u.Value))
		}
		parts = append(parts, "user "+strings.Join(users, ", "))
	}
	if list := topApps(d.Server); list != "" {
		parts = append(parts, "serves "+list)
	}
	if list := topApps(d.Client); list != "" {
		parts = append(parts, "uses "+list)
	}
	return strings.Join(append(parts, fmt.Sprintf("%s out, %s in", size(d.Sent), size(d.Received))), "; ")
}

// topApps names the three most frequent protocols.
func topApps(m map[string]int) string {
	names := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(m[b], m[a]) })
	more := len(names) - 3
	for i := range names {
		if m[names[i]] > 1 {
			names[i] = fmt.Sprintf("%s %s", names[i], thousands(uint64(m[names[i]])))
		}
	}
	if more > 0 {
		return strings.Join(names[:3], ", ") + fmt.Sprintf(" +%d", more)
	}
	return strings.Join(names, ", ")
}

func (s story) apps(m *sensor.Summary) {
	names := slices.Sorted(maps.Keys(m.Apps))
	total := func(v *sensor.Volume) uint64 { return v.OrigBytes + v.RespBytes }
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(total(m.Apps[b]), total(m.Apps[a])), cmp.Compare(m.Apps[b].Sessions, m.Apps[a].Sessions))
	})
	if len(names) == 0 {
		return
	}
	s.heading(fmt.Sprintf("Protocols: %d, by what they carried", len(names)))
	most := max(total(m.Apps[names[0]]), 1)
	shown := names[:min(len(names), storyApps)]
	for _, name := range shown {
		v := m.Apps[name]
		cells := int(20 * total(v) / most)
		if total(v) > 0 {
			cells = max(cells, 1)
		}
		s.line(bold, "  "+pad(name, 14), fmt.Sprintf("%s %8s %s %9s out %9s back", pad(strings.Repeat("▇", cells), 20), thousands(v.Sessions),
			plural(v.Sessions, "session ", "sessions"), size(v.OrigBytes), size(v.RespBytes)))
	}
	if n := len(names) - len(shown); n > 0 {
		s.line(dim, "  and "+strings.Join(names[len(shown):], ", "), "")
	}
}

func (s story) findings(m *sensor.Summary) {
	list := m.SortedFindings()
	if len(list) == 0 {
		s.heading("Worth a look: nothing stood out")
		return
	}
	s.heading(fmt.Sprintf("Worth a look: %s", thousands(uint64(len(list)))))
	shown := choose(list, storyFindings)
	for _, f := range shown {
		color := yellow
		if f.Kind <= sensor.FindCredential {
			color = red
		}
		tail := ""
		if len(f.UIDs) > 0 && !f.UIDs[0].IsZero() {
			tail = "  " + f.UIDs[0].String()
		}
		head := "  " + pad(f.Kind.String(), 18)
		text := s.findingText(m, f)
		room := s.width - len([]rune(head)) - len(tail)
		s.line(color, head, pad(clip(text, room), room)+tail)
	}
	if n := len(list) - len(shown); n > 0 {
		s.line(dim, fmt.Sprintf("  and %s more", thousands(uint64(n))), "")
	}
}

// choose takes findings of every kind in turn, so that many of one kind do not
// hide the others.
func choose(list []*sensor.Finding, n int) []*sensor.Finding {
	var out []*sensor.Finding
	for round := 0; len(out) < min(n, len(list)); round++ {
		seen := make(map[sensor.FindingKind]int)
		for _, f := range list {
			if seen[f.Kind] == round && len(out) < n {
				out = append(out, f)
			}
			seen[f.Kind]++
		}
	}
	slices.SortStableFunc(out, func(a, b *sensor.Finding) int { return cmp.Compare(a.Kind, b.Kind) })
	return out
}

// findingText says in plain words what was found.
func (s story) findingText(m *sensor.Summary, f *sensor.Finding) string {
	// The list of devices ties names to addresses; here a name is enough.
	who := func(a packet.Addr) string {
		if name := m.Name(a); name != "" {
			return clip(printable(name), 28)
		}
		return a.String()
	}
	at := net.JoinHostPort(who(f.Resp), strconv.Itoa(int(f.Port)))
	times := ""
	if f.Sessions > 1 {
		times = fmt.Sprintf(", %s sessions", thousands(uint64(f.Sessions)))
	}
	switch f.Kind {
	case sensor.FindScan:
		return fmt.Sprintf("%s tried %d addresses, %d ports in vain (%s times)", who(f.Orig), f.Targets, f.Ports, thousands(uint64(f.Sessions)))
	case sensor.FindLogins:
		return fmt.Sprintf("%s was refused by %s on %s%s%s", who(f.Orig), f.Detail, at, times, account(f))
	case sensor.FindCredential:
		return fmt.Sprintf("%s sent %s's password in the clear (%s) to %s%s", who(f.Orig), printable(f.Detail), f.App, at, times)
	case sensor.FindOddPort:
		return fmt.Sprintf("%s served on an unusual port: %s%s", f.Detail, at, times)
	case sensor.FindTunnel:
		return fmt.Sprintf("%s tunnels (%s) to %s%s", who(f.Orig), printable(f.Detail), at, times)
	case sensor.FindCertificate:
		return fmt.Sprintf("%s certificate: %s%s", printable(f.Detail), at, times)
	}
	return fmt.Sprintf("%s in %s %s (%s)", f.Detail, thousands(uint64(f.Sessions)), plural(uint64(f.Sessions), "session", "sessions"), f.App)
}

func (s story) tail(m *sensor.Summary) {
	st := &s.res.Stats
	var lost []string
	add := func(n uint64, what string) {
		if n > 0 {
			lost = append(lost, thousands(n)+" "+what)
		}
	}
	add(st.Undecoded, "frames without IP")
	add(st.Flawed, "frames with a flawed header")
	add(st.FragmentsLost, "fragments without the rest")
	add(st.GapBytes, "stream bytes missing in the capture")
	add(st.ShedSessions, "sessions ended early for the memory budget")
	add(st.ShedStreams, "segments given up for the memory budget")
	add(st.ShedSeries, "packets left out of series")
	add(st.ShedRecords, "anomalies beyond the limit of a session")
	add(m.Overflow, "facts beyond the story's limits")
	fmt.Fprintln(s.out)
	if lost != nil {
		s.line(dim, "Not seen or not kept: "+strings.Join(lost, ", ")+".", "")
	}
	rate := float64(st.Packets) / max(s.took.Seconds(), 1e-6)
	end := fmt.Sprintf("%s, %s packets/s. All records: --json; Zeek logs: --logs DIR.", s.took.Round(time.Millisecond), thousands(uint64(rate)))
	if s.logs != "" {
		end = fmt.Sprintf("%s, %s packets/s. Logs are in %s.", s.took.Round(time.Millisecond), thousands(uint64(rate)), s.logs)
	}
	if s.interrupted {
		end = "Interrupted. " + end
	}
	s.line(dim, end, "")
}

// printable makes text from the network safe for a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x202e || r == 0x2066 || r == 0x2067 {
			return '·'
		}
		return r
	}, s)
}

// account names what was refused, if that says more than the protocol does.
func account(f *sensor.Finding) string {
	if f.Extra == "" || f.Extra == f.Detail {
		return ""
	}
	return " (" + printable(f.Extra) + ")"
}

func pad(s string, n int) string {
	if k := n - len([]rune(s)); k > 0 {
		return s + strings.Repeat(" ", k)
	}
	return s
}

func plural(n uint64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// size writes bytes with a unit, three digits at most.
func size(n uint64) string {
	units := [...]string{"B", "kB", "MB", "GB", "TB", "PB"}
	v := float64(n)
	i := 0
	for v >= 999.5 && i < len(units)-1 {
		v /= 1000
		i++
	}
	if i == 0 || v >= 99.5 {
		return fmt.Sprintf("%.0f %s", v, units[i])
	}
	return fmt.Sprintf("%.3g %s", v, units[i])
}

// duration writes a time span in words' usual units.
func duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < 48*time.Hour:
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

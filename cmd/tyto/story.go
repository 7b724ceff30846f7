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

	"tyto/internal/amount"
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
	storyFindings = 12
	storyDevices  = 8
	storyApps     = 6
	storyNames    = 4 // at most, of each list of a device
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
	m.Conclude()
	s.head()
	s.findings(m)
	s.devices(m)
	s.apps(m)
	s.inside(m)
	s.cases()
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
	span := fmt.Sprintf("  %s to %s UTC (%s)", first.Format("2006-01-02 15:04:05"), until, duration(last.Sub(first)))
	volume := fmt.Sprintf("%s packets, %s in %s %s.", amount.Thousands(st.Packets), amount.Size(st.Bytes), amount.Thousands(st.Sessions), plural(st.Sessions, "session", "sessions"))
	s.sentence(span+": ", volume)
	s.sentence("  ", s.encrypted()...)
}

// sentence prints parts one after the other, in another line where the width is
// used up.
func (s story) sentence(head string, parts ...string) {
	text := head
	for i, p := range parts {
		if i > 0 || head != "  " {
			if len([]rune(strings.TrimRight(text, " ")))+1+len([]rune(p)) > s.width {
				s.line("", "", strings.TrimRight(text, " "))
				text = "    "
			}
		}
		text += p + " "
	}
	s.line("", "", strings.TrimRight(text, " "))
}

// encrypted tells what part of the payload cannot be read, by direction.
func (s story) encrypted() []string {
	var parts []string
	for p, name := range [...]string{"inside", "out", "in", "between others"} {
		v := s.res.Summary.Paths[p]
		total := v.OrigBytes + v.RespBytes
		if total == 0 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %.0f %% of %s", name, 100*float64(v.Encrypted)/float64(total), amount.Size(total)))
	}
	if parts == nil {
		return []string{"No payload was exchanged."}
	}
	parts[0] = "Encrypted: " + parts[0]
	for i := range parts[:len(parts)-1] {
		parts[i] += ","
	}
	parts[len(parts)-1] += "."
	return parts
}

func (s story) heading(text string) {
	fmt.Fprintln(s.out)
	s.line(cyan, text, "")
}

func (s story) devices(m *sensor.Summary) {
	list := slices.DeleteFunc(m.SortedDevices(), func(d *sensor.Device) bool {
		silent := d.Sent == 0 && len(d.Client) == 0 && len(d.Server) == 0 && len(d.Names) == 0
		return silent || d.Addr.IsMulticast() || d.Addr.IsZero() || d.Addr.Netip().IsUnspecified()
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
	s.heading(fmt.Sprintf("Devices: %s at home, %s elsewhere", amount.Thousands(uint64(local)), amount.Thousands(uint64(len(list)-local))))
	shown := list[:min(len(list), storyDevices)]
	wide := 0
	labels := make([]string, len(shown))
	for i, d := range shown {
		labels[i] = d.Addr.String()
		name := printable(m.Name(d.Addr))
		if s.width < 100 {
			name = shortName(m, d.Addr)
		}
		if name != "" && name != labels[i] {
			labels[i] += " " + clip(name, 32)
		}
		wide = max(wide, len([]rune(labels[i])))
	}
	wide = min(wide, s.width*2/5)
	for i, d := range shown {
		head := "  " + pad(clip(labels[i], wide), wide) + "  "
		s.line(bold, head, s.deviceText(d, s.width-len([]rune(head))))
	}
	if n := len(list) - len(shown); n > 0 {
		s.line(dim, fmt.Sprintf("  and %s more", amount.Thousands(uint64(n))), "")
	}
}

// deviceText says what is known of a device, as much as there is room for: who
// uses it, what it serves and uses, and how much it sent and received.
func (s story) deviceText(d *sensor.Device, room int) string {
	volume := fmt.Sprintf("%s out, %s in", amount.Size(d.Sent), amount.Size(d.Received))
	users := d.Accounts()
	for i := range users {
		users[i] = printable(users[i])
	}
	serves, uses := appsOf(d.Server), appsOf(d.Client)
	text := func(n [3]int, volume string) string {
		var parts []string
		if len(users) > 0 {
			parts = append(parts, "user "+some(users, n[0]))
		}
		if len(serves) > 0 {
			parts = append(parts, "serves "+some(serves, n[1]))
		}
		if len(uses) > 0 {
			parts = append(parts, "uses "+some(uses, n[2]))
		}
		if volume != "" {
			parts = append(parts, volume)
		}
		return strings.Join(parts, "; ")
	}
	// One of each first, then more of each in turn while there is room.
	n := [3]int{1, 1, 1}
	best := text(n, volume)
	if len([]rune(best)) > room && len(users)+len(serves)+len(uses) > 0 {
		volume = ""
		best = text(n, volume)
	}
	for range storyNames {
		for i := range n {
			n[i]++
			if longer := text(n, volume); len([]rune(longer)) <= room {
				best = longer
				continue
			}
			n[i]--
		}
	}
	return best
}

// some names the first n of a list and counts the others.
func some(list []string, n int) string {
	if more := len(list) - n; more > 0 {
		return strings.Join(list[:n], ", ") + fmt.Sprintf(" +%d", more)
	}
	return strings.Join(list, ", ")
}

// supporting are protocols that every device speaks: they say little about what
// it is for.
var supporting = []string{"arp", "dns", "mdns", "llmnr", "nbns", "nbdgm", "dhcp", "dhcpv6", "icmp", "icmpv6", "igmp", "ntp", "ssdp"}

// appsOf names the protocols of a device with their sessions: the most frequent
// first, but what every device does, and what was not recognised, last.
func appsOf(m map[string]int) []string {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(m)), func(name string) bool { return name == "ftp-data" }) // it goes with ftp
	rank := func(name string) int {
		switch {
		case name == "unknown":
			return 2
		case slices.Contains(supporting, name):
			return 1
		}
		return 0
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(m[b], m[a])) })
	for i, name := range names {
		if m[name] > 1 {
			names[i] = name + " " + amount.Thousands(uint64(m[name]))
		}
	}
	return names
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
	bar := min(max(s.width-68, 8), 20)
	for _, name := range shown {
		v := m.Apps[name]
		cells := int(float64(bar) * float64(total(v)) / float64(most))
		if total(v) > 0 {
			cells = max(cells, 1)
		}
		s.line(bold, "  "+pad(name, 14), fmt.Sprintf("%s %8s %s %9s out %9s back", pad(strings.Repeat("▇", cells), bar), amount.Thousands(v.Sessions),
			plural(v.Sessions, "session ", "sessions"), amount.Size(v.OrigBytes), amount.Size(v.RespBytes)))
	}
	if n := len(names) - len(shown); n > 0 {
		s.line(dim, "  "+listFit(names[len(shown):], s.width-2), "")
	}
}

// listFit writes "and a, b and 3 more" in at most so many columns.
func listFit(names []string, room int) string {
	for n := len(names); n > 0; n-- {
		text := "and " + strings.Join(names[:n], ", ")
		if more := len(names) - n; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		if len([]rune(text)) <= room {
			return text
		}
	}
	return fmt.Sprintf("and %d more", len(names))
}

func (s story) findings(m *sensor.Summary) {
	list := m.SortedFindings()
	if len(list) == 0 {
		s.heading("Worth a look: nothing stood out")
		return
	}
	s.heading(fmt.Sprintf("Worth a look: %s", amount.Thousands(uint64(len(list)))))
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
		head := "  " + pad(f.Kind.String(), 14)
		room := s.width - len([]rune(head)) - len(tail)
		s.line(color, head, pad(clip(fit(room, findingText(m, f)), room), room)+tail)
	}
	if n := len(list) - len(shown); n > 0 {
		s.line(dim, fmt.Sprintf("  and %s more", amount.Thousands(uint64(n))), "")
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

// fit joins as many of the parts as there is room for, the first always.
func fit(room int, parts []string) string {
	text := parts[0]
	for _, p := range parts[1:] {
		if len([]rune(text))+len([]rune(p)) <= room {
			text += p
		}
	}
	return text
}

// findingText says in plain words what was found: what must be told, then
// details that may be left out.
func findingText(m *sensor.Summary, f *sensor.Finding) []string {
	who := func(a packet.Addr) string { return shortName(m, a) }
	at := who(f.Resp)
	if f.Port != 0 {
		at = net.JoinHostPort(at, strconv.Itoa(int(f.Port)))
	}
	times := ""
	if f.Sessions > 1 {
		times = fmt.Sprintf(", %s sessions", amount.Thousands(uint64(f.Sessions)))
	}
	switch f.Kind {
	case sensor.FindScan:
		return []string{fmt.Sprintf("%s: %s, %s in vain", who(f.Orig), about(f.Targets, "address", "addresses"), about(f.Ports, "port", "ports")),
			fmt.Sprintf(", %s times", amount.Thousands(uint64(f.Sessions)))}
	case sensor.FindLogins:
		from := who(f.Orig)
		if f.Sources > 0 {
			from = fmt.Sprintf("%d addresses", f.Sources)
		}
		return []string{fmt.Sprintf("%s got into %s after %s refusals", from, at, amount.Thousands(uint64(f.Refused))), " (" + f.App + as(f) + ")"}
	case sensor.FindRefused:
		parts := []string{who(f.Orig) + " by " + at}
		if f.Refused > 1 {
			parts = append(parts, fmt.Sprintf(", %s times", amount.Thousands(uint64(f.Refused))))
		}
		switch {
		case f.Accepted > 0 && f.Among:
			parts = append(parts, ", accepted in between")
		case f.Accepted > 0:
			parts = append(parts, ", then accepted")
		}
		return append(parts, " ("+f.App+as(f)+")")
	case sensor.FindCredential:
		account := printable(f.Detail)
		if account == "" {
			account = "an account"
		}
		return []string{account + " from " + who(f.Orig) + " to " + at, " (" + f.App + ")", times}
	case sensor.FindOddPort:
		return []string{f.Detail + " on " + at, times}
	case sensor.FindTunnel:
		if sensor.IsCarrier(f.Detail) {
			return []string{fmt.Sprintf("%s between %s and %s", f.Detail, who(f.Orig), who(f.Resp)), times}
		}
		return []string{fmt.Sprintf("%s from %s to %s", printable(f.Detail), who(f.Orig), at), times}
	case sensor.FindCertificate:
		return []string{printable(f.Detail) + ": " + at, times}
	}
	return []string{fmt.Sprintf("%s in %s (%s)", printable(f.Detail), amount.Number(f.Sessions, "session", "sessions"), f.App)}
}

// as names the account of a login, if that says more than the protocol does.
func as(f *sensor.Finding) string {
	if f.Extra == "" || f.Extra == f.App {
		return ""
	}
	return ", " + printable(f.Extra)
}

// shortName is what findings call an address: a device at home by its name
// alone, since the list of devices ties names to addresses, others by their
// domain.
func shortName(m *sensor.Summary, a packet.Addr) string {
	name := printable(m.Name(a))
	if name == "" {
		return a.String()
	}
	if d := m.Devices[a]; d != nil && d.Local {
		if first, _, dotted := strings.Cut(name, "."); dotted && first != "" {
			name = first
		}
	}
	return clip(name, 28)
}

// about is number for an estimate: two digits beyond the first dozens.
func about(n int, one, many string) string {
	if n < 50 {
		return amount.Number(n, one, many)
	}
	unit := 1
	for n/unit >= 100 {
		unit *= 10
	}
	return "about " + amount.Number((n+unit/2)/unit*unit, one, many)
}

func (s story) tail(m *sensor.Summary) {
	st := &s.res.Stats
	var notSeen []string
	for _, c := range lost(st, m) {
		notSeen = append(notSeen, amount.Thousands(c.N)+" "+c.What)
	}
	fmt.Fprintln(s.out)
	if notSeen != nil {
		s.line(dim, "Not seen or not kept: "+strings.Join(notSeen, ", ")+".", "")
	}
	rate := float64(st.Packets) / max(s.took.Seconds(), 1e-6)
	end := fmt.Sprintf("%s, %s packets/s. All records: --json; Zeek logs: --logs DIR.", s.took.Round(time.Millisecond), amount.Thousands(uint64(rate)))
	if s.logs != "" {
		end = fmt.Sprintf("%s, %s packets/s. Logs are in %s.", s.took.Round(time.Millisecond), amount.Thousands(uint64(rate)), s.logs)
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

package report

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"tyto/packet"
)

// clean makes text from the network safe to show, in at most n runes: html/template
// escapes markup, but not characters that turn the direction of text around or
// that cannot be seen.
func clean(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(s, "·"))
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// named puts the names of devices in the place of addresses of a text.
func (b *builder) named(text string) string {
	words := strings.Fields(clean(text, 4*b.text))
	for i, w := range words {
		core := strings.Trim(w, ",.;:()")
		if addr, err := netip.ParseAddr(core); err == nil {
			if name := b.name(packet.AddrOf(addr)); name != core {
				words[i] = strings.Replace(w, core, name, 1)
			}
		}
	}
	return clean(strings.Join(words, " "), b.text)
}

// name is what to call an address in a sentence.
func (b *builder) name(a packet.Addr) string {
	if b.in.Name != nil {
		if name := clean(b.in.Name(a), 40); name != "" {
			return name
		}
	}
	return a.String()
}

// Quoted makes a text one word of a shell's command line.
func Quoted(s string) string {
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:=@%,", r))
	}) < 0
	if plain && s[0] != '-' {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// clock writes a time, with its day if not all is of one day.
func (b *builder) clock(ns int64) string {
	if b.days {
		return time.Unix(0, ns).UTC().Format("01-02 15:04:05")
	}
	return time.Unix(0, ns).UTC().Format("15:04:05")
}

func date(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02 15:04:05") }

// stamp is the machine-readable form of a time.
func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

// span writes a time span in words' usual units.
func span(ns int64) string {
	switch d := time.Duration(max(ns, 0)); {
	case d < time.Second:
		return strconv.FormatInt(d.Round(time.Millisecond).Milliseconds(), 10) + " ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}

// probability writes p so that only what is certain looks so.
func probability(p float64) string {
	switch {
	case p >= 0.9995:
		return "over 99.9 %"
	case p >= 0.995:
		return fmt.Sprintf("%.1f %%", 100*p)
	case p < 0.005:
		return "under 1 %"
	}
	return fmt.Sprintf("%.0f %%", 100*p)
}

// some names the first n of a list and counts the others.
func some(list []string, n int) string {
	if more := len(list) - n; more > 0 {
		return strings.Join(list[:n], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(list, ", ")
}

// listed joins words as people do: a, b and c.
func listed(list []string) string {
	if n := len(list); n > 1 {
		return strings.Join(list[:n-1], ", ") + " and " + list[n-1]
	}
	return strings.Join(list, "")
}

// f1 is a coordinate.
func f1(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

package hunt

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tyto/internal/record"
	"tyto/store"
)

// duration is a length of time in ns; its text is the shortest.
type duration int64

var units = []struct {
	name string
	ns   int64
}{{"d", 86400e9}, {"h", 3600e9}, {"m", 60e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}}

// String writes whole units, the largest first: 1d12h.
func (d duration) String() string {
	var b strings.Builder
	if d < 0 {
		b.WriteByte('-')
	}
	left := uint64(d)
	if d < 0 {
		left = -left
	}
	for _, u := range units {
		if n := left / uint64(u.ns); n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			left %= uint64(u.ns)
		}
	}
	if d == 0 {
		return "0s"
	}
	return b.String()
}

// parseDuration reads a number with a unit, or several: 1h30m, 1.5d, -2h.
func parseDuration(s string) (duration, bool) {
	text, negative := strings.CutPrefix(s, "-")
	if text == "" {
		return 0, false
	}
	total := 0.0
	whole := int64(0)
	for text != "" {
		i := 0
		for i < len(text) && (text[i] >= '0' && text[i] <= '9' || text[i] == '.') {
			i++
		}
		j := i
		for j < len(text) && text[j] >= 'a' && text[j] <= 'z' {
			j++
		}
		ns := unit(text[i:j])
		v, err := strconv.ParseFloat(text[:i], 64)
		if err != nil || ns == 0 {
			return 0, false
		}
		if total += v * float64(ns); total >= math.MaxInt64/2 {
			return 0, false
		}
		n, err := strconv.ParseInt(text[:i], 10, 64)
		if err != nil {
			n = 0
			whole += int64(math.Round(v * float64(ns)))
		}
		whole += n * ns
		text = text[j:]
	}
	if negative {
		whole = -whole
	}
	return duration(whole), true
}

func unit(s string) int64 {
	for _, u := range units {
		if u.name == s {
			return u.ns
		}
	}
	return 0
}

// sizes are the units of numbers.
var sizes = []struct {
	name   string
	factor float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}}

// parseNumber reads a number, perhaps with a unit: 10, 1.5, 0x1f, 10MB. The
// result is an int64, uint64 or float64.
func parseNumber(s string) (any, bool) {
	factor := 1.0
	for _, u := range sizes {
		if t, ok := strings.CutSuffix(s, u.name); ok {
			s, factor = t, u.factor
			break
		}
	}
	if factor == 1 {
		if i, err := strconv.ParseInt(s, 0, 64); err == nil {
			return i, true
		}
		if u, err := strconv.ParseUint(s, 0, 64); err == nil {
			return u, true
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return nil, false
	}
	if v *= factor; v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return int64(v), true
	}
	return v, true
}

// timeForms are the forms of times, in UTC unless they say otherwise.
var timeForms = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", time.DateOnly}

// parseTime reads a time: a date, a date with a time, seconds since the epoch,
// or a duration before now, -2h.
func parseTime(s string, now int64) (int64, bool) {
	if d, ok := parseDuration(s); ok && d <= 0 {
		return now + int64(d), true
	}
	for _, form := range timeForms {
		if t, err := time.Parse(form, s); err == nil && t.Year() >= 1700 && t.Year() < 2200 {
			return t.UnixNano(), true
		}
	}
	whole, fraction, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || sec < -8e9 || sec > 8e9 || len(fraction) > 9 || strings.Trim(fraction, "0123456789") != "" {
		return 0, false
	}
	ns, _ := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	return sec*1e9 + ns, true
}

// value is a value as it is written; what it means depends on what it is
// compared with.
type value struct {
	text   string
	quoted bool
	column int
}

// String writes a word as it is; a quoted value stays quoted.
func (v value) String() string {
	if v.quoted {
		return strconv.Quote(v.text)
	}
	return v.text
}

// literal returns the value for a comparison with something of a type.
func (v value) literal(t record.Type, now int64) (store.Expr, error) {
	fail := func(form string) error {
		return &Error{v.column, fmt.Sprintf("%s is no %s; %s", v, t, form)}
	}
	switch {
	case t == record.Time:
		if ns, ok := parseTime(v.text, now); ok {
			return store.Literal{Value: ns}, nil
		}
		return nil, fail("write 2026-11-24, 2026-11-24T14:02, seconds since the epoch, or -7d for that long ago")
	case t == record.Interval:
		if d, ok := parseDuration(v.text); ok {
			return store.Literal{Value: int64(d)}, nil
		}
		if n, ok := parseNumber(v.text); ok && !v.quoted {
			if sec := toFloat(n); math.Abs(sec) < 9e9 {
				return store.Literal{Value: int64(math.Round(sec * 1e9))}, nil
			}
		}
		return nil, fail("write 500ms, 30s, 1h30m or 7d")
	case t == record.Bool:
		if v.text == "true" || v.text == "false" {
			return store.Literal{Value: v.text == "true"}, nil
		}
		return nil, fail("write true or false")
	case store.Base(t) == store.TextBase || store.Base(t).List():
		return store.Literal{Value: v.text}, nil
	}
	if n, ok := parseNumber(v.text); ok && !v.quoted {
		return store.Literal{Value: n}, nil
	}
	return nil, fail("write a number: 10, 1.5 or 10MB")
}

func toFloat(n any) float64 {
	switch n := n.(type) {
	case int64:
		return float64(n)
	case uint64:
		return float64(n)
	case float64:
		return n
	}
	return math.NaN()
}

// equals returns whether an expression of a type equals the value: in a
// network, by a pattern with *, or an element of a list.
func (v value) equals(e store.Expr, t record.Type, now int64) (store.Expr, error) {
	if t == record.Addr && strings.Contains(v.text, "/") {
		network, err := netip.ParsePrefix(v.text)
		if err != nil {
			return nil, &Error{v.column, fmt.Sprintf("%s is no network; write 10.0.0.0/8 or 2001:db8::/32", v)}
		}
		return store.Within{Addr: e, Network: network}, nil
	}
	text := store.Base(t) == store.TextBase
	if !v.quoted && strings.Contains(v.text, "*") && text {
		return pattern(e, v.text), nil
	}
	l, err := v.literal(t, now)
	if err != nil {
		return nil, err
	}
	switch {
	case store.Base(t) == store.TextsBase && !v.quoted && strings.Contains(v.text, "*"):
		return nil, &Error{v.column, "a list holds whole texts: leave the * out"}
	case store.Base(t) == store.TextsBase:
		return store.Call{Op: store.Has, Args: []store.Expr{e, l}}, nil
	case store.Base(t).List():
		return nil, &Error{v.column, fmt.Sprintf("%s cannot be compared; ask for its length", t)}
	}
	return store.Call{Op: store.Equal, Args: []store.Expr{e, l}}, nil
}

// pattern returns whether a text fits a pattern, in which * stands for any
// characters.
func pattern(e store.Expr, s string) store.Expr {
	call := func(op store.Op, text string) store.Expr {
		return store.Call{Op: op, Args: []store.Expr{e, store.Literal{Value: text}}}
	}
	inner := strings.Trim(s, "*")
	starts, ends := strings.HasPrefix(s, "*"), strings.HasSuffix(s, "*")
	switch {
	case strings.Contains(inner, "*"):
		parts := strings.Split(s, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		return call(store.Regex, "(?is)^"+strings.Join(parts, ".*")+"$")
	case starts && ends:
		return call(store.Contains, inner)
	case starts:
		return call(store.Ends, inner)
	}
	return call(store.Starts, inner)
}

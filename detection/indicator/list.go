package indicator

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// List is a list of indicators as it was read.
type List struct {
	Name    string
	Format  string // plain, csv, stix, misp
	Entries []Entry
	Skipped []Skip // what could not be used

	groups []group
}

// Skip is what could not be used of a list, for one reason.
type Skip struct {
	Reason string
	Count  int
	Lines  []int // the first of them
}

// skipLines is how many lines a Skip names.
const skipLines = 5

// MaxBytes is how long a list may be.
const MaxBytes = 256 << 20

// skip notes that a line cannot be used.
func (l *List) skip(reason string, line int) {
	skip(&l.Skipped, reason, line)
}

func skip(list *[]Skip, reason string, line int) {
	i := slices.IndexFunc(*list, func(s Skip) bool { return s.Reason == reason })
	if i < 0 {
		if len(*list) >= 100 {
			reason = "other reasons"
			if i = slices.IndexFunc(*list, func(s Skip) bool { return s.Reason == reason }); i < 0 {
				*list = append(*list, Skip{Reason: reason})
				i = len(*list) - 1
			}
		} else {
			i = len(*list)
			*list = append(*list, Skip{Reason: reason})
		}
	}
	s := &(*list)[i]
	s.Count++
	if len(s.Lines) < skipLines {
		s.Lines = append(s.Lines, line)
	}
}

// String returns a line about what the list has, and one for each reason why
// something of it cannot be used.
func (l *List) String() string {
	var b strings.Builder
	counts := make([]int, len(kindNames))
	for i := range l.Entries {
		counts[l.Entries[i].Kind]++
	}
	fmt.Fprintf(&b, "%s (%s): %d indicators", l.Name, l.Format, len(l.Entries))
	sep := ": "
	for k, n := range counts {
		if n > 0 {
			fmt.Fprintf(&b, "%s%s %d", sep, kindNames[k], n)
			sep = ", "
		}
	}
	for _, s := range l.Skipped {
		fmt.Fprintf(&b, "\n  not used: %d × %s (line %s)", s.Count, s.Reason, lines(s))
	}
	return b.String()
}

func lines(s Skip) string {
	text := strings.Trim(fmt.Sprint(s.Lines), "[]")
	if s.Count > len(s.Lines) {
		text += " …"
	}
	return text
}

// Read reads a list in whatever form it is: a STIX 2 bundle, a MISP event, CSV
// with a header that names its columns, or one indicator a line. What cannot be
// used is in Skipped; an error is returned if nothing of it can be understood.
func Read(name string, data []byte) (*List, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("list %s: %d MiB; at most %d are read: split it", name, len(data)>>20, MaxBytes>>20)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	l := &List{Name: name}
	if head := bytes.TrimSpace(data); len(head) > 0 && (head[0] == '{' || head[0] == '[' && bytes.ContainsAny(head[:min(len(head), 64)], "{")) {
		if err := l.readJSON(data); err != nil {
			return nil, fmt.Errorf("list %s: %w", name, err)
		}
		return l, nil
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, fmt.Errorf("list %s: binary data; give a text, CSV, STIX or MISP file", name)
	}
	if columns, line := header(data); columns != nil {
		l.readCSV(data, columns, line)
		return l, nil
	}
	l.readPlain(data)
	return l, nil
}

// readPlain reads one indicator a line; what follows # is its description. Lines
// of hosts files are understood.
func (l *List) readPlain(data []byte) {
	l.Format = "plain"
	line := 0
	for text := range strings.Lines(string(data)) {
		line++
		value, note, _ := strings.Cut(strings.TrimSpace(text), "#")
		if strings.Contains(value, "://") { // where # is part of the value
			value, note = strings.TrimSpace(text), ""
			if i := strings.Index(value, " #"); i >= 0 {
				value, note = value[:i], value[i+2:]
			}
		}
		words := strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' || r == ';' })
		if len(words) == 0 {
			continue
		}
		if len(words) > 1 && (words[0] == "0.0.0.0" || words[0] == "127.0.0.1" || words[0] == "::1") {
			words = words[1:]
			if words[0] == "localhost" {
				continue
			}
		}
		e, reason := indicate(words[0])
		if reason != "" {
			l.skip(reason, line)
			continue
		}
		e.Line, e.Description, e.Confidence = line, first(strings.TrimSpace(note), strings.Join(words[1:], " ")), Unsaid
		l.Entries = append(l.Entries, e)
	}
}

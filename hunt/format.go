package hunt

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tyto/internal/record"
	"tyto/store"
)

// Format is a form of output.
type Format uint8

// Formats.
const (
	Table Format = iota // columns for people
	JSON                // an object a line, as --json has values
	CSV                 // RFC 4180 with a header line
	DOT                 // a graph for graphviz: see NewWriter
	SVG                 // a graph as a picture
)

// Formats returns the names of formats, as ParseFormat takes them.
func Formats() []string { return []string{"table", "json", "csv", "dot", "svg"} }

// ParseFormat returns the format of a name.
func ParseFormat(name string) (Format, error) {
	for i, n := range Formats() {
		if n == name {
			return Format(i), nil
		}
	}
	return 0, fmt.Errorf("there is no output format %s: use %s", name, strings.Join(Formats(), ", "))
}

// Writer writes rows. Whatever the traffic put into a value, the output stays
// what its format says: control characters are escaped, and nothing reads as a
// command of a terminal, a spreadsheet's formula or markup.
type Writer struct {
	out    io.Writer
	format Format
	fields []record.Field
	rows   [][]string // of a table: until widths are known
	graph  *graph
	buf    []byte
}

// MaxTable is how many rows a table holds; more are an error: take JSON or CSV.
const MaxTable = 100_000

// NewWriter returns a Writer to out. A graph has an edge for each row: between
// the columns from and to, or id.orig_h and id.resp_h, or else the first two
// that are text.
func NewWriter(out io.Writer, f Format) *Writer { return &Writer{out: out, format: f} }

// Write writes the rows of a batch; all batches have the same columns.
func (w *Writer) Write(b *store.Batch) error {
	if w.fields == nil {
		w.fields = b.Fields
		if w.format == CSV {
			w.header()
		}
		if w.format == DOT || w.format == SVG {
			g, err := newGraph(b.Fields)
			if err != nil {
				return err
			}
			w.graph = g
		}
	}
	for row := range b.Rows {
		if err := w.row(b, row); err != nil {
			return err
		}
	}
	return w.flush()
}

// Close writes what waits for the end.
func (w *Writer) Close() error {
	switch {
	case w.format == Table && w.fields != nil:
		w.table()
	case w.graph != nil && w.format == DOT:
		w.buf = w.graph.dot(w.buf)
	case w.graph != nil:
		w.buf = w.graph.svg(w.buf)
	}
	return w.flush()
}

func (w *Writer) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	_, err := w.out.Write(w.buf)
	w.buf = w.buf[:0]
	if err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	return nil
}

func (w *Writer) row(b *store.Batch, row int) error {
	switch w.format {
	case JSON:
		w.json(b, row)
	case CSV:
		for i, f := range w.fields {
			if i > 0 {
				w.buf = append(w.buf, ',')
			}
			w.buf = appendCSV(w.buf, display(b.Value(row, i), f.Type, false))
		}
		w.buf = append(w.buf, "\r\n"...)
	case DOT, SVG:
		return w.graph.add(b, row)
	default:
		if len(w.rows) >= MaxTable {
			return fmt.Errorf("more than %d rows: ask for fewer with limit, or take another format", MaxTable)
		}
		cells := make([]string, len(w.fields))
		for i, f := range w.fields {
			cells[i] = clip(display(b.Value(row, i), f.Type, true))
		}
		w.rows = append(w.rows, cells)
	}
	return nil
}

// Display returns a value of a batch as text for people, safe for a terminal.
func Display(v any, t record.Type) string { return printable(display(v, t, true)) }

// display is a value as text: times as dates for people, else in seconds.
func display(v any, t record.Type, people bool) string {
	switch v := v.(type) {
	case nil:
		return ""
	case int64:
		switch {
		case t == record.Time && people:
			return time.Unix(0, v).UTC().Format("2006-01-02 15:04:05.000")
		case t == record.Interval && people:
			return time.Duration(v).Round(roundTo(v)).String()
		case t == record.Time || t == record.Interval:
			return seconds(v)
		}
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', 6, 64)
	case []int64:
		var list []string
		for _, ns := range v {
			list = append(list, seconds(ns))
		}
		return strings.Join(list, " ")
	case []string:
		return strings.Join(v, " ")
	case []uint64:
		return strings.Trim(fmt.Sprint(v), "[]")
	}
	return fmt.Sprint(v)
}

// roundTo keeps four or so digits of a duration.
func roundTo(ns int64) time.Duration {
	unit := time.Nanosecond
	for d := time.Duration(ns).Abs(); d >= 10_000*unit && unit < time.Second; {
		unit *= 10
	}
	return unit
}

// seconds is a time in seconds, with as many decimals as it has.
func seconds(ns int64) string {
	sign := ""
	u := uint64(ns)
	if ns < 0 {
		sign, u = "-", -u
	}
	s := fmt.Sprintf("%s%d.%09d", sign, u/1e9, u%1e9)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// printable makes control characters and what changes the direction of text
// visible, so that a terminal takes no orders.
func printable(s string) string {
	if strings.IndexFunc(s, hidden) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case hidden(r):
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

func hidden(r rune) bool { return !unicode.IsPrint(r) }

const cellRunes = 48

// clip makes a value fit a cell.
func clip(s string) string {
	s = printable(s)
	if utf8.RuneCountInString(s) <= cellRunes {
		return s
	}
	r := []rune(s)
	return string(r[:cellRunes-1]) + "…"
}

func (w *Writer) table() {
	widths := make([]int, len(w.fields))
	names := make([]string, len(w.fields))
	for i, f := range w.fields {
		names[i] = clip(f.Name)
		widths[i] = utf8.RuneCountInString(names[i])
		for _, row := range w.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	for _, row := range append([][]string{names}, w.rows...) {
		line := ""
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if figures(w.fields[i].Type) {
				cell = pad + cell
			} else {
				cell += pad
			}
			if i > 0 {
				line += "  "
			}
			line += cell
		}
		w.buf = append(append(w.buf, strings.TrimRight(line, " ")...), '\n')
	}
}

// figures reports whether values of a type stand to the right.
func figures(t record.Type) bool {
	switch store.Base(t) {
	case store.UintBase, store.PortBase, store.FloatBase:
		return true
	}
	return t == record.Int || t == record.Interval
}

func (w *Writer) header() {
	for i, f := range w.fields {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = appendCSV(w.buf, f.Name)
	}
	w.buf = append(w.buf, "\r\n"...)
}

// appendCSV writes a value; one that a spreadsheet would take for a formula gets
// an apostrophe in front.
func appendCSV(b []byte, s string) []byte {
	s = printable(s)
	if s != "" && strings.ContainsRune("=+@", rune(s[0])) || len(s) > 1 && s[0] == '-' && (s[1] < '0' || s[1] > '9') {
		s = "'" + s
	}
	if !strings.ContainsAny(s, `",`) && strings.TrimSpace(s) == s {
		return append(b, s...)
	}
	return append(append(append(b, '"'), strings.ReplaceAll(s, `"`, `""`)...), '"')
}

// json writes a row as --json does: what has no value is left out.
func (w *Writer) json(b *store.Batch, row int) {
	e := record.Encoder{Buf: w.buf, Format: record.ZeekJSON}
	e.Begin(record.New("", "", "", w.fields...))
	for i, f := range w.fields {
		appendJSON(&e, b.Value(row, i), f.Type)
	}
	e.End()
	w.buf = e.Buf
}

func appendJSON(e *record.Encoder, v any, t record.Type) {
	switch v := v.(type) {
	case nil:
		e.Unset()
	case bool:
		e.Bool(v)
	case uint64:
		e.Uint(v)
	case float64:
		e.Float(v)
	case string:
		e.Str(v)
	case []string:
		e.Strs(v)
	case []uint64:
		e.Uints(v)
	case []int64:
		e.Intervals(v)
	case int64:
		switch t {
		case record.Time:
			e.Time(v)
		case record.Interval:
			e.Interval(v)
		default:
			e.Int(v)
		}
	}
}

package indicator

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Names of columns, in lower case and without spaces and underscores, the best
// first: those of abuse.ch's feeds, of MISP's CSV export, and others that are
// usual.
var (
	valueColumns      = []string{"iocvalue", "indicator", "indicatorvalue", "ioc", "value", "url", "dstip", "ip", "ipaddress", "sourceip", "domain", "hostname", "host", "fqdn", "ja3md5", "ja3", "ja4", "hassh", "sha1", "sha1hash", "sha256", "sha256hash", "fingerprint", "cidr", "network"}
	typeColumns       = []string{"ioctype", "indicatortype", "type"}
	portColumns       = []string{"dstport", "port"}
	aboutColumns      = []string{"malwareprintable", "malware", "malwarefamily", "threat", "description", "comment", "listingreason", "eventinfo", "threattype", "category"}
	tagColumns        = []string{"tags", "tag", "labels", "attributetag", "objecttag"}
	confidenceColumns = []string{"confidencelevel", "confidence", "score"}
	untilColumns      = []string{"validuntil", "expires", "expiration", "expirationdate"}
	usedColumns       = []string{"toids"}
)

// columns are the places of what is used, -1 for none.
type columns struct {
	value, kind, port, about, tags, confidence, until, used int
	name                                                    string // of the column with the value
}

// headerLines is within how many lines the header must be.
const headerLines = 64

// header finds the line that names columns, which may be a comment.
func header(data []byte) (*columns, int) {
	line := 0
	for text := range bytes.Lines(data) {
		if line++; line > headerLines {
			break
		}
		s := strings.TrimSpace(string(text))
		comment := strings.HasPrefix(s, "#")
		if s = strings.TrimLeft(s, "# "); s == "" {
			continue
		}
		if c := columnsOf(s); c != nil {
			return c, line
		}
		if !comment {
			break
		}
	}
	return nil, 0
}

// separator is what is between the columns of a line.
func separator(line string) rune {
	for _, c := range []rune{';', '\t', '|'} {
		if strings.Count(line, string(c)) > strings.Count(line, ",") {
			return c
		}
	}
	return ','
}

func columnsOf(line string) *columns {
	var names []string
	for name := range strings.SplitSeq(line, string(separator(line))) {
		name = strings.ToLower(strings.Trim(strings.TrimSpace(name), `"'`))
		names = append(names, strings.NewReplacer(" ", "", "_", "", "-", "", ".", "").Replace(name))
	}
	find := func(known []string) int {
		for _, k := range known {
			if i := slices.Index(names, k); i >= 0 {
				return i
			}
		}
		return -1
	}
	c := &columns{find(valueColumns), find(typeColumns), find(portColumns), find(aboutColumns), find(tagColumns), find(confidenceColumns), find(untilColumns), find(usedColumns), ""}
	if c.value < 0 || len(names) == 1 && !slices.Contains(valueColumns, names[0]) {
		return nil
	}
	c.name = names[c.value]
	return c
}

// readCSV reads the rows below the header.
func (l *List) readCSV(data []byte, c *columns, headerLine int) {
	l.Format = "csv"
	above := 0
	for range headerLine {
		above += bytes.IndexByte(data[above:], '\n') + 1
	}
	if above == 0 {
		return
	}
	head := data[:above-1]
	rows := csv.NewReader(bytes.NewReader(data[above:]))
	rows.Comma = separator(string(head[bytes.LastIndexByte(head, '\n')+1:]))
	rows.Comment, rows.FieldsPerRecord, rows.LazyQuotes, rows.TrimLeadingSpace, rows.ReuseRecord = '#', -1, true, true, true
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		var malformed *csv.ParseError
		if errors.As(err, &malformed) {
			l.skip("malformed row", headerLine+malformed.Line)
			continue
		}
		line, _ := rows.FieldPos(0)
		l.row(row, c, headerLine+line)
	}
}

// row reads one row.
func (l *List) row(row []string, c *columns, line int) {
	at := func(i int) string {
		if i < 0 || i >= len(row) {
			return ""
		}
		if v := strings.Trim(strings.TrimSpace(row[i]), `"`); !strings.EqualFold(v, "none") {
			return strings.Clone(v)
		}
		return ""
	}
	if u := at(c.used); u == "0" || strings.EqualFold(u, "false") {
		l.skip("not for detection (to_ids is not set)", line)
		return
	}
	kind := at(c.kind)
	if _, ok := typed[kind]; !ok && kind != "" && c.name != "iocvalue" && c.name != "value" {
		kind = "" // a column of that name that is about something else
	}
	var e Entry
	var reason string
	if kind != "" {
		e, reason = indicateAs(kind, at(c.value))
	} else {
		e, reason = indicate(at(c.value))
	}
	if reason != "" {
		l.skip(reason, line)
		return
	}
	if port, err := strconv.ParseUint(at(c.port), 10, 16); err == nil && e.Kind == Address && e.Port == 0 {
		e.Port = uint16(port)
	}
	e.Line, e.Description, e.Labels, e.Confidence = line, at(c.about), labels(at(c.tags)), confidence(at(c.confidence))
	e.Until = when(at(c.until))
	l.Entries = append(l.Entries, e)
}

func labels(text string) (list []string) {
	for t := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ';' || r == '|' }) {
		if t = strings.TrimSpace(t); t != "" {
			list = append(list, t)
		}
	}
	return list
}

// confidence reads a percentage, or a word.
func confidence(text string) int {
	switch strings.ToLower(text) {
	case "high":
		return 85
	case "medium", "moderate":
		return 50
	case "low":
		return 25
	}
	if v, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64); err == nil && v >= 0 && v <= 100 {
		return int(v)
	}
	return Unsaid
}

// when reads a time, 0 if there is none.
func when(text string) int64 {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02 15:04:05 UTC", "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() < 2262 && t.Year() > 1970 {
			return t.UnixNano()
		}
	}
	return 0
}

// typed are types of indicators in feeds, as MISP, abuse.ch and OTX name them,
// and how their values are read.
var typed = map[string]func(string) (Entry, string){
	"ip-src": address, "ip-dst": address, "ip": address, "ipv4": address, "ipv6": address, "ipv4-addr": address, "ipv6-addr": address, "ip:port": address,
	"ip-dst|port": piped, "ip-src|port": piped, "cidr": network, "domain": domain, "hostname": exactly, "domain|ip": beforePipe(domain), "hostname|port": beforePipe(exactly),
	"url": webAddress, "ja3": as(JA3), "ja3-fingerprint-md5": as(JA3), "ja3_hash": as(JA3), "ja3s": as(JA3S), "ja4": as(JA4), "ja4-plus": as(JA4), "hassh-md5": as(HASSH), "hasshserver-md5": as(HASSH),
	"x509-fingerprint-sha1": as(Certificate), "x509-fingerprint-sha256": as(Certificate), "ssl_sha1": as(Certificate), "ssl-cert-fingerprint": as(Certificate),
	"sha1": never(fileHash), "sha256": never(fileHash), "md5": never(fileHash), "sha1_hash": never(fileHash), "sha256_hash": never(fileHash), "md5_hash": never(fileHash),
	"filehash-md5": never(fileHash), "filehash-sha1": never(fileHash), "filehash-sha256": never(fileHash),
	"email-src": never(email), "email-dst": never(email), "email": never(email), "email-addr": never(email),
}

// indicateAs makes an entry of a value of a type.
func indicateAs(kind, value string) (Entry, string) {
	read := typed[strings.ToLower(kind)]
	if read == nil {
		return Entry{}, "type " + kind
	}
	value = refang(strings.TrimSpace(value))
	e, reason := read(value)
	if reason == malformed && strings.Contains(value, "/") && strings.HasPrefix(strings.ToLower(kind), "ip") {
		return network(value)
	}
	return e, reason
}

func as(k Kind) func(string) (Entry, string) {
	return func(v string) (Entry, string) { return fingerprint(k, v) }
}

func never(reason string) func(string) (Entry, string) {
	return func(string) (Entry, string) { return Entry{}, reason }
}

func beforePipe(read func(string) (Entry, string)) func(string) (Entry, string) {
	return func(v string) (Entry, string) {
		v, _, _ = strings.Cut(v, "|")
		return read(v)
	}
}

func exactly(v string) (Entry, string) {
	e, reason := domain(v)
	e.Exact = true
	return e, reason
}

func piped(v string) (Entry, string) {
	host, port, _ := strings.Cut(v, "|")
	e, reason := address(host)
	if p, err := strconv.ParseUint(port, 10, 16); err == nil {
		e.Port = uint16(p)
	}
	return e, reason
}

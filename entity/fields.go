package entity

import (
	"net/netip"
	"strconv"
	"strings"

	"tyto/internal/record"
	"tyto/packet"
	"tyto/protocol"
)

// fields reads the values of a record by the names of its schema. Records can
// write themselves and nothing else, so it lets them write Zeek's tab-separated
// form, which says where each value ends, and looks into that.
type fields struct {
	enc     record.Encoder
	schema  *record.Schema
	columns map[*record.Schema]map[string]int
	ends    []int // of the values in enc.Buf
}

// load makes the values of a record readable.
func (f *fields) load(r protocol.Record) {
	s := r.Schema()
	if f.columns == nil {
		f.columns = make(map[*record.Schema]map[string]int)
		f.enc.Format = record.TSV
	}
	if f.columns[s] == nil {
		f.columns[s] = make(map[string]int, len(s.Fields))
		for i, field := range s.Fields {
			f.columns[s][field.Name] = i
		}
	}
	f.schema = s
	f.enc.Buf = f.enc.Buf[:0]
	f.enc.Begin(s)
	r.Append(&f.enc)
	f.enc.End()
	f.ends = f.ends[:0]
	for i, c := range f.enc.Buf {
		if c == '\t' || c == '\n' {
			f.ends = append(f.ends, i)
		}
	}
}

// raw returns a value as it was written, "" if it is unset or empty. It panics
// if records of the kind have no such field: a mistake in this package.
func (f *fields) raw(name string) string {
	i, ok := f.columns[f.schema][name]
	if !ok {
		panic("entity: " + f.schema.Kind + " records have no field " + name)
	}
	start := 0
	if i > 0 {
		start = f.ends[i-1] + 1
	}
	if v := string(f.enc.Buf[start:f.ends[i]]); v != "-" && v != "(empty)" {
		return v
	}
	return ""
}

// str returns a string.
func (f *fields) str(name string) string { return unescape(f.raw(name)) }

// strs returns the elements of a set or vector.
func (f *fields) strs(name string) []string {
	v := f.raw(name)
	if v == "" {
		return nil
	}
	list := strings.Split(v, ",")
	for i, s := range list {
		if s == "(empty)" {
			s = ""
		}
		list[i] = unescape(s)
	}
	return list
}

// addr returns an address, zero if it is none.
func (f *fields) addr(name string) packet.Addr { return addrOf(f.raw(name)) }

func addrOf(s string) packet.Addr {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return packet.Addr{}
	}
	return packet.AddrOf(a.WithZone(""))
}

func (f *fields) mac(name string) packet.MAC {
	m, _ := parseMAC(f.raw(name))
	return m
}

// interval returns a duration in ns.
func (f *fields) interval(name string) int64 {
	v, err := strconv.ParseFloat(f.raw(name), 64)
	if err != nil || v < 0 || v > 1e9 {
		return 0
	}
	return int64(v * 1e9)
}

func (f *fields) true(name string) bool { return f.raw(name) == "T" }

// unescape undoes the escapes of a Zeek log.
func unescape(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	b := []byte(s[:i])
	for ; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b = append(b, s[i])
		case s[i+1] == 'x' && i+3 < len(s):
			v, err := strconv.ParseUint(s[i+2:i+4], 16, 8)
			if err != nil {
				b = append(b, s[i])
				continue
			}
			b = append(b, byte(v))
			i += 3
		default:
			b = append(b, s[i+1])
			i++
		}
	}
	return string(b)
}

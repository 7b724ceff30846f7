package sql

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"tyto/internal/record"
	"tyto/store"
)

// expr renders an expression that Check has found to be right.
func (r *renderer) expr(e store.Expr, in []record.Field) string {
	switch e := e.(type) {
	case store.Field:
		return r.d.Quote(string(e))
	case store.Literal:
		return r.param(e.Value)
	case store.Within:
		return r.within(r.expr(e.Addr, in), e.Network.Masked())
	case store.Call:
		return r.call(e, in)
	}
	return "NULL"
}

func (r *renderer) call(c store.Call, in []record.Field) string {
	args := make([]string, len(c.Args))
	for i, a := range c.Args {
		args[i] = r.arg(c, a, in)
	}
	switch c.Op {
	case store.And:
		return "(" + strings.Join(args, " AND ") + ")"
	case store.Or:
		return "(" + strings.Join(args, " OR ") + ")"
	case store.In:
		return "(" + args[0] + " IN (" + strings.Join(args[1:], ", ") + "))"
	case store.Add, store.Sub, store.Mul, store.Div, store.Log, store.Abs:
		for i := range args {
			args[i] = fmt.Sprintf(r.d.Double, args[i])
		}
	}
	list := make([]any, len(args))
	for i, a := range args {
		list[i] = a
	}
	text := fmt.Sprintf(r.d.Ops[c.Op], list...)
	if t, _ := store.TypeOf(c, in); t == record.Interval {
		text = fmt.Sprintf(r.d.Integer, text)
	}
	return "(" + text + ")"
}

// arg renders an argument; a literal that is compared with a column gets the
// column's type, so that the column need not be converted.
func (r *renderer) arg(c store.Call, a store.Expr, in []record.Field) string {
	l, ok := a.(store.Literal)
	if !ok {
		return r.expr(a, in)
	}
	v, ok := l.Value.(int64)
	if !ok || v < 0 || len(c.Args) == 0 {
		return r.expr(a, in)
	}
	if t, _ := store.TypeOf(c.Args[0], in); store.Base(t) == store.UintBase {
		return r.param(uint64(v))
	}
	return r.param(v)
}

// within renders whether the text of an address lies in a network. Addresses
// are in the form of RFC 5952, so that most of a network is a prefix of the
// text and what is left is a range of one group.
func (r *renderer) within(addr string, p netip.Prefix) string {
	ip, bits := p.Addr(), p.Bits()
	if p.IsSingleIP() {
		return "(" + addr + " = " + r.param(ip.String()) + ")"
	}
	groupBits, part, form := 8, r.d.Octet, "%d."
	if ip.Is6() {
		groupBits, part, form = 16, r.d.Hextet, "%x:"
	}
	groups := groups(ip)
	var tests []string
	whole := bits / groupBits
	prefix := ""
	for _, g := range groups[:whole] {
		prefix += fmt.Sprintf(form, g)
	}
	if whole > 0 {
		tests = append(tests, fmt.Sprintf(r.d.Prefix, addr, r.param(prefix)))
	}
	if rest := bits % groupBits; rest > 0 {
		low := groups[whole]
		high := low | (1<<(groupBits-rest) - 1)
		tests = append(tests, fmt.Sprintf("%s BETWEEN %d AND %d", fmt.Sprintf(part, addr, whole+1), low, high))
	}
	if bits == 0 {
		tests = append(tests, fmt.Sprintf("%s BETWEEN 0 AND %d", fmt.Sprintf(part, addr, 1), 1<<groupBits-1))
	}
	return "(" + strings.Join(tests, " AND ") + ")"
}

// groups are the numbers an address is written with.
func groups(ip netip.Addr) []uint32 {
	var list []uint32
	b := ip.AsSlice()
	if ip.Is4() {
		for _, v := range b {
			list = append(list, uint32(v))
		}
		return list
	}
	for i := 0; i < len(b); i += 2 {
		list = append(list, uint32(binary.BigEndian.Uint16(b[i:])))
	}
	return list
}

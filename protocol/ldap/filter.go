package ldap

import "tyto/internal/ber"

// appendFilter appends the text of a search filter (RFC 4515) to b: at most
// maxFilter bytes, then "...".
func appendFilter(b []byte, e ber.Element) []byte {
	b = filter(b, e)
	if len(b) >= maxFilter {
		b = append(b[:maxFilter], "..."...)
	}
	return b
}

// filter does so without cutting in the middle of a value. The depth of the
// element's readers bounds the recursion.
func filter(b []byte, e ber.Element) []byte {
	if len(b) >= maxFilter {
		return b
	}
	b = append(b, '(')
	r := e.Reader()
	switch e.Tag {
	case ber.Context(0), ber.Context(1):
		b = append(b, "&|"[e.Tag&1])
		for r.More() && len(b) < maxFilter {
			if in := r.Next(); r.OK() {
				b = filter(b, in)
			}
		}
		if !r.OK() {
			b = append(b, '?')
		}
	case ber.Context(2):
		b = append(b, '!')
		if in := r.Next(); r.OK() {
			b = filter(b, in)
		}
	case ber.Context(3):
		b = assertion(b, &r, "=")
	case ber.Context(4):
		b = append(b, description(r.Bytes())...)
		b = append(b, '=')
		b = substrings(b, r.Enter(ber.Sequence))
	case ber.Context(5):
		b = assertion(b, &r, ">=")
	case ber.Context(6):
		b = assertion(b, &r, "<=")
	case ber.Primitive(7):
		b = append(b, description(e.Body)...)
		b = append(b, "=*"...)
	case ber.Context(8):
		b = assertion(b, &r, "~=")
	case ber.Context(9):
		b = extensible(b, &r)
	default:
		b = append(b, '?')
	}
	return append(b, ')')
}

func description(b []byte) []byte { return b[:min(len(b), maxText)] }

func assertion(b []byte, r *ber.Reader, op string) []byte {
	b = append(b, description(r.Bytes())...)
	b = append(b, op...)
	return value(b, r.Bytes())
}

func substrings(b []byte, r ber.Reader) []byte {
	open := true
	for r.More() && len(b) < maxFilter {
		e := r.Next()
		switch e.Tag {
		case ber.Primitive(0):
			b = value(b, e.Body)
		case ber.Primitive(1):
			b = append(b, '*')
			b = value(b, e.Body)
		case ber.Primitive(2):
			b = append(b, '*')
			b = value(b, e.Body)
			open = false
		}
	}
	if open {
		b = append(b, '*')
	}
	return b
}

func extensible(b []byte, r *ber.Reader) []byte {
	var rule, kind, match []byte
	dn := false
	for r.More() {
		switch e := r.Next(); e.Tag {
		case ber.Primitive(1):
			rule = e.Body
		case ber.Primitive(2):
			kind = e.Body
		case ber.Primitive(3):
			match = e.Body
		case ber.Primitive(4):
			dn = e.Uint() != 0
		}
	}
	b = append(b, description(kind)...)
	if dn {
		b = append(b, ":dn"...)
	}
	if len(rule) > 0 {
		b = append(b, ':')
		b = append(b, description(rule)...)
	}
	b = append(b, ":="...)
	return value(b, match)
}

// value appends an assertion value: what is special in filters, and what is no
// text, as a backslash and two hexadecimal digits.
func value(b, v []byte) []byte {
	const hex = "0123456789abcdef"
	v = v[:min(len(v), maxText)]
	binary := false
	for _, c := range v {
		if c < 0x20 || c == 0x7f {
			binary = true
		}
	}
	for _, c := range v {
		if c == '*' || c == '(' || c == ')' || c == '\\' || c < 0x20 || c == 0x7f || binary && c > 0x7f {
			b = append(b, '\\', hex[c>>4], hex[c&15])
			continue
		}
		b = append(b, c)
	}
	return b
}

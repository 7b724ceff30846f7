package ldap

import "tyto/internal/ber"

// modifications returns the changes of a modify request: the kind and name of
// each attribute.
func modifications(r *ber.Reader) string {
	var out []byte
	list := r.Enter(ber.Sequence)
	for list.More() && len(out) < maxText {
		change := list.Enter(ber.Sequence)
		kind := change.Int()
		attribute := change.Enter(ber.Sequence)
		name := attribute.Bytes()
		if !attribute.OK() {
			break
		}
		if len(out) > 0 {
			out = append(out, ',')
		}
		switch kind {
		case 0:
			out = append(out, "add "...)
		case 1:
			out = append(out, "delete "...)
		case 2:
			out = append(out, "replace "...)
		case 3:
			out = append(out, "increment "...)
		}
		out = append(out, name[:min(len(name), maxText)]...)
	}
	return text(out)
}

// attributeNames returns the names of the attributes of an add request.
func attributeNames(r *ber.Reader) string {
	var out []byte
	list := r.Enter(ber.Sequence)
	for list.More() && len(out) < maxText {
		attribute := list.Enter(ber.Sequence)
		name := attribute.Bytes()
		if !attribute.OK() {
			break
		}
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = append(out, name[:min(len(name), maxText)]...)
	}
	return text(out)
}

package dcerpc

import (
	"bytes"
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// UUID is an interface identifier in the byte order of its text form.
type UUID [16]byte

// String returns the text form in lower case.
func (u UUID) String() string { return string(u.AppendTo(nil)) }

// AppendTo appends the text form of u.
func (u UUID) AppendTo(b []byte) []byte {
	const hex = "0123456789abcdef"
	for i, v := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, hex[v>>4], hex[v&15])
	}
	return b
}

// parseUUID reads the text form; ok is false if it is none.
func parseUUID(s string) (u UUID, ok bool) {
	if len(s) != 36 {
		return u, false
	}
	k := 0
	for i := 0; i < len(s); i++ {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if s[i] != '-' {
				return u, false
			}
			continue
		}
		v := strings.IndexByte("0123456789abcdef", s[i])
		if v < 0 {
			return u, false
		}
		u[k/2] = u[k/2]<<4 | byte(v)
		k++
	}
	return u, true
}

// Interface is what is known of an interface.
type Interface struct {
	UUID UUID
	Name string // as Zeek's dce_rpc.log has it in "endpoint"

	ops  []string // names by number; "" if unused or unknown, "!" in front if arguments are not told
	args bool     // text arguments are told
}

// Operation returns the name of an operation, "" if it is not known.
func (i *Interface) Operation(opnum uint16) string {
	if int(opnum) >= len(i.ops) {
		return ""
	}
	return strings.TrimPrefix(i.ops[opnum], "!")
}

// tells reports whether the text arguments of an operation are told.
func (i *Interface) tells(opnum uint16) bool {
	return i.args && (int(opnum) >= len(i.ops) || !strings.HasPrefix(i.ops[opnum], "!"))
}

//go:embed interfaces.txt
var interfacesText string

// interfaces returns the table of interfaces, ordered by UUID. It is read once,
// when the first session needs it; names are parts of the embedded text.
var interfaces = sync.OnceValue(func() []Interface { return readTable(interfacesText) })

// readTable reads the format that interfaces.txt describes. It panics on a
// mistake there, which any test finds.
func readTable(text string) []Interface {
	var list []Interface
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || line[0] == '#' {
			continue
		}
		if line[0] != ' ' {
			u, ok := parseUUID(words[0])
			if !ok || len(words) < 2 {
				panic("dcerpc: bad line in interfaces.txt: " + line)
			}
			list = append(list, Interface{UUID: u, Name: words[1], args: len(words) > 2 && words[2] == "args"})
			continue
		}
		i := &list[len(list)-1]
		for _, w := range words {
			switch {
			case w == "-":
				i.ops = append(i.ops, "")
			case w[0] == '@':
				n, err := strconv.Atoi(w[1:])
				if err != nil || n < len(i.ops) {
					panic("dcerpc: bad number in interfaces.txt: " + line)
				}
				i.ops = append(i.ops, make([]string, n-len(i.ops))...)
			default:
				i.ops = append(i.ops, w)
			}
		}
	}
	slices.SortFunc(list, func(a, b Interface) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
	return list
}

// Lookup returns the interface with a UUID, or nil.
func Lookup(u UUID) *Interface {
	table := interfaces()
	i, ok := slices.BinarySearchFunc(table, u, func(e Interface, u UUID) int { return bytes.Compare(e.UUID[:], u[:]) })
	if !ok {
		return nil
	}
	return &table[i]
}

// ByName returns the first interface with a name, whatever its case, or nil:
// Windows names most pipes like the interface that is behind them.
func ByName(name string) *Interface {
	if name == "" {
		return nil
	}
	table := interfaces()
	for i := range table {
		if strings.EqualFold(table[i].Name, name) {
			return &table[i]
		}
	}
	return nil
}

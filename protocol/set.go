package protocol

import (
	"fmt"
	"slices"
)

// Set is a list of protocols that are looked for together. It does not change
// after it is made and may be shared.
type Set struct {
	defs   []Definition
	names  []string // by app index; 0 is "unknown"
	index  map[string]uint16
	byPort [2]map[uint16][]uint8 // TCP, datagrams: definitions whose port it is
	probes [4][]uint8            // by transport: definitions with a probe
	masks  [4]candidates
}

// candidates is a set of definitions.
type candidates [4]uint64

func (c *candidates) has(i uint8) bool { return c[i>>6]&(1<<(i&63)) != 0 }
func (c *candidates) add(i uint8)      { c[i>>6] |= 1 << (i & 63) }
func (c *candidates) drop(i uint8)     { c[i>>6] &^= 1 << (i & 63) }
func (c *candidates) none() bool       { return c[0]|c[1]|c[2]|c[3] == 0 }

// Unknown is the app index of sessions whose protocol is not recognised.
const Unknown = 0

// NewSet returns the set of the given definitions. It panics on two of the same
// name, or on more than 255: mistakes in the program.
func NewSet(defs ...Definition) *Set {
	if len(defs) > 255 {
		panic("protocol: more than 255 definitions")
	}
	s := &Set{defs: slices.Clone(defs), names: []string{"unknown"}, index: map[string]uint16{"unknown": Unknown}}
	for i := range s.byPort {
		s.byPort[i] = make(map[uint16][]uint8)
	}
	for _, d := range defs {
		if _, dup := s.index[d.Name]; dup {
			panic(fmt.Sprintf("protocol: two definitions of %q", d.Name))
		}
		s.index[d.Name] = uint16(len(s.names))
		s.names = append(s.names, d.Name)
	}
	for _, d := range defs {
		for _, name := range d.Apps {
			if _, dup := s.index[name]; !dup {
				s.index[name] = uint16(len(s.names))
				s.names = append(s.names, name)
			}
		}
	}
	for i, d := range defs {
		s.defs[i].index = i
		if d.Probe == nil {
			continue
		}
		for t := range s.probes {
			if d.Transports&(1<<t) == 0 {
				continue
			}
			s.probes[t] = append(s.probes[t], uint8(i))
			s.masks[t].add(uint8(i))
			if t > 1 {
				continue
			}
			for _, p := range d.Ports {
				s.byPort[t][p] = append(s.byPort[t][p], uint8(i))
			}
		}
	}
	return s
}

// Definitions returns the definitions in their order. The slice is not to be
// changed.
func (s *Set) Definitions() []Definition { return s.defs }

// AppName returns the name of an app index.
func (s *Set) AppName(app uint16) string {
	if int(app) < len(s.names) {
		return s.names[app]
	}
	return s.names[Unknown]
}

// Lookup returns the definition with the given name.
func (s *Set) Lookup(name string) (*Definition, bool) {
	i := slices.IndexFunc(s.defs, func(d Definition) bool { return d.Name == name })
	if i < 0 {
		return nil, false
	}
	return &s.defs[i], true
}

// ServiceName returns the name in Zeek's service field of an entry of a
// session's Services.
func (s *Set) ServiceName(i uint8) string {
	d := &s.defs[i-1]
	if d.Service != "" {
		return d.Service
	}
	return d.Name
}

// AppIndex returns the app index of a name.
func (s *Set) AppIndex(name string) (uint16, bool) {
	i, ok := s.index[name]
	return i, ok
}

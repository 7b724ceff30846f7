package suricata

import "slices"

// automaton finds many texts at once, without regard to the case of ASCII letters
// (Aho and Corasick 1975). Of each state only the edges that there are are kept;
// the first has all 256.
type automaton struct {
	root   [256]int32
	edges  []edge  // of all states, each in order of bytes
	first  []int32 // edge of each state; one more at the end
	fail   []int32
	output []int32   // of each state the first of outputs, -1: none
	next   []int32   // output of the same state, or of the state that fail leads to
	rules  []int32   // of each output
	build  []builder // until it is done
	lower  [256]byte
}

type edge struct {
	to int32
	on byte
}

type builder struct {
	edges []edge
	rules []int32
}

func newAutomaton() *automaton {
	a := &automaton{build: make([]builder, 1)}
	for i := range a.lower {
		a.lower[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			a.lower[i] += 'a' - 'A'
		}
	}
	return a
}

// add adds a text, not empty, of a rule.
func (a *automaton) add(text []byte, rule int32) {
	state := int32(0)
	for _, c := range text {
		c = a.lower[c]
		at := slices.IndexFunc(a.build[state].edges, func(e edge) bool { return e.on == c })
		if at >= 0 {
			state = a.build[state].edges[at].to
			continue
		}
		to := int32(len(a.build))
		a.build[state].edges = append(a.build[state].edges, edge{to, c})
		a.build = append(a.build, builder{})
		state = to
	}
	a.build[state].rules = append(a.build[state].rules, rule)
}

// done makes the automaton ready for use.
func (a *automaton) done() {
	n := len(a.build)
	a.first, a.fail, a.output = make([]int32, n+1), make([]int32, n), make([]int32, n)
	for i := range a.build {
		b := &a.build[i]
		slices.SortFunc(b.edges, func(x, y edge) int { return int(x.on) - int(y.on) })
		a.first[i] = int32(len(a.edges))
		a.edges = append(a.edges, b.edges...)
	}
	a.first[n] = int32(len(a.edges))
	for _, e := range a.build[0].edges {
		a.root[e.on] = e.to
	}
	for i := range a.output {
		a.output[i] = -1
	}
	queue := []int32{0}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		last := int32(-1)
		if s != 0 {
			last = a.output[a.fail[s]]
		}
		for _, r := range a.build[s].rules {
			a.rules, a.next = append(a.rules, r), append(a.next, last)
			last = int32(len(a.rules) - 1)
		}
		a.output[s] = last
		for _, e := range a.build[s].edges {
			if s != 0 {
				a.fail[e.to] = a.step(a.fail[s], e.on)
			}
			queue = append(queue, e.to)
		}
	}
	a.build = nil
}

// step follows a byte in lower case.
func (a *automaton) step(s int32, c byte) int32 {
	for s != 0 {
		for _, e := range a.edges[a.first[s]:a.first[s+1]] {
			if e.on == c {
				return e.to
			}
		}
		s = a.fail[s]
	}
	return a.root[c]
}

// find calls found with the rules whose texts are there, some more than once.
func (a *automaton) find(text []byte, found func(rule int32)) {
	s := int32(0)
	for _, c := range text {
		s = a.step(s, a.lower[c])
		for o := a.output[s]; o >= 0; o = a.next[o] {
			found(a.rules[o])
		}
	}
}

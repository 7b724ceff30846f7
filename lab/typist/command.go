package typist

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// Command is a line for a POSIX shell. It needs what is essential on Debian,
// procps and iproute2, the files of its role, and no rights; it changes nothing
// outside the directory it runs in and /tmp.
type Command struct {
	Text string
	// Want is a string that the output contains and Text does not, so that the
	// echo of what was typed is never taken for the answer. Empty if it cannot
	// be known.
	Want      string
	Technique string // ATT&CK id, for what an intruder does
	Tabs      []Tab  // where Tab completes, in order

	again bool // it gives the same answer anywhere in a session
}

// Tab is a place in a command where Tab completes a path.
type Tab struct {
	At   int // Tab is pressed before Text[At]
	Adds int // how many bytes of Text it completes
}

// Role is who works at the prompt.
type Role uint8

const (
	Developer Role = iota + 1
	Administrator
	Analyst
	Intruder
)

// Roles returns all roles.
func Roles() []Role { return []Role{Developer, Administrator, Analyst, Intruder} }

// ParseRole returns the role of that name.
func ParseRole(name string) (Role, error) {
	for _, r := range Roles() {
		if r.String() == name {
			return r, nil
		}
	}
	return 0, fmt.Errorf("no role is called %.40q", name)
}

// String is the role in lower case.
func (r Role) String() string {
	switch r {
	case Developer:
		return "developer"
	case Administrator:
		return "administrator"
	case Analyst:
		return "analyst"
	case Intruder:
		return "intruder"
	}
	return "unknown"
}

// Files returns what must be in the directory in which the role's commands and
// the full-screen programs run: name with slashes to content. They are the
// same for all roles, and the same in every run.
func (r Role) Files() map[string]string { return maps.Clone(files()) }

// Commands draws a session of at least n commands. They come in tasks, in an
// order that makes sense; each session starts and ends in the directory that
// has the files.
func (r Role) Commands(n int, rng *rand.Rand) []Command {
	tasks := r.tasks()
	var all []Command
	last := -1
	for len(all) < n {
		i := rng.IntN(len(tasks))
		if i == last {
			continue
		}
		last = i
		all = append(all, tasks[i](rng)...)
		// The same again: what changed?
		if c := all[max(len(all)-1-rng.IntN(3), 0)]; c.again && rng.IntN(5) == 0 {
			all = append(all, c)
		}
	}
	return all
}

// task is a few commands that belong together.
type task func(rng *rand.Rand) []Command

// cmd makes a command from a line in which "\t" marks where Tab may be
// pressed: it completes up to the end of the name there, with the slash or
// space after it.
func cmd(line, want string) Command {
	var c Command
	for {
		before, after, found := strings.Cut(line, "\t")
		c.Text += before
		if !found {
			break
		}
		adds := strings.IndexAny(after, " /\t")
		switch {
		case adds < 0:
			adds = len(after)
		case after[adds] != '\t':
			adds++
		}
		c.Tabs = append(c.Tabs, Tab{len(c.Text), adds})
		line = after
	}
	c.Want = want
	return c
}

// by marks commands with the technique they are.
func by(technique string, commands ...Command) []Command {
	for i := range commands {
		commands[i].Technique = technique
	}
	return commands
}

// fixed is a task that is always the same.
func fixed(commands ...Command) task {
	away := slices.ContainsFunc(commands, func(c Command) bool { return strings.HasPrefix(c.Text, "cd ") })
	for i := range commands {
		commands[i].again = !away
	}
	return func(*rand.Rand) []Command { return slices.Clone(commands) }
}

// either is one of several tasks.
func either(tasks ...task) task {
	return func(rng *rand.Rand) []Command { return tasks[rng.IntN(len(tasks))](rng) }
}

// one draws a value.
func one[T any](rng *rand.Rand, values ...T) T { return values[rng.IntN(len(values))] }

// tag is a name that a session makes up.
func tag(rng *rand.Rand) string {
	const letters = "abcdefghijkmnpqrstuvwxyz" // no digits: output is told by them
	var name [4]byte
	for i := range name {
		name[i] = letters[rng.IntN(len(letters))]
	}
	return string(name[:])
}

func (r Role) tasks() []task {
	switch r {
	case Developer:
		return developer()
	case Administrator:
		return administrator()
	case Analyst:
		return analyst()
	case Intruder:
		return intruder()
	}
	panic(fmt.Sprintf("role %d has no commands", r))
}

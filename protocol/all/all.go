// Package all is the list of every protocol that tyto looks for.
package all

import (
	"slices"

	"tyto/protocol"
)

// Set returns a new set of all protocols, and of more definitions whose names
// are not among them.
func Set(more ...protocol.Definition) *protocol.Set {
	defs := definitions()
	for _, d := range more {
		if !slices.ContainsFunc(defs, func(have protocol.Definition) bool { return have.Name == d.Name }) {
			defs = append(defs, d)
		}
	}
	return protocol.NewSet(defs...)
}

// Package all is the list of every protocol that tyto looks for.
package all

import "tyto/protocol"

// Set returns a new set of all protocols, with more for definitions that live
// elsewhere.
func Set(more ...protocol.Definition) *protocol.Set {
	return protocol.NewSet(append(definitions(), more...)...)
}

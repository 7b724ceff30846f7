// Package all is the list of every protocol that tyto looks for.
package all

import (
	"slices"

	"tyto/protocol"
	"tyto/protocol/dcerpc"
	"tyto/protocol/kerberos"
	"tyto/protocol/smb"
)

// Set returns a new set of all protocols, and of more definitions whose names
// are not among them.
func Set(more ...protocol.Definition) *protocol.Set {
	defs := definitions()
	for i := range defs {
		// Kerberos tickets inside these are told by the kerberos package, which
		// neither of them imports.
		switch defs[i].Name {
		case smb.Definition.Name:
			defs[i].New = smb.New(kerberos.Tell)
		case dcerpc.Definition.Name:
			defs[i].New = dcerpc.New(kerberos.Tell)
		}
	}
	for _, d := range more {
		if !slices.ContainsFunc(defs, func(have protocol.Definition) bool { return have.Name == d.Name }) {
			defs = append(defs, d)
		}
	}
	return protocol.NewSet(defs...)
}

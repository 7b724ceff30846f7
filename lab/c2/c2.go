// Package c2 is what intruders' tools do on a network, for scenarios: reverse
// shells, and a small emulator of an agent and its controller. It is a source
// of labelled traffic and of no use elsewhere: agents and controllers refuse to
// run but as processes of a lab's host, they talk to addresses that are
// reserved for private networks and tests only, what an agent can be told to
// run is the short fixed list in repertoire.go, and it reads and writes files
// of its host's own directory only.
package c2

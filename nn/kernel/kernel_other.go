//go:build !amd64 || purego

package kernel

// choose returns nil: there is plain Go only.
func choose() *table { return nil }

// available returns the instruction sets of this machine, for tests.
func available() []*table { return []*table{nil} }

// Package lab makes labelled captures: real programs talk to each other on
// hosts that are Linux namespaces, over a wire that is a goroutine, and what
// happened is told by the applications.
//
// A Scenario is one recipe. Record runs it once and writes NAME.pcap with its
// ground truth NAME.json (package label), or nothing at all if anything did not
// happen as the scenario says. Everything the lab makes belongs to processes
// that die with it: nothing has a name on the machine, nothing is left behind.
//
// Programs that record must call Main first, in main or TestMain: hosts are
// this program started again.
package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tyto/lab/label"
)

// Scenario is a recipe for labelled traffic. It is a value, in a folder of its
// own below lab/scenario.
//
// To add a scenario:
//  1. make lab/scenario/NAME/NAME.go with "var Scenario = lab.Scenario{…}";
//  2. let Run start programs on hosts, check by what came back over the wire
//     that each did its work, and tell labels and segments on the way;
//  3. run "make generate", then "tyto lab run NAME -o DIR" and look at it.
type Scenario struct {
	Name       string        // "ssh-shell"; also the folder's name
	Doc        string        // one or two sentences: what happens and what it teaches
	Labels     []label.Label // of the sessions it is about
	Techniques []string      // ATT&CK ids
	Twin       string        // name of its hard negative, or of what it is the negative of
	// Hosts are the hosts it needs, the client first. The client and those in
	// Near are on one site, all others on another, with the network profile's
	// link in between.
	Hosts []string
	Near  []string
	// Inbound says that hosts of the other site open connections to this one:
	// then there is no NAT in between.
	Inbound  bool
	Variants []Variant     // implementations, at least one
	Params   []Param       // knobs
	Limit    time.Duration // a run that takes longer is ended and refused; DefaultLimit if zero
	// Programs are programs written in Go that run as processes of a host, with
	// Command.Program. Their errors go to standard error, with status 1.
	Programs map[string]func(ctx context.Context, args []string) error
	// Run does it. It returns an error if anything did not happen as it should.
	// It must return soon after ctx ends.
	Run func(ctx context.Context, r *Run) error
}

// DefaultLimit is the longest that a run may take.
const DefaultLimit = 3 * time.Minute

// Variant is one implementation of a scenario.
type Variant struct {
	Name string
	// Needs are programs ("sshd"), absolute paths, or Python modules
	// ("py:paramiko"). "PROGRAM@PACKAGE" names the Debian package where the
	// table in packages.go does not know it.
	Needs []string
}

// Param is a knob of a scenario. One of its values is drawn in each run unless
// it is set.
type Param struct {
	Name, Doc string
	Values    []string
}

// Check returns what is wrong with the scenario's description, or nil.
func (s *Scenario) Check() error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("scenario "+s.Name+": "+format, args...))
	}
	if s.Name == "" || strings.ContainsAny(s.Name, "/ .") {
		fail("%q is not a name", s.Name)
	}
	if s.Doc == "" || s.Run == nil || len(s.Labels) == 0 {
		fail("Doc, Labels and Run are needed")
	}
	if len(s.Hosts) == 0 || len(s.Hosts) > maxHosts {
		fail("%d hosts, want 1 to %d", len(s.Hosts), maxHosts)
	}
	for i, h := range s.Hosts {
		if h == "" || strings.ContainsAny(h, "/ .") || slices.Contains(s.Hosts[:i], h) {
			fail("host %q is not a name, or is twice", h)
		}
	}
	for _, h := range s.Near {
		if !slices.Contains(s.Hosts, h) {
			fail("near host %q is not one of its hosts", h)
		}
	}
	for _, t := range s.Techniques {
		if !label.IsTechnique(t) {
			fail("%q is not an ATT&CK id", t)
		}
	}
	if len(s.Variants) == 0 {
		fail("no variant")
	}
	for i, v := range s.Variants {
		if v.Name == "" || slices.ContainsFunc(s.Variants[:i], func(w Variant) bool { return w.Name == v.Name }) {
			fail("variant %q has no name, or is twice", v.Name)
		}
	}
	for _, p := range s.Params {
		if p.Name == "" || p.Doc == "" || len(p.Values) == 0 {
			fail("parameter %q: Name, Doc and Values are needed", p.Name)
		}
	}
	return errors.Join(errs...)
}

// maxHosts is how many hosts a scenario may have.
const maxHosts = 32

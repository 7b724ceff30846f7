package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"tyto/lab/label"
	"tyto/lab/typist"
)

// Run is one run of a scenario: what the scenario's Run function gets. Its
// methods may be called by several goroutines, except Rand's generator.
type Run struct {
	scenario *Scenario
	draft    label.Run // what was drawn
	clock    clock
	rng      *rand.Rand
	typist   *typist.Typist
	hurry    float64  // of pauses
	home     *os.File // the machine's network namespace
	hosts    []*Host
	routes   routes
	subnets  [2][4]byte // of the client's site and the other
	addrRand *rand.Rand

	mu       sync.Mutex
	claims   claims
	software []label.Software
	notes    []string
	typed    bool
	taken    map[netip.Addr]bool
}

// Host returns one of the scenario's hosts. It panics if there is no such host.
func (r *Run) Host(name string) *Host {
	for _, h := range r.hosts {
		if h.name == name {
			return h
		}
	}
	panic(fmt.Sprintf("scenario %s has no host %q", r.scenario.Name, name))
}

// address draws an address of the host's site; none is left if it is not valid.
func (r *Run) address(h *Host) netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	net := r.subnets[1]
	if h.near {
		net = r.subnets[0]
	}
	const first, count = 2, 253
	start := r.addrRand.IntN(count)
	for i := range count {
		net[3] = byte(first + (start+i)%count)
		if a := netip.AddrFrom4(net); !r.taken[a] {
			r.taken[a] = true
			return a
		}
	}
	return netip.Addr{}
}

// Variant is the name of the implementation to use.
func (r *Run) Variant() string { return r.draft.Variant }

// Param is the value of a knob. It panics if there is no such knob.
func (r *Run) Param(name string) string {
	if !slices.ContainsFunc(r.scenario.Params, func(p Param) bool { return p.Name == name }) {
		panic(fmt.Sprintf("scenario %s has no parameter %q", r.scenario.Name, name))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.draft.Params[name]
}

// ParamInt is Param for a knob whose values are numbers. It panics on others.
func (r *Run) ParamInt(name string) int {
	n, err := strconv.Atoi(r.Param(name))
	if err != nil {
		panic(fmt.Sprintf("scenario %s: parameter %s: %v", r.scenario.Name, name, err))
	}
	return n
}

// SetParam says that the run uses another value of a knob than was drawn,
// because the variant cannot do that.
func (r *Run) SetParam(name, value string) {
	r.Param(name) // there must be one
	r.mu.Lock()
	defer r.mu.Unlock()
	r.draft.Params[name] = value
}

// Profile is the network of this run.
func (r *Run) Profile() label.Profile { return r.draft.Profile }

// Rand is the generator of this run: the same seed gives the same values. It is
// for the goroutine that Run was called on; others use NewRand.
func (r *Run) Rand() *rand.Rand { return r.rng }

// NewRand returns another generator, seeded by the run's seed and a name.
func (r *Run) NewRand(name string) *rand.Rand {
	return seeded(r.draft.Seed, r.scenario.Name+"\x00"+name)
}

func seeded(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// Typist is who types in this run.
func (r *Run) Typist() *typist.Typist {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.typed = true
	return r.typist
}

// Sleep is time in which nothing happens: somebody thinks, an agent sleeps. It
// returns ctx's error if that ends first.
func (r *Run) Sleep(ctx context.Context, d time.Duration) error { return sleep(ctx, d) }

// Think is the time that a person takes between two things they do; rng is
// Rand's or NewRand's generator.
func (r *Run) Think(ctx context.Context, rng *rand.Rand) error {
	return sleep(ctx, r.think(0, rng))
}

// think is how long somebody pauses who has so much to read.
func (r *Run) think(outputBytes int, rng *rand.Rand) time.Duration {
	return time.Duration(float64(r.typist.Think(outputBytes, rng)) / r.hurry)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Together calls functions at the same time and waits for all; the first error
// ends the others' context and is returned.
func Together(ctx context.Context, fs ...func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for _, f := range fs {
		all.Go(func() {
			if err := f(ctx); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// Random returns n random bytes, for the content of files.
func Random(n int, rng *rand.Rand) string {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	return string(b[:n])
}

// Now is the time on the capture's clock.
func (r *Run) Now() label.Time { return r.clock.now() }

// Label says what the flows of sel are about. At least one flow must match in
// the end.
func (r *Run) Label(sel Selector, labels ...label.Label) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claims.labels = append(r.claims.labels, labelClaim{sel, labels})
}

// Segment says that the flows of sel do s from now until end is called (or the
// run ends). Calling end again does nothing. What a program does from its start
// is better told by Span with Process.Started: it may be faster than this call.
func (r *Run) Segment(sel Selector, s label.State, detail string) (end func()) {
	claim := &spanClaim{sel: sel, Segment: label.Segment{T0: r.Now(), State: s, Detail: detail}, open: true}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claims.spans = append(r.claims.spans, claim)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if claim.open {
			claim.T1, claim.open = r.Now(), false
		}
	}
}

// Span is Segment for a time that is over.
func (r *Run) Span(sel Selector, t0, t1 label.Time, s label.State, detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claims.spans = append(r.claims.spans, &spanClaim{sel: sel, Segment: label.Segment{T0: t0, T1: t1, State: s, Detail: detail}})
}

// Keys says that what is typed at t, before and after this call, is sent in
// the flows of sel.
func (r *Run) Keys(sel Selector, t *Terminal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claims.keys = append(r.claims.keys, keyClaim{sel, t})
}

// Software says what runs on a host.
func (r *Run) Software(host, name, version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := label.Software{Host: host, Name: name, Version: version}
	if !slices.Contains(r.software, s) {
		r.software = append(r.software, s)
	}
}

// Installed is Software with the name and version of the Debian package of a
// program.
func (r *Run) Installed(h *Host, program string) {
	name := Package(program)
	r.Software(h.name, name, PackageVersion(name))
}

// Note says what a reader of the truth must know, such as "the service manager
// is the lab's own endpoint".
func (r *Run) Note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.notes, text) {
		r.notes = append(r.notes, text)
	}
}

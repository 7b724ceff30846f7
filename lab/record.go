package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"tyto/lab/label"
	"tyto/lab/typist"
)

// Config is how a scenario is run. What is empty is drawn by the seed.
type Config struct {
	Seed    uint64
	Variant string
	Params  map[string]string
	Profile string // name of a Profile
	Sensor  string // "client", "core", "server"
	Typist  string // "typist-07"
	// Hurry is how many times shorter people pause than they would; 1 if zero.
	// How they type does not change. It becomes a note in the truth.
	Hurry float64
	Dir   string // where NAME.pcap and NAME.json go
	Name  string // NAME; made of the above if empty
}

// Limits of a run that is worth keeping.
const (
	maxLateness = 20 * time.Millisecond // p99
	grace       = 10 * time.Second      // for a scenario that does not return when it must
)

// partSuffix ends the names of files that are not whole yet.
const partSuffix = ".part"

// baseDir holds the hosts' directories, as links into their file systems.
const baseDir = "/run/tyto-lab"

// sites are where addresses come from: the client's site is private, the other
// may be anywhere. All are reserved (RFC 1918, 2544, 5737, 6598).
var nearPrefixes, farPrefixes = prefixes("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16"),
	prefixes("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 198.18.0.0/15 203.0.113.0/24 198.51.100.0/24 192.0.2.0/24 100.64.0.0/10")

func prefixes(list string) (all []netip.Prefix) {
	for _, s := range strings.Fields(list) {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

// subnet draws a network of 256 addresses.
func subnet(from []netip.Prefix, rng *rand.Rand) [4]byte {
	p := from[rng.IntN(len(from))]
	a := p.Addr().As4()
	free := 24 - p.Bits()
	n := rng.IntN(1 << free)
	a[1] |= byte(n >> 8)
	a[2] |= byte(n)
	return a
}

// draw decides all that Config leaves open. What is drawn does not depend on
// what is set.
func draw(s *Scenario, c Config) (r *Run, n network, congestion string, err error) {
	rng := seeded(c.Seed, s.Name)
	d := label.Run{Format: label.FormatVersion, Scenario: s.Name, Seed: c.Seed, Labels: s.Labels, Techniques: s.Techniques, Twin: s.Twin, Params: map[string]string{}}
	variant := s.Variants[rng.IntN(len(s.Variants))].Name
	d.Variant = cmp.Or(c.Variant, variant)
	if !slices.ContainsFunc(s.Variants, func(v Variant) bool { return v.Name == d.Variant }) {
		return nil, n, "", fmt.Errorf("scenario %s has no variant %q", s.Name, d.Variant)
	}
	for _, p := range s.Params {
		d.Params[p.Name] = p.Values[rng.IntN(len(p.Values))]
	}
	for k, v := range c.Params {
		i := slices.IndexFunc(s.Params, func(p Param) bool { return p.Name == k })
		if i < 0 || !slices.Contains(s.Params[i].Values, v) {
			return nil, n, "", fmt.Errorf("scenario %s has no parameter %s=%s", s.Name, k, v)
		}
		d.Params[k] = v
	}
	all := Profiles()
	profile := all[rng.IntN(len(all))]
	if c.Profile != "" {
		if profile, err = profileNamed(c.Profile); err != nil {
			return nil, n, "", err
		}
	}
	sensors := []string{"client", "core", "server"}
	d.Sensor = cmp.Or(c.Sensor, sensors[rng.IntN(len(sensors))])
	if len(s.Near) > 0 && c.Sensor == "" {
		d.Sensor = "client" // the others do not see what stays on the site
	}
	if !slices.Contains(sensors, d.Sensor) {
		return nil, n, "", fmt.Errorf("the sensor is at client, core or server, not %q", d.Sensor)
	}
	person := typist.Draw(rng)
	if c.Typist != "" {
		if person, err = typistNamed(c.Typist); err != nil {
			return nil, n, "", err
		}
	}
	if all := congestions(); len(all) > 0 {
		congestion = all[rng.IntN(len(all))]
	}
	netRand := seeded(c.Seed, s.Name+"\x00network")
	n = drawNetwork(netRand, profile, s)
	n.sensor = d.Sensor
	d.Profile = n.profile
	d.Notes = []string{"TCP congestion control: " + congestion}
	hurry := cmp.Or(c.Hurry, 1)
	if !(hurry > 0) {
		return nil, n, "", fmt.Errorf("hurry %v", c.Hurry)
	}
	if hurry != 1 {
		d.Notes = append(d.Notes, fmt.Sprintf("people pause %g times shorter than they would", hurry))
	}
	d.Name = cmp.Or(c.Name, fmt.Sprintf("%s-%s-%s-%d", s.Name, d.Variant, profile.Name, c.Seed))
	r = &Run{scenario: s, draft: d, rng: seeded(c.Seed, s.Name+"\x00run"), typist: person, hurry: hurry}
	r.makeHosts(netRand, &n)
	return r, n, congestion, nil
}

func typistNamed(name string) (*typist.Typist, error) {
	for i := range typist.Count {
		if t := typist.Number(i); t.Name() == name {
			return t, nil
		}
	}
	return nil, fmt.Errorf("there is no typist %q", name)
}

// congestions are the TCP congestion controls that hosts may use: those that
// need no privilege, and the default that they inherit.
func congestions() (all []string) {
	for _, name := range []string{"tcp_allowed_congestion_control", "tcp_congestion_control"} {
		data, _ := os.ReadFile("/proc/sys/net/ipv4/" + name)
		all = append(all, strings.Fields(string(data))...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// drawNetwork draws what is between the sites.
func drawNetwork(rng *rand.Rand, p Profile, s *Scenario) network {
	out, in, truth := p.draw(rng, !s.Inbound)
	n := network{
		profile: truth, out: out, in: in, rng: rng, cables: make(map[*Host]*link), capacity: defaultMaxSize,
		split: .15 + .7*rng.Float64(), hops: 2 + rng.IntN(14),
	}
	if p.RTT[1] <= time.Millisecond {
		n.hops = 1
	}
	n.routers = [2][6]byte{hardwareAddr(rng), hardwareAddr(rng)}
	if truth.NAT {
		a := subnet(farPrefixes[3:], rng)
		a[3] = byte(2 + rng.IntN(250))
		n.public = netip.AddrFrom4(a)
	}
	return n
}

// hardwareAddr draws a locally administered address.
func hardwareAddr(rng *rand.Rand) (mac [6]byte) {
	for i := range mac {
		mac[i] = byte(rng.IntN(256))
	}
	mac[0] = mac[0]&^1 | 2
	return mac
}

func (r *Run) makeHosts(rng *rand.Rand, n *network) {
	near, far := subnet(nearPrefixes, rng), subnet(farPrefixes, rng)
	for far == near || n.public.IsValid() && far == [4]byte{n.public.As4()[0], n.public.As4()[1], n.public.As4()[2], 0} {
		far = subnet(farPrefixes, rng)
	}
	r.subnets, r.addrRand, r.taken = [2][4]byte{near, far}, seeded(r.draft.Seed, r.scenario.Name+"\x00addresses"), make(map[netip.Addr]bool)
	routers := [2][6]byte{hardwareAddr(rng), hardwareAddr(rng)}
	near[3], far[3] = 1, 1
	n.edge = [2]netip.Addr{netip.AddrFrom4(near), netip.AddrFrom4(far)}
	for i, name := range r.scenario.Hosts {
		h := &Host{run: r, name: name, near: i == 0 || slices.Contains(r.scenario.Near, name), mac: hardwareAddr(rng), tap: -1}
		if h.near {
			h.gateway, h.router = n.edge[0], routers[0]
		} else {
			h.gateway, h.router = n.edge[1], routers[1]
		}
		h.addr = r.address(h)
		r.routes.add(netip.PrefixFrom(h.addr, 32), h)
		delay := time.Duration(2+rng.IntN(7)) * time.Microsecond
		n.cables[h] = &link{delay: delay, rate: 1e9, queue: 4 << 20}
		r.hosts = append(r.hosts, h)
	}
}

// tapMTU is the MTU of a host's device: that of the line if it is a large one,
// and of hosts on the client's site in half of the runs, which otherwise learn
// it by path MTU discovery.
func (r *Run) tapMTU(h *Host) int {
	mtu := r.draft.Profile.MTU
	if mtu > 1500 || h.near && r.draft.Seed%2 == 0 {
		return mtu
	}
	return 1500
}

// Record runs a scenario once and writes the capture and its truth. If anything
// went wrong it writes nothing.
func Record(ctx context.Context, s *Scenario, c Config) (truth *label.Run, err error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	r, n, congestion, err := draw(s, c)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", r.draft.Name, err)
		}
	}()
	prioritize()
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, err
	}
	name := filepath.Join(c.Dir, r.draft.Name)
	file, err := os.Create(name + ".pcap" + partSuffix)
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	w, err := r.perform(ctx, n, congestion, file)
	if err != nil {
		return nil, err
	}
	truth, err = r.truth(w)
	if err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	// The truth comes last: where it is, both are whole.
	if err := os.Rename(file.Name(), name+".pcap"); err != nil {
		return nil, err
	}
	if err := truth.WriteFile(name + ".json"); err != nil {
		return nil, errors.Join(err, os.Remove(name+".pcap"))
	}
	return truth, nil
}

// perform boots the hosts, lets the scenario run and ends everything.
func (r *Run) perform(ctx context.Context, n network, congestion string, file *os.File) (w *wire, err error) {
	base, err := makeBase()
	if err != nil {
		return nil, err
	}
	defer base.remove()
	if r.home, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return nil, err
	}
	defer r.home.Close()
	stop, err := r.boot(base.path, congestion)
	defer stop()
	if err != nil {
		return nil, err
	}
	r.clock = newClock()
	w, err = newWire(n, r.clock, r.hosts, &r.routes, file)
	if err != nil {
		return nil, err
	}
	err = r.play(ctx, w)
	settled, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second+2*n.profile.RTT.Duration())
	defer cancel()
	if err != nil {
		cancel()
	}
	return w, errors.Join(err, w.stop(settled))
}

// boot starts all hosts on one thread, which lives until stop is called.
func (r *Run) boot(base, congestion string) (stop func(), err error) {
	booted, ending, ended := make(chan error), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // never unlocked: it ends with this, and the agents would too
		var err error
		for _, h := range r.hosts {
			h.dir = filepath.Join(base, h.name)
			if err = h.boot(r.tapMTU(h), congestion); err != nil {
				break
			}
		}
		booted <- err
		<-ending
		for _, h := range r.hosts {
			h.shut()
		}
	}()
	err = <-booted
	return sync.OnceFunc(func() { close(ending); <-ended }), err
}

// play calls the scenario's function within its time.
func (r *Run) play(ctx context.Context, w *wire) error {
	limit := cmp.Or(r.scenario.Limit, DefaultLimit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took longer than %v", limit))
	defer cancel()
	result := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				stack := make([]byte, 4<<10)
				result <- fmt.Errorf("panic: %v\n%s", p, stack[:runtime.Stack(stack, false)])
			}
		}()
		result <- r.scenario.Run(ctx, r)
	}()
	watch := time.NewTicker(100 * time.Millisecond)
	defer watch.Stop()
	for {
		select {
		case err := <-result:
			return err
		case <-ctx.Done():
			select {
			case err := <-result:
				return errors.Join(context.Cause(ctx), err)
			case <-time.After(grace):
				return fmt.Errorf("%w, and hangs", context.Cause(ctx))
			}
		case <-watch.C:
			if err := w.failed(); err != nil {
				return err
			}
		}
	}
}

// truth makes the truth of a run that has ended.
func (r *Run) truth(w *wire) (*label.Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.draft
	t.Lateness = w.late.result()
	if t.Lateness.P99.Duration() > maxLateness {
		return nil, fmt.Errorf("the machine was too busy: packets were %v late (p99), more than %v", t.Lateness.P99.Duration().Round(time.Microsecond), maxLateness)
	}
	flows, err := r.claims.assemble(w.all, t.Sensor, r.clock.now())
	if err != nil {
		return nil, err
	}
	t.Flows, t.Packets, t.Bytes = flows, w.capture.packets, w.capture.bytes
	t.Labels = nil
	for _, f := range flows {
		t.Labels = append(t.Labels, f.Labels...)
	}
	slices.Sort(t.Labels)
	t.Labels = slices.Compact(t.Labels)
	for _, l := range t.Labels {
		if !slices.Contains(r.scenario.Labels, l) {
			return nil, fmt.Errorf("label %s is none of the scenario's", l)
		}
	}
	t.T0, t.T1 = w.capture.t0, w.capture.t1
	for _, h := range r.hosts {
		role := "client"
		if h != r.hosts[0] {
			role = "near"
			if !h.near {
				role = "far"
			}
		}
		t.Hosts = append(t.Hosts, label.Host{Name: h.name, Addr: h.addr, Role: role})
	}
	t.Software = append([]label.Software{}, r.software...)
	t.Notes = append(t.Notes, r.notes...)
	if r.typed {
		t.Typist = r.typist.Name()
	}
	t.Normalize()
	return &t, t.Check()
}

// base is the directory of one run's hosts. Its lock tells that the run lives.
type base struct {
	path string
	lock *os.File
}

// makeBase makes one, and removes those of runs that were killed. Only one
// process and goroutine at a time is here: a directory that has no lock yet
// looks like one whose run was killed.
func makeBase() (*base, error) {
	all, err := lockBases()
	if err != nil {
		return nil, err
	}
	defer all.Close()
	entries, err := os.ReadDir(baseDir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		old := &base{path: filepath.Join(baseDir, e.Name())}
		if old.lock, err = os.Open(old.path); err != nil {
			continue
		}
		if syscall.Flock(int(old.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			old.clear()
		}
		old.lock.Close()
	}
	b := new(base)
	if b.path, err = os.MkdirTemp(baseDir, ""); err != nil {
		return nil, err
	}
	if b.lock, err = os.Open(b.path); err != nil {
		return nil, err
	}
	return b, errors.Join(syscall.Flock(int(b.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), os.Chmod(b.path, 0o755))
}

// lockBases makes and locks the directory of all bases. Who locked one that
// has been removed meanwhile tries again.
func lockBases() (*os.File, error) {
	for {
		if err := os.MkdirAll(baseDir, 0o755); err != nil {
			return nil, err
		}
		f, err := os.Open(baseDir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			f.Close()
			return nil, err
		}
		locked, err1 := f.Stat()
		now, err2 := os.Stat(baseDir)
		if err1 == nil && err2 == nil && os.SameFile(locked, now) {
			return f, nil
		}
		f.Close()
	}
}

// remove ends the run's claim to its directory and removes it.
func (b *base) remove() {
	all, err := lockBases()
	if err == nil {
		defer all.Close()
	}
	b.clear()
	b.lock.Close()
	os.Remove(baseDir) // if it is empty
}

// clear removes the directory, which holds links only.
func (b *base) clear() {
	entries, _ := os.ReadDir(b.path)
	for _, e := range entries {
		os.Remove(filepath.Join(b.path, e.Name()))
	}
	os.Remove(b.path)
}

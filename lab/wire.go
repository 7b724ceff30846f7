package lab

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tyto/lab/label"
)

// clock is the capture's: one reading of the wall clock, and the time that has
// passed since.
type clock struct{ base time.Time }

func newClock() clock { return clock{time.Now()} }

func (c clock) now() label.Time { return label.At(c.base) + label.Time(time.Since(c.base)) }

// network is what the wire is between.
type network struct {
	profile  label.Profile
	sensor   string          // "client", "core", "server"
	split    float64         // share of the line before the core sensor, seen from the client
	hops     int             // routers between the sites
	out, in  *link           // between the sites: from the client's, to it
	cables   map[*Host]*link // to its site's switch
	routers  [2][6]byte      // hardware addresses at the core
	public   netip.Addr      // of the NAT, if there is one
	edge     [2]netip.Addr   // of the routers of the client's site and the other
	rng      *rand.Rand
	capacity int64 // most bytes that a capture may have
}

// Bounds of a run's capture.
const (
	maxFlows       = label.MaxFlows
	defaultMaxSize = 1 << 31 // bytes
)

// delivery is a frame for a host's device.
type delivery struct {
	at    label.Time
	host  *Host
	frame []byte // of the wire's memory
}

// wire is the router between the hosts. One thread reads all devices, computes
// when each packet arrives where, and delivers it then.
type wire struct {
	network
	clock  clock
	hosts  []*Host
	routes *routes
	nat    *nat // nil if there is none

	wake     *event // of the wire's thread
	wonder   *event // of the thread that looks up owners
	mu       sync.Mutex
	inbox    []delivery // from the thread that looks up owners
	asked    []question // to it
	stopping bool
	ended    bool  // the wire's thread has
	err      error // what spoiled the run

	queue   timeline[delivery]
	capture *capture
	memory  *memory
	flows   map[flowKey]*flow
	all     []*flow
	pieces  map[piece]*flow
	late    lateness
	readBuf []byte
	done    sync.WaitGroup
}

// question asks who owns a new flow's socket. The flow's first packet waits for
// the answer, so that the socket is still there.
type question struct {
	flow   *flow
	packet delivery
}

func newWire(n network, c clock, hosts []*Host, routes *routes, file *os.File) (*wire, error) {
	w := &wire{
		network: n, clock: c, hosts: hosts, routes: routes,
		memory: new(memory),
		flows:  make(map[flowKey]*flow), pieces: make(map[piece]*flow), readBuf: make([]byte, 1<<16),
	}
	if n.public.IsValid() {
		w.nat = newNAT(n.public, n.rng)
	}
	w.capture = newCapture(file, w.memory, n.capacity)
	var err error
	if w.wake, err = newEvent(unix.EFD_NONBLOCK); err != nil {
		return nil, err
	}
	if w.wonder, err = newEvent(0); err != nil {
		w.wake.close()
		return nil, err
	}
	w.done.Go(w.loop)
	w.done.Go(w.lookups)
	return w, nil
}

// stop ends the wire, after what is on its way has arrived or at the end of
// ctx, and returns what spoiled the run.
func (w *wire) stop(ctx context.Context) error {
	for ctx.Err() == nil && !w.quiet() {
		time.Sleep(5 * time.Millisecond)
	}
	w.mu.Lock()
	w.stopping = true
	w.mu.Unlock()
	w.wake.set()
	w.done.Wait()
	w.wake.close()
	w.wonder.close()
	return errors.Join(w.err, w.capture.close())
}

// quiet reports whether nothing was on its way at the last look.
func (w *wire) quiet() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.late.pending == 0
}

// event wakes a thread that waits in the kernel, which is sooner than a channel
// on a busy machine: the Go scheduler needs another thread's help to wake a
// goroutine that has a thread of its own.
type event struct{ fd int }

func newEvent(flags int) (*event, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|flags)
	return &event{fd}, err
}

func (e *event) set() { unix.Write(e.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// take waits until the event is set, if it was made without EFD_NONBLOCK, and
// clears it.
func (e *event) take() {
	var counter [8]byte
	unix.Read(e.fd, counter[:])
}

func (e *event) close() { unix.Close(e.fd) }

func (w *wire) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// failed returns what spoiled the run so far.
func (w *wire) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// realTime asks for the thread to run before others, which keeps packets from
// being late; what it starts does not inherit that. Without the right to it
// the lab works, less precisely.
func realTime() error {
	return unix.SchedSetAttr(0, &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Flags: unix.SCHED_FLAG_RESET_ON_FORK, Priority: 10,
	}, 0)
}

// maxBurst is how many frames are read from one device before the others have
// their turn.
const maxBurst = 64

func (w *wire) loop() {
	runtime.LockOSThread() // never unlocked: the thread ends with this
	realTime()
	defer func() {
		w.mu.Lock()
		w.ended = true
		w.mu.Unlock()
		w.wonder.set()
	}()
	polled := make([]unix.PollFd, len(w.hosts)+1)
	for i, h := range w.hosts {
		polled[i] = unix.PollFd{Fd: int32(h.tap), Events: unix.POLLIN}
	}
	polled[len(w.hosts)] = unix.PollFd{Fd: int32(w.wake.fd), Events: unix.POLLIN}
	for {
		stop := w.takeInbox()
		w.deliver()
		w.capture.flush(w.clock.now())
		if err := w.capture.err; err != nil {
			w.fail(err)
			return
		}
		w.tell()
		if stop {
			return
		}
		_, err := unix.Ppoll(polled, w.untilNext(), nil)
		if err != nil && err != unix.EINTR {
			w.fail(fmt.Errorf("wire: %w", err))
			return
		}
		for i, h := range w.hosts {
			if err == nil && polled[i].Revents != 0 {
				w.read(h)
			}
		}
	}
}

// untilNext is how long nothing is to be delivered; nil for ever.
func (w *wire) untilNext() *unix.Timespec {
	at, ok := w.queue.next()
	if !ok && w.capture.waiting.len() == 0 {
		return nil
	}
	wait := label.Time(20 * time.Millisecond)
	if ok {
		wait = min(wait, max(0, at-w.clock.now()))
	}
	t := unix.NsecToTimespec(int64(wait))
	return &t
}

func (w *wire) takeInbox() (stop bool) {
	w.wake.take()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.inbox {
		w.queue.add(d.at, d)
	}
	w.inbox = w.inbox[:0]
	return w.stopping
}

// tell says how much is on its way.
func (w *wire) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late.pending = w.queue.len() + w.late.asked + len(w.inbox)
}

func (w *wire) deliver() {
	for {
		now := w.clock.now()
		if at, ok := w.queue.next(); !ok || at > now {
			return
		}
		d := w.queue.take()
		w.late.add(time.Duration(now - d.at))
		if _, err := unix.Write(d.host.tap, d.frame); err != nil && err != unix.EAGAIN && err != unix.EIO {
			w.fail(fmt.Errorf("wire: deliver to %s: %w", d.host.name, err))
		}
		w.memory.put(d.frame)
	}
}

func (w *wire) read(h *Host) {
	for range maxBurst {
		n, err := unix.Read(h.tap, w.readBuf)
		if err != nil || n < etherLen {
			return
		}
		now := w.clock.now()
		frame := w.readBuf[:n]
		if frame[12] != etherIPv4>>8 || frame[13] != etherIPv4&0xff {
			continue
		}
		if d, ok := viewDatagram(frame[etherLen:]); ok {
			w.route(h, now, d)
		}
	}
}

// route takes a packet from a host. It may change it, and keeps nothing of it.
func (w *wire) route(h *Host, now label.Time, d datagram) {
	at := w.cables[h].send(now, len(d.data)+etherLen)
	if at.dropped || at.lost {
		return
	}
	if d.dst().IsMulticast() || d.dst() == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		w.broadcast(h, at.arrived, d)
		return
	}
	src, dst := d.source(), d.destination()
	translated := false
	if w.nat != nil && !h.near && d.dst() == w.public {
		var to netip.AddrPort
		if to, translated = w.nat.inner(d); translated {
			dst = to
		}
	}
	f := w.flowOf(h, now, d, src, dst)
	if w.sees(h) {
		w.captureFrame(at.arrived, f, h.mac, h.router, d)
	}
	to := w.routes.to(dst.Addr())
	if f != nil && f.from == h && f.to == nil {
		f.to = to
	}
	if to == nil || to == h || w.nat != nil && !h.near && to.near && !translated {
		w.ask(h, f, now, delivery{})
		w.answer(h, at.arrived, unreachable, 1, 0, d)
		return
	}
	p := passage{from: h, to: to, sent: now, at: at.arrived, flow: f, inner: dst}
	if to.near == h.near {
		if w.lower(p, 1, d) {
			w.arrive(p, d)
		}
		return
	}
	w.cross(p, d)
}

// passage is a packet's way.
type passage struct {
	from, to *Host
	sent, at label.Time
	flow     *flow
	inner    netip.AddrPort // destination behind the NAT
}

// sees reports whether the sensor is on the host's site.
func (w *wire) sees(h *Host) bool {
	return w.sensor == "client" && h.near || w.sensor == "server" && !h.near
}

// lower lowers the time to live, or answers that it is exceeded.
func (w *wire) lower(p passage, by int, d datagram) bool {
	if d.ttl() <= by {
		w.answer(p.from, p.at, timeExceded, 0, 0, d)
		return false
	}
	d.lowerTTL(by)
	return true
}

// cross takes a packet to the other site.
func (w *wire) cross(p passage, d datagram) {
	if len(d.data) > w.profile.MTU {
		if !d.fragmentable() {
			w.answer(p.from, p.at, unreachable, 4, w.profile.MTU, d)
			return
		}
		for _, piece := range fragmentDatagram(d, w.profile.MTU) {
			if v, ok := viewDatagram(piece); ok {
				w.cross(p, v)
			}
		}
		return
	}
	before := 1 + int(w.split*float64(w.hops-1))
	if p.from.near && w.nat != nil {
		if !w.nat.outward(d) {
			return
		}
		if p.flow != nil && !p.flow.outside.IsValid() {
			p.flow.outside = netip.AddrPortFrom(w.public, d.source().Port())
		}
	}
	line, share := w.out, w.split
	if !p.from.near {
		line, share, before = w.in, 1-w.split, w.hops-before
	}
	if !w.lower(p, before, d) {
		return
	}
	t := line.send(p.at, len(d.data)+etherLen)
	if t.dropped {
		return
	}
	// A packet that is lost on the way may have passed the core.
	if w.sensor == "core" && (!t.lost || w.rng.Float64() > share) {
		core := t.sent + label.Time(share*float64(line.delay))
		if !t.lost {
			core = t.sent + label.Time(share*float64(t.arrived-t.sent))
		}
		macs := w.routers
		if !p.from.near {
			macs[0], macs[1] = macs[1], macs[0]
		}
		w.captureFrame(core, p.flow, macs[0], macs[1], d)
	}
	if t.lost {
		return
	}
	p.at = t.arrived
	if !w.lower(p, w.hops-before, d) {
		return
	}
	if w.nat != nil && !p.from.near && d.dst() == w.public {
		w.nat.inward(d, p.inner)
	}
	w.arrive(p, d)
}

// arrive takes a packet from the switch of its destination's site to it.
func (w *wire) arrive(p passage, d datagram) {
	if p.from.near != p.to.near && w.sees(p.to) {
		w.captureFrame(p.at, p.flow, p.to.router, p.to.mac, d)
	}
	frame := w.frame(p.to.router, p.to.mac, d.data)
	if at := p.at + w.down(p.to); !w.ask(p.from, p.flow, p.sent, delivery{at, p.to, frame}) {
		w.queue.add(at, delivery{at, p.to, frame})
	}
}

// down is the time from the switch to a host. There is no queue: what comes
// here was sent by a link that is no faster, and not in the order of arrival.
func (w *wire) down(h *Host) label.Time { return label.Time(w.cables[h].delay) }

// reuse is how long a datagram socket is silent before its addresses may be
// another socket's.
const reuse = label.Time(250 * time.Millisecond)

// ask has the owner of a flow's socket looked up when the originator sends for
// the first time, or after it was silent for so long that it may be another
// socket; the packet goes on afterwards. It reports whether it took the packet.
func (w *wire) ask(h *Host, f *flow, now label.Time, packet delivery) bool {
	if f == nil || f.from != h {
		return false
	}
	silent := now - f.lastFrom
	f.lastFrom = now
	if f.asked && (f.proto == protoTCP || silent < reuse) {
		return false
	}
	f.asked = true
	w.mu.Lock()
	w.asked = append(w.asked, question{f, packet})
	w.late.asked++
	w.mu.Unlock()
	w.wonder.set()
	return true
}

// answer sends a router's ICMP error to a host. Nothing is said about errors,
// fragments and broadcasts (RFC 1122, 3.2.2).
func (w *wire) answer(h *Host, at label.Time, kind, code byte, mtu int, about datagram) {
	if about.isICMPError() || !about.first() {
		return
	}
	p := icmpError(h.gateway, kind, code, mtu, about)
	d, _ := viewDatagram(p)
	if w.nat != nil && d.dst() == w.public {
		// A router beyond the NAT sees the packet translated.
		to, ok := w.nat.inner(d)
		if !ok {
			return
		}
		w.nat.inward(d, to)
	}
	at += label.Time(200 * time.Microsecond)
	src, dst := endpoints(d, d.source(), d.destination())
	f := w.track(h, at, keyOf(protoICMP, src, dst), protoICMP, src, dst)
	if w.sees(h) {
		w.captureFrame(at, f, h.router, h.mac, d)
	}
	at += w.down(h)
	w.queue.add(at, delivery{at, h, w.frame(h.router, h.mac, p)})
}

// broadcast gives a packet to all others of the site.
func (w *wire) broadcast(h *Host, at label.Time, d datagram) {
	to := [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if a := d.dst(); a.IsMulticast() {
		b := a.As4()
		to = [6]byte{0x01, 0x00, 0x5e, b[1] & 0x7f, b[2], b[3]} // RFC 1112, 6.4
	}
	f := w.flowOf(h, at, d, d.source(), d.destination())
	w.ask(h, f, at, delivery{})
	if w.sees(h) {
		w.captureFrame(at, f, h.mac, to, d)
	}
	for _, other := range w.hosts {
		if other == h || other.near != h.near {
			continue
		}
		arrives := at + w.down(other)
		w.queue.add(arrives, delivery{arrives, other, w.frame(h.mac, to, d.data)})
	}
}

// frame makes a frame, which memory gets back in the end.
func (w *wire) frame(src, dst [6]byte, data []byte) []byte {
	frame := w.memory.get(etherLen + len(data))
	copy(frame, dst[:])
	copy(frame[6:], src[:])
	frame[12], frame[13] = etherIPv4>>8, etherIPv4&0xff
	copy(frame[etherLen:], data)
	return frame
}

// flowOf returns the flow of a packet that a host sends, nil where that cannot
// be known.
func (w *wire) flowOf(h *Host, now label.Time, d datagram, src, dst netip.AddrPort) *flow {
	id := piece{d.src(), d.dst(), d.id(), d.proto()}
	if !d.first() {
		return w.pieces[id]
	}
	src, dst = endpoints(d, src, dst)
	key := keyOf(d.proto(), src, dst)
	f := w.flows[key]
	flags := d.tcpFlags()
	const fin, syn, rst, ack = 1, 2, 4, 16
	if f == nil || f.ending && flags&(syn|ack) == syn {
		f = w.track(h, now, key, d.proto(), src, dst)
	}
	if f == nil {
		return nil
	}
	f.ending = f.ending || flags&(fin|rst) != 0
	if d.fragment()&flagMF != 0 {
		if len(w.pieces) >= maxPieces {
			clear(w.pieces)
		}
		w.pieces[id] = f
	}
	return f
}

func (w *wire) track(h *Host, now label.Time, key flowKey, proto byte, src, dst netip.AddrPort) *flow {
	if f := w.flows[key]; f != nil && !f.ending {
		return f
	}
	if len(w.all) == maxFlows {
		w.fail(fmt.Errorf("more than %d flows", maxFlows))
		return nil
	}
	f := &flow{proto: proto, src: src, dst: dst, from: h, began: now}
	w.flows[key] = f
	w.all = append(w.all, f)
	return f
}

// captureFrame is called for what the sensor sees at a time that is not before
// now. The packet may change afterwards.
func (w *wire) captureFrame(at label.Time, f *flow, src, dst [6]byte, d datagram) {
	if f != nil {
		f.seen(at)
	}
	w.capture.add(at, w.frame(src, dst, d.data))
}

// lookups finds the owners of new flows, and lets their first packets go.
func (w *wire) lookups() {
	runtime.LockOSThread() // never unlocked: the thread ends with this
	realTime()             // packets wait for it
	for ended := false; !ended; {
		w.wonder.take()
		w.mu.Lock()
		asked := w.asked
		w.asked, ended = nil, w.ended
		w.mu.Unlock()
		for _, q := range asked {
			o := q.flow.from.lookup(protoName(q.flow.proto), q.flow.src, q.flow.dst)
			w.mu.Lock()
			q.flow.owned(o)
			if q.packet.host != nil {
				w.inbox = append(w.inbox, q.packet)
			}
			w.late.asked--
			w.mu.Unlock()
			w.wake.set()
		}
	}
}

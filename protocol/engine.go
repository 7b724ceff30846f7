package protocol

import (
	"fmt"
	"runtime"
	"strings"

	"tyto/packet"
	"tyto/session"
)

// Sink takes what analyzers tell, in the order of packets.
type Sink interface {
	Record(f *Flow, r Record)
	Anomaly(f *Flow, a Anomaly)
	Observe(f *Flow, o Observation)
}

// Engine recognises and reads the protocols of one shard's sessions. It is not
// for use by several goroutines at once.
type Engine struct {
	// Strict lets the panic of an analyzer through instead of counting it in
	// Faults: for tests and fuzzing.
	Strict bool
	// Faults counts analyzers that had to be stopped because of a mistake of
	// ours.
	Faults uint64
	// LastFault describes the last of them.
	LastFault string

	set      *Set
	sink     Sink
	series   *session.Pool
	flows    []*Flow // by Session.Analysis - 1
	free     []uint32
	spare    []*Flow
	idle     [][]Analyzer // by definition: analyzers as good as new
	buffers  [bufferClasses][][]byte
	evidence Evidence
	shared   map[string]any
	now      int64 // time of the packet at hand
	bytes    int   // held in buffers and flows
}

// flowBytes is what a flow is counted as, with its analyzer.
const flowBytes = 900

// NewEngine returns an engine for the protocols of a set. Message sizes go to
// the given pool of series blocks.
func NewEngine(set *Set, sink Sink, series *session.Pool) *Engine {
	return &Engine{set: set, sink: sink, series: series, idle: make([][]Analyzer, len(set.defs))}
}

func (e *Engine) share(name string, v any) {
	if e.shared == nil {
		e.shared = make(map[string]any)
	}
	e.shared[name] = v
}

// Bytes returns about how much memory the engine holds for its sessions.
func (e *Engine) Bytes() int { return e.bytes }

// Flow returns the state of a session, or nil if there is none.
func (e *Engine) Flow(s *session.Session) *Flow {
	if s.Analysis == 0 {
		return nil
	}
	return e.flows[s.Analysis-1]
}

func (e *Engine) open(s *session.Session) *Flow {
	f := e.newFlow(s)
	if n := len(e.free); n > 0 {
		f.id, e.free = e.free[n-1], e.free[:n-1]
		e.flows[f.id-1] = f
	} else {
		e.flows = append(e.flows, f)
		f.id = uint32(len(e.flows))
	}
	s.Analysis = f.id
	return f
}

// newFlow returns a flow of a session that is not yet the session's.
func (e *Engine) newFlow(s *session.Session) *Flow {
	var f *Flow
	if n := len(e.spare); n > 0 {
		f, e.spare = e.spare[n-1], e.spare[:n-1]
	} else {
		f = new(Flow)
	}
	f.Session, f.engine = s, e
	e.bytes += flowBytes
	return f
}

func (e *Engine) release(f *Flow) {
	for _, g := range f.guests {
		if g != nil {
			e.recycle(g)
		}
	}
	f.Session.Analysis = 0
	e.flows[f.id-1] = nil
	e.free = append(e.free, f.id)
	e.recycle(f)
}

func (e *Engine) recycle(f *Flow) {
	e.dropBuffers(f)
	e.bytes -= flowBytes
	*f = Flow{}
	if len(e.spare) < 4096 {
		e.spare = append(e.spare, f)
	}
}

func (e *Engine) dropBuffers(f *Flow) {
	for d := range f.buf {
		e.give(f.buf[d])
		f.buf[d] = nil
	}
	e.give(f.pieces)
	f.pieces = nil
}

// Buffers for what is not consumed come in sizes of their own, each four times
// the one before, and are used again: most live for two packets.
const (
	bufferClasses = 5
	firstBuffer   = 1 << 10
	maxSpare      = 64 // of a size
)

func bufferSize(class int) int { return firstBuffer << (2 * class) }

// take returns an empty buffer for n bytes.
func (e *Engine) take(n int) []byte {
	for class := range bufferClasses {
		if bufferSize(class) < n {
			continue
		}
		list := e.buffers[class]
		if k := len(list); k > 0 {
			b := list[k-1]
			e.buffers[class] = list[:k-1]
			e.bytes += cap(b)
			return b
		}
		e.bytes += bufferSize(class)
		return make([]byte, 0, bufferSize(class))
	}
	e.bytes += n
	return make([]byte, 0, n)
}

// give takes a buffer back.
func (e *Engine) give(b []byte) {
	e.bytes -= cap(b)
	for class := range bufferClasses {
		if cap(b) == bufferSize(class) && len(e.buffers[class]) < maxSpare {
			e.buffers[class] = append(e.buffers[class], b[:0])
			return
		}
	}
}

func transportOf(proto uint8) int {
	switch proto {
	case packet.ProtoTCP:
		return 0
	case packet.ProtoUDP:
		return 1
	case packet.ProtoSCTP:
		return 2
	}
	return 3
}

// Data takes the next bytes of a session: the next part of a direction's
// stream, or a datagram's payload. It returns false when no more are wanted.
func (e *Engine) Data(s *session.Session, dir session.Direction, data []byte, now int64) (more bool) {
	f := e.Flow(s)
	if f == nil {
		f = e.open(s)
		f.first = dir
		if s.App != Unknown && int(s.App) <= len(e.set.defs) { // taken back while idle
			f.Now = now
			e.start(f, uint8(s.App-1))
		} else {
			f.pending = e.set.masks[transportOf(s.Proto)]
		}
	}
	f.Now, e.now = now, now
	if e.Strict {
		return e.data(f, dir, data)
	}
	defer e.guard(f, &more)
	return e.data(f, dir, data)
}

// guard stops an analyzer that panicked. It is a mistake of ours, and counted,
// but no reason to lose the other sessions.
func (e *Engine) guard(f *Flow, more *bool) {
	if r := recover(); r != nil {
		e.Faults++
		name := "probe"
		if f.def != nil {
			name = f.def.Name
		}
		e.LastFault = fmt.Sprintf("%s: %v at %s", name, r, faultSite())
		e.stop(f)
		*more = false
	}
}

// stop ends a flow and its guests without another word to the analyzers.
func (e *Engine) stop(f *Flow) {
	f.phase, f.analyzer = finished, nil
	e.dropBuffers(f)
	for _, g := range f.guests {
		if g != nil {
			e.stop(g)
		}
	}
}

// faultSite names the function and line that panicked.
func faultSite() string {
	pc := make([]uintptr, 16)
	frames := runtime.CallersFrames(pc[:runtime.Callers(3, pc)])
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "tyto/") {
			return fmt.Sprintf("%s:%d", f.Function, f.Line)
		}
		if !more {
			return "unknown"
		}
	}
}

func (e *Engine) data(f *Flow, dir session.Direction, data []byte) bool {
	e.deliver(f, dir, data)
	return e.settle(f)
}

// deliver gives bytes to the probes or to the analyzer.
func (e *Engine) deliver(f *Flow, dir session.Direction, data []byte) {
	switch f.phase {
	case probing:
		e.probe(f, dir, data)
	case reading:
		e.feed(f, dir, data)
	}
}

// settle is called after every delivery: it ends what is over.
func (e *Engine) settle(f *Flow) bool {
	if f.phase == reading && f.skip[0] >= SkipAll/2 && f.skip[1] >= SkipAll/2 {
		e.finish(f)
	}
	if f.phase == finished {
		return false
	}
	if f.phase == reading && f.Datagram() {
		if f.idler != nil && f.domain == "" && f.idler.Idle() {
			i := f.def.index
			if len(e.idle[i]) < 64 {
				e.idle[i] = append(e.idle[i], f.analyzer)
			}
			e.release(f)
		}
	}
	return true
}

func (e *Engine) finish(f *Flow) {
	if f.analyzer != nil {
		a := f.analyzer
		f.analyzer = nil
		a.Close(f)
	}
	f.phase = finished
	e.dropBuffers(f)
	e.closeGuests(f)
}

// probe asks what the session's protocol is.
func (e *Engine) probe(f *Flow, dir session.Direction, data []byte) {
	f.count++
	ev := &e.evidence
	t := transportOf(f.Session.Proto)
	*ev = Evidence{Transport: 1 << t, Dir: dir, Count: f.count, OrigPort: f.Session.OrigPort, RespPort: f.Session.RespPort, Proto: f.Session.Proto}
	stream := t == 0
	held := stream && len(f.buf[0])+len(f.buf[1]) > 0
	switch {
	case held:
		e.keepPart(f, dir, data)
		ev.Data[0], ev.Data[1] = clip(f.buf[0]), clip(f.buf[1])
	case stream:
		f.first = dir
		ev.Data[dir] = clip(data)
	default:
		ev.Data[dir] = data
		for d := range f.seen {
			ev.Seen[d] = f.seen[d][:min(f.seenLen[d], SeenBytes)]
			ev.SeenLen[d] = f.seenLen[d]
		}
	}
	which, verdict := e.ask(f, ev, t)
	if verdict == No && e.undecided(f, data, stream, held) {
		switch {
		case held:
		case stream:
			e.keepPart(f, dir, data)
		default:
			if f.seenLen[dir] == 0 {
				f.seenLen[dir] = len(data)
				copy(f.seen[dir][:], data)
			}
			e.keepDatagram(f, dir, data)
		}
		return
	}
	if verdict == No {
		if f.hints[0].which == 0 {
			e.unknown(f, dir, data, stream, held)
			return
		}
		h := e.bestHint(f)
		which, ev.Reversed = h.which-1, h.reversed
		if f.host == nil {
			f.Session.Flags |= session.Guessed
		}
	}
	if ev.Reversed && f.host == nil {
		f.flip()
		dir = dir.Other()
	}
	e.start(f, which)
	if f.phase != reading { // recognised, not read
		return
	}
	if held || len(f.pieces) > 0 {
		flipped := f.Session.Flags & session.Flipped
		e.replay(f, f.first)
		if f.Session.Flags&session.Flipped != flipped {
			dir = dir.Other()
		}
	}
	if !held {
		e.deliver(f, dir, data)
	}
}

// clip returns the part of a stream's start that probes see.
func clip(b []byte) []byte { return b[:min(len(b), MaxProbe)] }

// Limits of probing: after so much the best guess so far is taken.
const (
	maxProbeDatagrams = 12
	maxProbeSegments  = 256
)

// undecided reports whether more evidence may still settle the question. A
// guess is taken rather than that a datagram is lost for its analyzer.
func (e *Engine) undecided(f *Flow, data []byte, stream, held bool) bool {
	if f.pending.none() {
		return false
	}
	if !stream {
		return f.count < maxProbeDatagrams && (f.hints[0].which == 0 || f.fits(data))
	}
	n := len(f.buf[0]) + len(f.buf[1])
	if !held {
		n = len(data)
	}
	return f.count < maxProbeSegments && n < 2*MaxProbe
}

// ask runs the probes that have not said No: those of the session's ports
// first. It returns the protocol that is sure, if one is.
func (e *Engine) ask(f *Flow, ev *Evidence, t int) (which uint8, v Verdict) {
	set := e.set
	if t < 2 {
		for _, port := range [2]uint16{f.Session.RespPort, f.Session.OrigPort} {
			for _, i := range set.byPort[t][port] {
				if f.pending.has(i) && e.askOne(f, ev, i) == Sure {
					return i, Sure
				}
			}
		}
	}
	for _, i := range set.probes[t] {
		if !f.pending.has(i) || t < 2 && set.onPort(i, f.Session.RespPort, f.Session.OrigPort) {
			continue
		}
		if e.askOne(f, ev, i) == Sure {
			return i, Sure
		}
	}
	return 0, No
}

func (s *Set) onPort(i uint8, a, b uint16) bool {
	for _, p := range s.defs[i].Ports {
		if p == a || p == b {
			return true
		}
	}
	return false
}

func (e *Engine) askOne(f *Flow, ev *Evidence, i uint8) Verdict {
	ev.Reversed = false
	v := e.set.defs[i].Probe(ev)
	switch v {
	case No:
		if f.host == nil { // what a guest's host passes on need not be all the guest's
			f.pending.drop(i)
		}
		f.doubt(i)
	case Likely:
		f.addHint(i, ev.Reversed)
	}
	return v
}

// hint is a protocol whose probe said Likely.
type hint struct {
	which    uint8 // 1 + index; 0: none
	reversed bool
	doubted  bool // by a later datagram
}

// maxHints is how many guesses are remembered; further ones are forgotten until
// the probe is asked again.
const maxHints = 4

func (f *Flow) addHint(i uint8, reversed bool) {
	for k := range f.hints {
		if h := &f.hints[k]; h.which == 0 || h.which == i+1 {
			*h = hint{which: i + 1, reversed: reversed}
			return
		}
	}
}

// doubt takes that a probe says No after Likely. On a stream that ends the
// guess, as the probe has seen more of the same. A datagram does not disprove
// what an earlier one showed: the guess is what is left if no other is.
func (f *Flow) doubt(i uint8) {
	for k := range f.hints {
		if f.hints[k].which != i+1 {
			continue
		}
		if f.Datagram() {
			f.hints[k].doubted = true
			return
		}
		copy(f.hints[k:], f.hints[k+1:])
		f.hints[maxHints-1] = hint{}
		return
	}
}

// bestHint returns the first of the guesses that were not doubted, preferably
// one on a port of its own.
func (e *Engine) bestHint(f *Flow) (best hint) {
	rank := 0
	for _, h := range f.hints {
		r := 1
		switch {
		case h.which == 0:
			r = 0
		case !h.doubted:
			r = 3
		}
		if r > 0 && e.set.onPort(h.which-1, f.Session.RespPort, f.Session.OrigPort) {
			r++
		}
		if r > rank {
			best, rank = h, r
		}
	}
	return best
}

// unknown gives up: the session stays without a name. The first bytes of each
// direction are kept for the models.
func (e *Engine) unknown(f *Flow, dir session.Direction, data []byte, stream, held bool) {
	for d := range f.buf {
		b := f.buf[d]
		if !held && session.Direction(d) == dir {
			b = data
		}
		if f.seenLen[d] == 0 && (stream || session.Direction(d) == dir) {
			f.seenLen[d] = len(b)
			copy(f.seen[d][:], b)
		}
	}
	f.phase = finished
	e.dropBuffers(f)
}

// start begins reading a protocol.
func (e *Engine) start(f *Flow, i uint8) {
	d := &e.set.defs[i]
	f.def, f.phase = d, reading
	if f.Session.App == Unknown && f.host == nil {
		f.Session.App = uint16(i) + 1
	}
	f.Session.AddService(i + 1)
	if d.Encrypted {
		f.Session.Flags |= session.Encrypted
	}
	f.skip = [2]int{}
	if d.New == nil {
		f.phase = finished
		e.dropBuffers(f)
		return
	}
	if n := len(e.idle[i]); n > 0 {
		f.analyzer, e.idle[i] = e.idle[i][n-1], e.idle[i][:n-1]
	} else {
		f.analyzer = d.New()
	}
	f.idler, _ = f.analyzer.(Idler)
}

// feed gives an analyzer the bytes of one direction, and keeps what it leaves.
func (e *Engine) feed(f *Flow, dir session.Direction, data []byte) {
	if f.Datagram() {
		n := f.analyzer.Parse(f, dir, data)
		if !f.handSet {
			return
		}
		e.handover(f, dir)
		// The datagram at hand may already be the next protocol's. It is passed
		// on once: who hands it over again has read it.
		if n < len(data) && !f.passing {
			f.passing = true
			e.deliver(f, dir, data)
			f.passing = false
		}
		return
	}
	if s := f.skip[dir]; s > 0 {
		n := min(s, len(data))
		if s < SkipAll/2 {
			f.skip[dir] -= n
		}
		data = data[n:]
		if len(data) == 0 {
			return
		}
	}
	own := len(f.buf[dir]) > 0
	if own {
		e.keep(f, dir, data)
		data = f.buf[dir]
	}
	for len(data) > 0 {
		n := f.analyzer.Parse(f, dir, data)
		n = max(n, 0)
		if n >= len(data) {
			if n >= SkipAll/2 {
				f.skip[dir] = SkipAll
			} else {
				f.skip[dir] += n - len(data)
			}
			data = nil
		} else {
			data = data[n:]
		}
		if f.handSet {
			e.keepOnly(f, dir, data, own)
			e.handover(f, dir)
			return
		}
		if n == 0 || f.skip[dir] >= SkipAll/2 {
			break
		}
	}
	e.keepOnly(f, dir, data, own)
	limit := f.def.MaxBuffer
	if limit == 0 {
		limit = DefaultBuffer
	}
	if len(f.buf[dir]) > limit {
		f.Anomaly("message_too_long", "")
		e.finish(f)
	}
}

// guess settles for the likely protocol, as no more evidence will come.
func (e *Engine) guess(f *Flow) {
	if f.host == nil {
		f.Session.Flags |= session.Guessed
	}
	h := e.bestHint(f)
	if h.reversed && f.host == nil {
		f.flip()
	}
	e.start(f, h.which-1)
	if f.phase == reading {
		e.replay(f, f.first)
	}
}

// keep appends to what waits in a direction.
func (e *Engine) keep(f *Flow, dir session.Direction, data []byte) {
	f.buf[dir] = append(e.grow(f.buf[dir], len(data)), data...)
}

// grow returns a buffer with the content of b and room for n more bytes.
func (e *Engine) grow(b []byte, n int) []byte {
	if n += len(b); n <= cap(b) {
		return b
	}
	grown := append(e.take(max(n, cap(b)+1)), b...)
	e.give(b)
	return grown
}

// keepOnly makes rest all that waits in a direction; rest is the tail of the
// buffer if own is true.
func (e *Engine) keepOnly(f *Flow, dir session.Direction, rest []byte, own bool) {
	switch {
	case len(rest) == 0 && f.buf[dir] != nil:
		e.give(f.buf[dir])
		f.buf[dir] = nil
	case len(rest) == 0:
	case own:
		n := copy(f.buf[dir], rest)
		f.buf[dir] = f.buf[dir][:n]
	default:
		e.keep(f, dir, rest)
	}
}

// handover ends the analyzer and lets another protocol have the rest.
func (e *Engine) handover(f *Flow, dir session.Direction) {
	name := f.hand
	f.hand, f.handSet = "", false
	old := f.analyzer
	f.analyzer = nil
	if old != nil {
		old.Close(f)
	}
	e.closeGuests(f)
	f.skip = [2]int{}
	f.count, f.hints = 0, [maxHints]hint{}
	f.first = dir
	if i, ok := e.set.index[name]; ok && i > 0 && int(i) <= len(e.set.defs) {
		e.start(f, uint8(i-1))
		if f.phase == reading && !f.Datagram() {
			e.replay(f, dir)
		}
		return
	}
	f.phase, f.def = probing, nil
	f.pending = e.set.masks[transportOf(f.Session.Proto)]
	for _, d := range [2]session.Direction{dir, dir.Other()} {
		if b := f.buf[d]; len(b) > 0 && f.phase == probing {
			f.buf[d] = nil
			e.probe(f, d, b)
			e.give(b)
		}
	}
}

// Gap takes that n bytes of a direction's stream are not in the capture. It
// returns false when no more of the session's bytes are wanted.
func (e *Engine) Gap(s *session.Session, dir session.Direction, n int, now int64) (more bool) {
	f := e.Flow(s)
	if f == nil {
		return true
	}
	f.Now, e.now = now, now
	if !e.Strict {
		defer e.guard(f, &more)
	}
	switch f.phase {
	case probing:
		if f.hints[0].which > 0 {
			e.guess(f)
			return e.settle(f)
		}
		// A protocol may still be recognised in the other direction.
		e.give(f.buf[dir])
		f.buf[dir] = nil
		f.dropParts(dir)
		return true
	case finished:
		return false
	}
	if k := f.skip[dir]; k > 0 {
		if k >= SkipAll/2 {
			return true
		}
		m := min(k, n)
		f.skip[dir] -= m
		n -= m
		if n == 0 {
			return true
		}
	}
	e.give(f.buf[dir])
	f.buf[dir] = nil
	if g, ok := f.analyzer.(GapHandler); ok && g.Gap(f, dir, n) {
		return e.settle(f)
	}
	e.finish(f)
	return false
}

// Close ends the analysis of a session. Its Flow is still to be had until
// Release.
func (e *Engine) Close(s *session.Session, now int64) {
	f := e.Flow(s)
	if f == nil {
		return
	}
	f.Now, e.now = now, now
	if !e.Strict {
		var more bool
		defer e.guard(f, &more)
	}
	if f.phase == probing && f.hints[0].which > 0 {
		e.guess(f)
	}
	e.finish(f)
}

// Release gives back a session's state.
func (e *Engine) Release(s *session.Session) {
	if f := e.Flow(s); f != nil {
		e.release(f)
	}
}

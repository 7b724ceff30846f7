// Package sensor runs the data path over a source of packets: it decodes,
// spreads sessions over shards, and writes what is found in an order that does
// not depend on the number of shards or cores.
//
// One goroutine reads and decodes; workers follow sessions and read protocols,
// each for its own lanes, without locks; one goroutine puts their output in the
// order of packets. Time is the packets' time.
package sensor

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"

	"tyto/behavior"
	"tyto/detection"
	"tyto/entity"
	"tyto/internal/record"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// Config says what to run and where its output goes. The zero value analyses
// and writes nothing.
type Config struct {
	// Set is the protocols to look for. It must be given.
	Set *protocol.Set
	// JSON takes the records as JSON lines; nil for none.
	JSON io.Writer
	// Logs takes Zeek logs; nil for none.
	Logs Logs
	// LogFormat is record.TSV or record.ZeekJSON.
	LogFormat record.Format
	// Home are the networks that are the user's own; nil: private addresses.
	Home []netip.Prefix
	// Memory is the budget for sessions, streams and protocol state, in bytes;
	// 0 means DefaultMemory.
	Memory int
	// Workers is how many goroutines follow sessions; 0: one per core.
	Workers int
	// Summary asks for the Summary of the result.
	Summary bool
	// Graph takes what is learnt of entities; nil for none. Its entities and
	// relations are written as records at the end.
	Graph *entity.Graph
	// Detectors are told every session that is over, in the order of packets; what
	// they find is written as records at the end. They are used once.
	Detectors []detection.Detector
	// Matchers makes the matchers of a lane, whose marks Detectors are told of.
	// Nil for none.
	Matchers func() []detection.Matcher
	// Ended is called with every session when it is over, and with the pool that
	// holds its series; both are valid until it returns. Workers call it at the
	// same time, each for its own sessions. It may be nil.
	Ended func(*session.Session, *session.Pool)
	// Keep is called with every frame in order, with the session its packet is of
	// (zero: none) and those of the tunnels it came out of, innermost first. The
	// frame and the list are valid until it returns; calls do not overlap. Nil
	// costs nothing.
	Keep func(f *packet.Frame, own session.UID, carriers []session.UID) error
	// Series takes the series of sessions, as JSON lines of SeriesSchema; nil for
	// none.
	Series io.Writer
	// Rows is called with every record, in the order of JSON, and with the series
	// unless Series takes them, in the form record.Row, which lasts until it
	// returns; calls do not overlap. Nil for none.
	Rows func(row []byte) error
	// Listener makes a listener for each worker: what it hears is told in session
	// and segment records. Nil for none.
	Listener func() behavior.Listener
	// Strict lets mistakes of analyzers panic, for tests.
	Strict bool
}

// DefaultMemory is the memory budget if none is given.
const DefaultMemory = 512 << 20

// Logs opens the log files.
type Logs interface {
	// Open returns where the records of a schema's log go. It is called when the
	// log gets its first record.
	Open(schema *record.Schema) (io.WriteCloser, error)
}

// Progress is how far an analysis is. It may be read at any time.
type Progress struct {
	Packets atomic.Uint64
	Time    atomic.Int64 // packet time of the latest block, ns
}

// Result is what an analysis found.
type Result struct {
	Stats   Stats
	Summary *Summary // nil unless asked for
	// Judgement is what detectors found, nil without any.
	Judgement *Judgement
}

// Stats are the figures of the stats record.
type Stats struct {
	First, Last                                 int64 // packet times, ns
	Packets, Bytes                              uint64
	Sessions, Records, Anomalies                uint64
	Undecoded, Flawed, Fragments, FragmentsLost uint64
	Gaps, GapBytes                              uint64
	ShedSessions, ShedStreams, ShedSeries       uint64
	ShedRecords, Faults                         uint64
	PeakSessions                                uint64
	LastFault                                   string
}

// job is a block of frames on its way through the pipeline.
type job struct {
	block   packet.Block
	packets []packet.Packet
	hashes  []uint64
	lanes   []uint8       // laneOf each hash: all that other workers need to read
	parents []session.UID // empty unless some packet came out of a tunnel
	uids    []session.UID // the packets' sessions, if frames are kept
	nested  []nested      // what carried parents, if frames are kept
	ticks   []tick
	flush   bool // the source is over: end the sessions of step
	step    int
	last    int64 // latest packet time
	pending atomic.Int32
	ready   chan struct{}
	chunks  []chunk // by worker; the last one is the reader's
}

// tick says that packet time passes a second before a packet of the job.
type tick struct {
	index int
	now   int64
}

// Run analyses a source until its end, an error, or the end of ctx; in each
// case what was found so far is written and returned. The error is the source's
// or a writer's, nil at the source's end, and ctx's if it ended first.
func Run(ctx context.Context, src packet.Source, c Config, progress *Progress) (*Result, error) {
	if progress == nil {
		progress = new(Progress)
	}
	if c.Memory == 0 {
		c.Memory = DefaultMemory
	}
	workers := c.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	workers = min(workers, lanes)
	e := newEngine(c, workers)
	inFlight := jobsInFlight(workers)

	queues := make([]chan *job, workers)
	var wg sync.WaitGroup
	for w := range queues {
		queues[w] = make(chan *job, inFlight)
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range queues[w] {
				e.work(w, j)
				if j.pending.Add(-1) == 0 {
					j.ready <- struct{}{}
				}
			}
		}()
	}
	ordered := make(chan *job, inFlight)
	free := make(chan *job, inFlight)
	for range inFlight {
		free <- &job{ready: make(chan struct{}, 1), chunks: make([]chunk, workers+1)}
	}
	var writeErr error
	var failed atomic.Bool
	wg.Add(1)
	go func() {
		defer wg.Done()
		for j := range ordered {
			<-j.ready
			if writeErr == nil {
				writeErr = e.keep.beside(j, func() error { return e.out.write(j, len(ordered) == 0) })
				failed.Store(writeErr != nil)
			}
			free <- j
		}
		e.keep.close()
		if err := e.out.close(); writeErr == nil {
			writeErr = err
		}
	}()

	var readErr error
	for readErr == nil && ctx.Err() == nil && !failed.Load() {
		j := <-free
		if readErr = src.ReadBlock(&j.block); readErr != nil {
			free <- j
			break
		}
		j.flush = false
		e.prepare(j)
		progress.Packets.Store(e.stats.Packets)
		progress.Time.Store(e.stats.Last)
		e.dispatch(j, queues, ordered)
	}
	for step := range session.FlushSteps { // also when interrupted
		j := <-free
		j.block.Frames, j.flush, j.step = j.block.Frames[:0], true, step
		e.prepare(j)
		e.dispatch(j, queues, ordered)
	}
	for _, q := range queues {
		close(q)
	}
	close(ordered)
	wg.Wait()

	res := e.result()
	switch {
	case writeErr != nil:
		return res, writeErr
	case readErr == nil:
		return res, ctx.Err()
	case errors.Is(readErr, io.EOF):
		return res, nil
	}
	return res, readErr
}

// jobsInFlight returns how many blocks are between reader and writer: enough
// that no worker waits for another, and on one core few, so that what was read
// is worked on while the cache holds it.
func jobsInFlight(workers int) int {
	if workers == 1 {
		return 2
	}
	return 4 * workers
}

// engine is the state of one Run.
type engine struct {
	lanes    [lanes]*lane
	workers  int
	decoder  packet.Decoder
	tunnels  *lane // sessions of tunnel carriers, followed by the reader
	carrier  packet.Packet
	stats    Stats
	seconds  int64 // packet time of the latest tick, in seconds
	out      *output
	keep     *keeper // nil for none
	lastSeen uint64  // datagrams reassembled so far
}

func newEngine(c Config, workers int) *engine {
	e := &engine{workers: workers, out: newOutput(c), keep: newKeeper(c)}
	ports := serverPorts(c.Set)
	newLane := func(memory int, ear behavior.Listener) *lane {
		l := &lane{set: c.Set, home: c.Home, ended: c.Ended, streams: e.out.streams, latest: make([]identified, len(e.out.streams)), marks: make(map[session.UID]int)}
		if c.Graph != nil {
			l.reader = new(entity.Reader)
		}
		if c.Keep != nil {
			l.loose = make(loose)
		}
		if ear != nil {
			l.hearing = newHearing(ear)
		}
		l.series = e.out.series
		if len(c.Detectors) > 0 {
			l.sheets = newSheets()
			if c.Matchers != nil {
				l.match = newMatching(c.Matchers())
			}
		}
		if c.Summary {
			l.summary = newSummary(c.Home)
		}
		l.engine = protocol.NewEngine(c.Set, l, &l.pool)
		l.engine.Strict = c.Strict
		l.tracker = session.NewTracker(handler{l}, &l.pool, session.Config{Memory: memory, HandlerBytes: l.engine.Bytes, ServerPort: ports.has})
		return l
	}
	// The budget is divided unevenly: 14/16 for the lanes, one for tunnels and one
	// for names.
	ears := make([]behavior.Listener, workers) // a worker's lanes share one
	if c.Listener != nil {
		for i := range ears {
			ears[i] = c.Listener()
		}
	}
	for i := range e.lanes {
		e.lanes[i] = newLane(c.Memory/16*14/lanes, ears[i%workers])
	}
	e.tunnels = newLane(c.Memory/16, nil)
	e.tunnels.carrier = true
	return e
}

// prepare decodes the frames of a job and decides where they go.
func (e *engine) prepare(j *job) {
	frames := j.block.Frames
	n := len(frames)
	if cap(j.packets) < n {
		j.packets = make([]packet.Packet, n+n/4)
		j.hashes = make([]uint64, n+n/4)
		j.lanes = make([]uint8, n+n/4)
	}
	j.packets, j.hashes, j.lanes = j.packets[:n], j.hashes[:n], j.lanes[:n]
	j.parents, j.ticks = j.parents[:0], j.ticks[:0]
	if e.keep != nil {
		j.own(n)
	}
	own := &j.chunks[len(j.chunks)-1]
	own.reset()
	e.tunnels.chunk = own
	for i := range frames {
		f := &frames[i]
		f.Index = e.stats.Packets
		e.stats.Packets++
		e.stats.Bytes += uint64(f.Wire)
		p := &j.packets[i]
		e.decoder.Decode(f, p)
		if p.Time > e.stats.Last || e.stats.Packets == 1 {
			if e.stats.Packets == 1 {
				e.stats.First = p.Time
			}
			e.stats.Last = p.Time
			if sec := p.Time / 1e9; sec != e.seconds {
				e.seconds = sec
				j.ticks = append(j.ticks, tick{i, p.Time})
				e.tunnels.key = tickKey(i, lanes)
				e.tunnels.tracker.Advance(p.Time)
			}
		}
		e.stats.First = min(e.stats.First, p.Time)
		if p.Flaws != 0 {
			e.stats.Flawed++
		}
		if p.Version == 0 {
			if p.NLayers == 0 || p.Layers[p.NLayers-1] != packet.LayerARP {
				e.stats.Undecoded++
			} else if e.tunnels.reader != nil {
				e.tunnels.key = packetKey(i, lanes)
				e.tunnels.arp(p)
			}
			j.hashes[i], j.lanes[i] = 0, 0
			continue
		}
		if r := e.decoder.Reassembled; r != e.lastSeen {
			// The datagram lies in the decoder's memory, which it will reuse.
			e.lastSeen = r
			p.Payload = append([]byte(nil), p.Payload...)
		}
		hash := p.Hash()
		j.hashes[i], j.lanes[i] = hash, laneOf(hash)
		if p.NOuters > 0 {
			e.carriers(j, i, p)
		}
	}
	j.last = e.stats.Last
	if j.flush {
		e.tunnels.key = tickKey(n, lanes)
		e.tunnels.tracker.Flush(j.step, e.stats.Last)
	}
}

// carriers follows the sessions of the tunnels a packet came out of.
func (e *engine) carriers(j *job, i int, p *packet.Packet) {
	var parent session.UID
	var around [packet.MaxOuters]session.UID
	l := e.tunnels
	l.key = packetKey(i, lanes)
	for k := 0; k < int(p.NOuters); k++ {
		o := &p.Rare.Outers[k]
		c := &e.carrier
		*c = packet.Packet{
			Time: p.Time, Index: p.Index, Version: 6, Proto: o.Proto, Src: o.Src, Dst: o.Dst, SrcPort: o.SrcPort, DstPort: o.DstPort,
			Transport: o.SrcPort|o.DstPort != 0, IPBytes: o.Bytes, PayloadBytes: o.Payload, VLAN: p.VLAN, InnerVLAN: p.InnerVLAN,
		}
		hash := p.OuterHash(k)
		l.tracker.Packet(c, hash, parent)
		key := session.Tuple{Orig: c.Src, Resp: c.Dst, OrigPort: c.SrcPort, RespPort: c.DstPort, Proto: c.Proto}
		if s, ok := l.tracker.Has(key, hash); ok {
			parent = s.UID
			around[k] = parent
			if s.App == protocol.Unknown {
				if app, ok := l.set.AppIndex(tunnelApp(o.Kind)); ok {
					s.App = app
					s.AddService(uint8(app))
				}
			}
		}
	}
	if len(j.parents) == 0 {
		if cap(j.parents) < len(j.packets) {
			j.parents = make([]session.UID, cap(j.packets))
		}
		j.parents = j.parents[:len(j.packets)]
		clear(j.parents)
	}
	j.parents[i] = parent
	if e.keep != nil {
		j.nest(i, parent, around[:p.NOuters])
	}
}

// tickKey and packetKey place output within a job: by packet, what the passing
// of time before it caused first, then by lane.
func tickKey(index, lane int) uint64   { return uint64(index)<<9 | uint64(lane) }
func packetKey(index, lane int) uint64 { return uint64(index)<<9 | 1<<8 | uint64(lane) }

func (e *engine) dispatch(j *job, queues []chan *job, ordered chan<- *job) {
	j.pending.Store(int32(len(queues)))
	ordered <- j
	for _, q := range queues {
		q <- j
	}
}

// work is a worker's part of a job: the packets of its lanes.
func (e *engine) work(w int, j *job) {
	c := &j.chunks[w]
	c.reset()
	for n := w; n < lanes; n += e.workers {
		e.lanes[n].chunk = c
	}
	ticks := j.ticks
	for i, n := range j.lanes {
		if len(ticks) > 0 && ticks[0].index == i {
			e.advance(w, i, ticks[0].now)
			ticks = ticks[1:]
		}
		if int(n)%e.workers != w {
			continue
		}
		l := e.lanes[n]
		l.key = packetKey(i, int(n))
		var parent session.UID
		if len(j.parents) > 0 {
			parent = j.parents[i]
		}
		p := &j.packets[i]
		if p.Version == 0 {
			if l.summary != nil {
				l.summary.link(p)
			}
			continue
		}
		l.packet(p, j.hashes[i], parent)
		if e.keep != nil {
			j.uids[i] = l.uidOf(p, j.hashes[i])
		}
	}
	if j.flush {
		for n := w; n < lanes; n += e.workers {
			l := e.lanes[n]
			l.key = tickKey(len(j.packets), n)
			l.tracker.Flush(j.step, j.last)
		}
	}
}

func (e *engine) advance(w, index int, now int64) {
	for n := w; n < lanes; n += e.workers {
		l := e.lanes[n]
		l.key = tickKey(index, n)
		l.tracker.Advance(now)
	}
}

// laneOf returns the lane of a hash: its top four bits. The session table uses
// the low half.
func laneOf(hash uint64) uint8 { return uint8(hash >> 60) }

func (e *engine) result() *Result {
	r := &Result{Stats: e.stats}
	s := &r.Stats
	s.Fragments = e.decoder.Fragments
	s.FragmentsLost = e.decoder.Expired
	for _, l := range append(e.lanes[:], e.tunnels) {
		c := &l.tracker.Counters
		s.Sessions += l.counts.sessions
		s.Records += l.counts.records
		s.Anomalies += l.counts.anomalies
		s.ShedRecords += l.counts.shedRecords
		s.Gaps += c.Gaps
		s.GapBytes += c.GapBytes
		s.ShedSessions += c.ShedSessions
		s.ShedStreams += c.ShedStreams
		s.ShedSeries += c.ShedSeries
		s.PeakSessions += uint64(c.PeakSessions)
		s.Faults += l.engine.Faults
		if l.engine.LastFault != "" {
			s.LastFault = l.engine.LastFault
		}
		if l.summary == nil {
			continue
		}
		if r.Summary == nil {
			r.Summary = l.summary
		} else {
			r.Summary.merge(l.summary)
		}
	}
	if r.Summary != nil {
		r.Summary.announced(e.out)
	}
	if j := e.out.judge; j != nil {
		r.Judgement = &j.result
		for _, l := range append(e.lanes[:], e.tunnels) {
			r.Judgement.Blind += l.sheets.dropped
		}
	}
	return r
}

// portSet are the ports of known servers, by transport.
type portSet struct{ tcp, udp [1 << 16 / 64]uint64 }

func serverPorts(set *protocol.Set) *portSet {
	var p portSet
	for _, d := range set.Definitions() {
		for _, port := range d.Ports {
			if d.Transports&protocol.TCP != 0 {
				p.tcp[port>>6] |= 1 << (port & 63)
			}
			if d.Transports&protocol.UDP != 0 {
				p.udp[port>>6] |= 1 << (port & 63)
			}
		}
	}
	return &p
}

func (p *portSet) has(proto uint8, port uint16) bool {
	if proto == packet.ProtoTCP {
		return p.tcp[port>>6]&(1<<(port&63)) != 0
	}
	return p.udp[port>>6]&(1<<(port&63)) != 0
}

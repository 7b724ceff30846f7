// Package lead measures who leads a session: whose messages come out of quiet
// and make the other side answer, whether they come at the rhythm of fingers, and
// when. It needs times, directions and sizes only, so that it hears the same
// inside any encryption.
//
// That the side which leads tells a shell that was opened backwards from one that
// was opened forwards is from SCIENCE.md 0.5 (0.99 against 0.01-0.03 of leads);
// that keys come 10 ms to 2 s apart, from Zhang and Paxson, "Detecting
// Backdoors", USENIX Security 2000.
package lead

import (
	"math"
	"slices"

	"tyto/behavior"
	"tyto/sequence"
	"tyto/session"
)

// Thresholds of the measurement.
const (
	quiet      = 60e6   // ns without a message before one that leads; more where round trips are long
	smallBytes = 112    // content of a message that may be a key, with what SSH adds
	lineBytes  = 512    // content of a message that may be a command
	keyGap     = 30e6   // ns between two keys, at least
	keyPause   = 1500e6 // ns between two keys of one run, at most
	echoWithin = 250e6  // ns until a key is echoed; more where round trips are long
	keyRun     = 4      // keys in a row that make a run
	lineQuiet  = 500e6  // ns before a command
	burstGap   = 1e9    // ns between leads of one burst, at most
)

// MaxBursts is how many bursts are kept of a side; those after are counted only.
const MaxBursts = 256

// Burst is a time in which a side led again and again.
type Burst struct {
	From, To int64 // ns since the epoch
}

// Measure is what was measured in one session. Arrays are by who sent: the
// originator first. Its zero value is a session without messages.
type Measure struct {
	Messages [2]int
	Leads    [2]int // messages after quiet
	Keys     [2]int // small leads in runs, each answered by a small message at once
	Commands [2]int // leads of up to a line after half a second, answered by more than they had
	// Gaps are mean and standard deviation of the time between commands, in ns.
	Gaps [2]Moments
	// Rhythm is that of the time between keys of a run: fingers are uneven,
	// machines that poll are not.
	Rhythm [2]Moments
	Bursts [2][]Burst
}

// Moments are mean and standard deviation.
type Moments struct{ Mean, SD float64 }

// CV returns the coefficient of variation, 0 if there is no mean.
func (m Moments) CV() float64 {
	if m.Mean == 0 {
		return 0
	}
	return m.SD / m.Mean
}

// Control returns who leads, and the share of leads that are that side's. Fewer
// than four leads tell nothing.
func (m *Measure) Control() (behavior.Control, float64) {
	total := m.Leads[0] + m.Leads[1]
	if total < 4 {
		return behavior.ControlUnknown, 0
	}
	share := float64(m.Leads[session.Resp]) / float64(total)
	switch {
	case share >= 0.75:
		return behavior.ControlResp, share
	case share <= 0.25:
		return behavior.ControlOrig, 1 - share
	}
	return behavior.ControlBoth, math.Max(share, 1-share)
}

// Of measures a session that began at a time, in ns since the epoch.
func Of(s *sequence.Sequence, first int64) *Measure {
	m := &meter{seq: s, first: first}
	for d, delay := range delays(s) {
		m.quiet[d] = max(quiet, 2*delay)
		m.echo[1-d] = max(echoWithin, 2*delay)
	}
	for i := range s.Messages {
		m.message(i)
	}
	for d := range m.Keys {
		m.endRun(session.Direction(d))
		m.Gaps[d], m.Rhythm[d] = m.gaps[d].moments(), m.rhythm[d].moments()
	}
	return &m.Measure
}

// delays returns how long each side's answers take to be seen at least: the round
// trip, less where messages of that side follow the other's faster, so that a
// sensor beside one side does not take the whole round trip for its delay.
func delays(s *sequence.Sequence) (list [2]int64) {
	if s.RTT <= quiet/2 {
		return [2]int64{s.RTT, s.RTT}
	}
	var gaps [2][]int64
	for i := 1; i < len(s.Messages); i++ {
		a, b := &s.Messages[i-1], &s.Messages[i]
		if a.Dir != b.Dir {
			gaps[b.Dir] = append(gaps[b.Dir], max(b.Time-a.Time-a.Took, 0))
		}
	}
	for d := range list {
		list[d] = s.RTT
		if n := len(gaps[d]); n > 0 {
			slices.Sort(gaps[d])
			list[d] = min(s.RTT, gaps[d][n/10])
		}
	}
	return list
}

// meter measures on the way through a sequence.
type meter struct {
	Measure
	seq         *sequence.Sequence
	first       int64
	quiet       [2]int64 // before a lead of a side
	echo        [2]int64 // until a side's key is echoed
	run         [2]int   // keys of the run that goes on
	lastKey     [2]int64
	lastCommand [2]int64
	gaps        [2]sums
	rhythm      [2]sums
}

func (m *meter) message(i int) {
	msg := &m.seq.Messages[i]
	d := msg.Dir
	m.Messages[d]++
	since := int64(math.MaxInt64)
	if i > 0 {
		before := &m.seq.Messages[i-1]
		since = msg.Time - before.Time - before.Took
	}
	if i == 0 || since < m.quiet[d] {
		return
	}
	m.Leads[d]++
	m.burst(d, m.first+msg.Time)
	m.key(i, d)
	if msg.Content <= lineBytes && since >= lineQuiet && m.answered(i, d) {
		m.Commands[d]++
		if m.lastCommand[d] != 0 {
			m.gaps[d].add(float64(msg.Time - m.lastCommand[d]))
		}
		m.lastCommand[d] = msg.Time
	}
}

// key counts a message that may be a key.
func (m *meter) key(i int, d session.Direction) {
	msg := &m.seq.Messages[i]
	if msg.Content > smallBytes || !m.echoed(i, d) {
		return
	}
	gap := msg.Time - m.lastKey[d]
	if m.lastKey[d] != 0 && (gap < keyGap || gap > keyPause) {
		m.endRun(d)
	} else if m.run[d] > 0 {
		m.rhythm[d].add(float64(gap))
	}
	m.run[d]++
	m.lastKey[d] = msg.Time
}

// endRun counts the keys of a run that is long enough.
func (m *meter) endRun(d session.Direction) {
	if m.run[d] >= keyRun {
		m.Keys[d] += m.run[d]
	}
	m.run[d] = 0
}

// echoed reports whether a small message of the other side follows at once.
func (m *meter) echoed(i int, d session.Direction) bool {
	if i+1 >= len(m.seq.Messages) {
		return false
	}
	next := &m.seq.Messages[i+1]
	return next.Dir != d && next.Content <= 2*smallBytes && next.Time-m.seq.Messages[i].Time <= m.echo[d]
}

// answered reports whether the other side answers with more than was sent.
func (m *meter) answered(i int, d session.Direction) bool {
	var bytes uint32
	for k := i + 1; k < len(m.seq.Messages) && k < i+8; k++ {
		next := &m.seq.Messages[k]
		if next.Dir == d || next.Time-m.seq.Messages[i].Time > 4*m.echo[d] {
			break
		}
		bytes += next.Content
	}
	return bytes > m.seq.Messages[i].Content
}

func (m *meter) burst(d session.Direction, at int64) {
	list := m.Bursts[d]
	if n := len(list); n > 0 && at-list[n-1].To <= burstGap {
		list[n-1].To = at
		return
	}
	if len(list) < MaxBursts {
		m.Bursts[d] = append(list, Burst{at, at})
	}
}

// sums gather moments.
type sums struct{ n, sum, squares float64 }

func (s *sums) add(v float64) { s.n, s.sum, s.squares = s.n+1, s.sum+v, s.squares+v*v }

func (s *sums) moments() Moments {
	if s.n == 0 {
		return Moments{}
	}
	mean := s.sum / s.n
	return Moments{mean, math.Sqrt(max(s.squares/s.n-mean*mean, 0))}
}

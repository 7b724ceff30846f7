package lab

import (
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tyto/lab/label"
)

// prioritize makes this process less late on a busy machine, once: it goes before
// others on the processors, a thread that comes back from waiting for packets
// finds a processor of the Go scheduler free, and garbage is collected rarely,
// since that stops all threads until the last one had its turn.
var prioritize = sync.OnceFunc(func() {
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			unix.Setpriority(unix.PRIO_PROCESS, id, wireNice)
		}
	}
	runtime.GOMAXPROCS(max(wireProcs, runtime.GOMAXPROCS(0)))
	var machine unix.Sysinfo_t
	if unix.Sysinfo(&machine) == nil {
		memory := int64(machine.Totalram) * int64(machine.Unit)
		debug.SetMemoryLimit(min(max(memory/16, 512<<20), 2<<30))
		debug.SetGCPercent(-1) // only when there is so much
	}
})

const (
	wireNice  = -15
	wireProcs = 16
)

// maxSamples is how many deliveries lateness keeps; when there are more it
// keeps every second, then every fourth, and so on.
const maxSamples = 1 << 17

// lateness collects how much later than the link model wanted packets were
// delivered. The two counts are guarded by the wire's mutex.
type lateness struct {
	samples []time.Duration
	every   int // one sample of that many is kept
	skipped int
	max     time.Duration
	asked   int // packets whose flow's owner is being looked up
	pending int // packets on their way
}

func (l *lateness) add(d time.Duration) {
	l.max = max(l.max, d)
	if l.skipped++; l.skipped < l.every {
		return
	}
	l.skipped = 0
	l.samples = append(l.samples, d)
	if len(l.samples) < maxSamples {
		return
	}
	l.every = max(1, l.every) * 2
	for i := range len(l.samples) / 2 {
		l.samples[i] = l.samples[2*i]
	}
	l.samples = l.samples[:len(l.samples)/2]
}

func (l *lateness) result() label.Lateness {
	if len(l.samples) == 0 {
		return label.Lateness{}
	}
	s := slices.Sorted(slices.Values(l.samples))
	at := func(q float64) label.Seconds { return label.Seconds(s[int(q*float64(len(s)-1))].Seconds()) }
	return label.Lateness{P50: at(.5), P99: at(.99), Max: label.Seconds(l.max.Seconds())}
}

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"tyto/lab/label"
)

// IndexFile is the name of the index in a directory of runs.
const IndexFile = "index.jsonl"

// Recorder records many runs. What is in the directory already, whole and
// valid, is not made again.
type Recorder struct {
	Dir      string
	Parallel int // runs at a time
	Attempts int // for each job, with another seed each time; 1 if zero
	// Keep takes the runs instead of the directory, if it is set.
	Keep Keeper
	// Tell is called with what became of each attempt, by one goroutine at a
	// time. It may be nil.
	Tell func(Outcome)
}

// Keeper keeps runs in another form than captures. Its methods are called by
// several goroutines.
type Keeper interface {
	// Has reports whether it has the run of that name: it is not made again.
	Has(name string) bool
	// Add keeps a run. The capture is removed when it returns; an error refuses
	// the attempt.
	Add(ctx context.Context, truth *label.Run, capture string) error
}

// Outcome is what became of one attempt at a job.
type Outcome struct {
	Job     Job
	Attempt int        // from 1
	Run     *label.Run // nil if it was refused, or a Keeper has it already
	Err     error      // why it was refused
	Last    bool       // no other attempt follows
	There   bool       // the run was in the directory already
}

// stagger is the time between the first runs of two workers.
const stagger = 200 * time.Millisecond

// attemptSeed is the seed of a job's nth attempt.
func attemptSeed(seed uint64, attempt int) uint64 {
	if attempt == 1 {
		return seed
	}
	return hashOf(fmt.Sprintf("%d attempt %d", seed, attempt))
}

// Record records the jobs. Its error is about the directory, or ctx's: that a
// job's last attempt was refused is told by Tell.
func (r *Recorder) Record(ctx context.Context, jobs []Job) error {
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return err
	}
	dir, err := os.Open(r.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("%s: another recording is at work there", r.Dir)
	}
	if err := r.removeParts(); err != nil {
		return err
	}
	var index *label.Index
	if r.Keep == nil {
		if index, err = r.openIndex(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan Job)
	var all sync.WaitGroup
	var telling sync.Mutex
	for i := range max(1, r.Parallel) {
		all.Go(func() {
			// Runs that begin at the same time disturb each other.
			if sleep(ctx, time.Duration(i)*stagger) != nil {
				return
			}
			for job := range todo {
				if err := r.do(ctx, job, index, &telling); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, job := range jobs {
		select {
		case todo <- job:
		case <-ctx.Done():
		}
	}
	close(todo)
	all.Wait()
	err = context.Cause(ctx)
	if index != nil {
		err = errors.Join(err, index.Close())
	}
	return err
}

// do makes one job.
func (r *Recorder) do(ctx context.Context, job Job, index *label.Index, telling *sync.Mutex) error {
	tell := func(o Outcome) {
		if r.Tell != nil {
			telling.Lock()
			defer telling.Unlock()
			r.Tell(o)
		}
	}
	if r.Keep != nil && r.Keep.Has(job.Config.Name) {
		tell(Outcome{Job: job, Last: true, There: true})
		return nil
	}
	if run := r.there(job.Config.Name); run != nil && r.Keep == nil {
		tell(Outcome{Job: job, Run: run, Last: true, There: true})
		return add(index, run)
	}
	for attempt := 1; ctx.Err() == nil; attempt++ {
		c := job.Config
		c.Dir, c.Seed = r.Dir, attemptSeed(job.Config.Seed, attempt)
		run, err := Record(ctx, job.Scenario, c)
		if ctx.Err() != nil && err != nil {
			break
		}
		if err == nil && r.Keep != nil {
			err = r.keep(ctx, run)
		}
		if err == nil {
			if r.Keep == nil {
				err = add(index, run)
			}
			tell(Outcome{Job: job, Attempt: attempt, Run: run, Last: true})
			return err
		}
		last := attempt >= max(1, r.Attempts)
		tell(Outcome{Job: job, Attempt: attempt, Err: err, Last: last})
		if last {
			break
		}
	}
	return nil
}

// keep gives a run to the Keeper and removes its files.
func (r *Recorder) keep(ctx context.Context, run *label.Run) error {
	capture := filepath.Join(r.Dir, run.Name+".pcap")
	err := r.Keep.Add(ctx, run, capture)
	return errors.Join(err, os.Remove(capture), os.Remove(filepath.Join(r.Dir, run.Name+".json")))
}

func add(index *label.Index, run *label.Run) error {
	if index.Has(run.Name) {
		return nil
	}
	return index.Add(run.Entry())
}

// there returns a run of the directory, nil if it is not there, whole and valid.
func (r *Recorder) there(name string) *label.Run {
	run, err := label.ReadFile(filepath.Join(r.Dir, name+".json"))
	if err != nil || run.Name != name {
		return nil
	}
	// Every packet has 16 bytes before it, and the file 24.
	info, err := os.Stat(filepath.Join(r.Dir, name+".pcap"))
	if err != nil || info.Size() != 24+16*run.Packets+run.Bytes {
		return nil
	}
	return run
}

// removeParts removes captures whose recording was cut short.
func (r *Recorder) removeParts() error {
	parts, err := filepath.Glob(filepath.Join(r.Dir, "*"+partSuffix))
	for _, p := range parts {
		err = errors.Join(err, os.Remove(p))
	}
	return err
}

// openIndex opens the directory's index without the runs that are not there any
// more.
func (r *Recorder) openIndex() (*label.Index, error) {
	name := filepath.Join(r.Dir, IndexFile)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return label.OpenIndex(name)
	}
	if err != nil {
		return nil, err
	}
	entries, err := label.ReadIndex(f)
	f.Close()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	fresh := name + partSuffix
	index, err := label.OpenIndex(fresh)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if run := r.there(e.Name); run != nil {
			err = errors.Join(err, index.Add(run.Entry()))
		}
	}
	if err == nil {
		err = os.Rename(fresh, name)
	}
	if err != nil {
		return nil, errors.Join(err, index.Close(), os.Remove(fresh))
	}
	return index, nil
}

// Reason is the first line of why a run was refused.
func Reason(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

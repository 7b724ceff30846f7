package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"tyto/corpus"
	"tyto/internal/amount"
	"tyto/lab"
)

// recordJobs records jobs and tells how it goes.
func recordJobs(ctx context.Context, c *cli, jobs []lab.Job, o labOptions) error {
	for _, f := range lab.Examine() {
		if f.Err != nil && !f.Soft {
			return fmt.Errorf("%s: %w; %s", f.What, f.Err, f.Help)
		}
	}
	if err := checkPrograms(jobs); err != nil {
		return err
	}
	_, tty := isTerminal(c.stderr)
	told := &tally{w: c.stderr, tty: tty, jobs: len(jobs), began: time.Now(), shown: time.Now()}
	r := lab.Recorder{Dir: o.dir, Parallel: o.parallel, Attempts: o.attempts, Tell: told.add}
	flush := func() error { return nil }
	if o.sequences {
		keep, err := corpus.Open(o.dir, everyProtocol())
		if err != nil {
			return err
		}
		r.Keep, flush = keep, keep.Flush
	}
	err := errors.Join(r.Record(ctx, jobs), flush())
	told.sum()
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted with %d of %d runs there; the same command continues", told.done(), len(jobs))
	}
	if err == nil && told.failed > 0 {
		err = fmt.Errorf("%d of %d runs could not be recorded", told.failed, len(jobs))
	}
	return err
}

// checkPrograms tells all that jobs need and the machine lacks.
func checkPrograms(jobs []lab.Job) error {
	var missing []string
	seen := make(map[string]bool)
	for _, j := range jobs {
		key := j.Scenario.Name + " " + j.Config.Variant
		if seen[key] {
			continue
		}
		seen[key] = true
		for _, v := range j.Scenario.Variants {
			if v.Name == j.Config.Variant {
				missing = append(missing, v.Missing()...)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return fmt.Errorf("programs are missing: apt-get install -y --no-install-recommends %s", strings.Join(slices.Compact(missing), " "))
}

// tally counts outcomes and shows them: what was refused, and on a terminal one
// line of progress.
type tally struct {
	w            io.Writer
	tty          bool
	jobs         int
	began, shown time.Time

	made, there, failed, refused int
	late                         []time.Duration // p99 of each run made
	packets                      int64
	bytes                        int64
}

func (t *tally) done() int { return t.made + t.there }

func (t *tally) add(o lab.Outcome) {
	switch {
	case o.There:
		t.there++
	case o.Run != nil:
		t.made++
		t.late = append(t.late, o.Run.Lateness.P99.Duration())
		t.packets += o.Run.Packets
		t.bytes += o.Run.Bytes
	default:
		t.refused++
		what := "refused"
		if o.Last {
			t.failed++
			what = "failed"
		}
		t.clear()
		fmt.Fprintf(t.w, "%s (attempt %d): %s\n", what, o.Attempt, lab.Reason(o.Err))
		if o.Last {
			fmt.Fprintln(t.w, strings.TrimPrefix(o.Err.Error(), lab.Reason(o.Err)+"\n"))
		}
	}
	// Without a terminal a line a minute is enough.
	if t.tty || time.Since(t.shown) > time.Minute {
		t.shown = time.Now()
		t.clear()
		fmt.Fprint(t.w, t.line())
		if !t.tty {
			fmt.Fprintln(t.w)
		}
	}
}

func (t *tally) clear() {
	if t.tty {
		fmt.Fprint(t.w, "\r\x1b[K")
	}
}

func (t *tally) line() string {
	elapsed := time.Since(t.began)
	rate := float64(t.made) / max(elapsed.Minutes(), 1e-9)
	text := fmt.Sprintf("%d of %d runs, %.1f a minute, %d refused", t.done()+t.failed, t.jobs, rate, t.refused)
	if left := t.jobs - t.done() - t.failed; left > 0 && t.made > 0 {
		text += fmt.Sprintf(", %s left", time.Duration(float64(left)/rate*float64(time.Minute)).Round(time.Second))
	}
	return text
}

// sum tells all in the end.
func (t *tally) sum() {
	t.clear()
	elapsed := time.Since(t.began)
	fmt.Fprintf(t.w, "%d runs made in %s (%.1f a minute), %d there already, %d attempts refused, %d runs failed\n",
		t.made, elapsed.Round(time.Second), float64(t.made)/max(elapsed.Minutes(), 1e-9), t.there, t.refused, t.failed)
	if t.made > 0 {
		slices.Sort(t.late)
		fmt.Fprintf(t.w, "%s packets, %s bytes; lateness p99 of the median run %s, of the worst %s\n", amount.Thousands(uint64(t.packets)), amount.Thousands(uint64(t.bytes)),
			t.late[len(t.late)/2].Round(time.Microsecond), t.late[len(t.late)-1].Round(time.Microsecond))
	}
}

package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"tyto/internal/amount"
	"tyto/sensor"
)

// isTerminal reports whether a stream is a terminal.
func isTerminal(w any) (*os.File, bool) {
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// colored reports whether standard output may be colored.
func colored(c *cli) bool {
	_, tty := isTerminal(c.stdout)
	return tty && c.getenv("NO_COLOR") == "" && c.getenv("TERM") != "dumb"
}

// terminalWidth returns how many columns the story may use.
func terminalWidth(c *cli) int {
	if f, tty := isTerminal(c.stdout); tty {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return max(w, 60)
		}
	}
	if n, err := strconv.Atoi(c.getenv("COLUMNS")); err == nil && n >= 60 {
		return n
	}
	return 100
}

// progressBar shows on a terminal how far reading is. It only reads atomics, so
// it costs the analysis nothing.
type progressBar struct {
	w    io.Writer
	done chan struct{}
	wg   sync.WaitGroup
}

// startProgress begins to show progress on standard error if that is a terminal
// and the user did not ask for quiet.
func startProgress(c *cli, src *captures, p *sensor.Progress, quiet bool) *progressBar {
	b := &progressBar{w: c.stderr, done: make(chan struct{})}
	f, tty := isTerminal(c.stderr)
	if !tty || quiet {
		return b
	}
	b.wg.Add(1)
	go func() {
		defer b.wg.Done()
		started := time.Now()
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-b.done:
				fmt.Fprint(b.w, "\r\x1b[K")
				return
			case <-tick.C:
				read, total := src.progress()
				width := 80
				if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
					width = w
				}
				fmt.Fprint(b.w, "\r\x1b[K"+progressLine(p.Packets.Load(), read, total, time.Since(started), width))
			}
		}
	}()
	return b
}

func (b *progressBar) stop() {
	close(b.done)
	b.wg.Wait()
}

// progressLine is what the bar shows: a bar and remaining time if the size of
// the input is known, the rate in any case.
func progressLine(packets uint64, read, total int64, elapsed time.Duration, width int) string {
	rate := float64(packets) / max(elapsed.Seconds(), 0.001)
	text := fmt.Sprintf(" %s packets  %s packets/s", amount.Thousands(packets), amount.Thousands(uint64(rate)))
	if total <= 0 || read <= 0 {
		return clip(text, width-1)
	}
	part := min(float64(read)/float64(total), 1)
	left := time.Duration(float64(elapsed) * (1 - part) / max(part, 0.0001)).Round(time.Second)
	text = fmt.Sprintf(" %3.0f %%%s  %s left", 100*part, text, left)
	cells := min(width-1-len(text)-2, 40)
	if cells < 10 {
		return clip(text, width-1)
	}
	full := int(part * float64(cells))
	return "[" + strings.Repeat("█", full) + strings.Repeat("·", cells-full) + "]" + text
}

// clip cuts a text to n columns.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:max(n-1, 0)]) + "…"
}

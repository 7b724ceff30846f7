// Nn compares package nn with PyTorch on model S (64 channels, 512 messages,
// about 155,000 parameters), a training step and inference, and on inference of a
// first-pass model of 2 MFLOP, turn by turn in one run, on one thread and on
// more.
//
//	go run ./bench/nn [-rounds 15] [-batch 16] [-threads 2] [-python /usr/bin/python3]
//
// It needs Debian's python3-torch. Quote the ratios: the machine's speed drifts,
// and both drift with it. CPU time says more than wall time while the machine
// does other things.
package main

import (
	"bufio"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"tyto/nn"
	"tyto/nn/kernel"
)

//go:embed peer.py
var torch string

// shards is how many parts a training batch is cut into.
const shards = 4

func main() {
	rounds := flag.Int("rounds", 15, "measurements of each task")
	size := flag.Int("batch", 16, "sessions in a batch, a multiple of 4")
	threads := flag.Int("threads", 2, "threads to go up to")
	python := flag.String("python", "/usr/bin/python3", "Python with torch")
	flag.Parse()
	if err := compare(*rounds, *size, *threads, *python); err != nil {
		fmt.Fprintln(os.Stderr, "nn:", err)
		os.Exit(1)
	}
}

// took is what a task cost.
type took struct{ wall, cpu float64 } // seconds

func compare(rounds, size, most int, python string) error {
	fmt.Printf("nn with %s; medians of %d, ms; ratios are of the same turn\n", kernel.SIMD(), rounds)
	fmt.Printf("%-22s %10s %10s %7s %10s %10s %7s\n", "", "nn wall", "torch", "ratio", "nn cpu", "torch", "ratio")
	for threads := 1; threads <= most; threads++ {
		runtime.GOMAXPROCS(threads)
		peer, err := startPeer(python, threads, size)
		if err != nil {
			return err
		}
		for _, task := range tasks(size, threads) {
			var ours, theirs []took
			for range rounds + 1 { // the first warms up
				theirs = append(theirs, peer.run(task.name))
				ours = append(ours, measure(task.run))
			}
			report(fmt.Sprintf("%s, %d threads", task.name, threads), ours[1:], theirs[1:])
		}
		if err := peer.stop(); err != nil {
			return err
		}
	}
	return nil
}

// task is something to do; the peer knows it by its name.
type task struct {
	name string
	run  func()
}

func tasks(size, threads int) []task {
	m := newModel(1)
	b := newBatch(size, shards)
	tr := nn.NewTrainer(m.params, shards)
	f := m.fuse()
	first := newFirstPass(threads)
	workers := make([]*scratch, threads)
	for i := range workers {
		workers[i] = newScratch()
	}
	return []task{
		{"train", func() {
			tr.Step(1e-3, func(shard int, t *nn.Tape) {
				from, to := tr.Share(size, shard)
				m.forward(t, b, from, to)
			})
		}},
		{"infer", func() { infer(f, b, workers, size) }},
		{"infer1", func() { infer(f, b, workers[:1], 1) }},
		{"first", first.run},
	}
}

// infer runs n sessions, spread over the workers.
func infer(f *fused, b *batch, workers []*scratch, n int) {
	var wait sync.WaitGroup
	for w, s := range workers {
		wait.Go(func() {
			for i := w; i < n; i += len(workers) {
				f.run(s, b.x[i*messages*features:][:messages*features])
			}
		})
	}
	wait.Wait()
}

func measure(f func()) took {
	cpu, wall := cpuSeconds(), time.Now()
	f()
	return took{time.Since(wall).Seconds(), cpuSeconds() - cpu}
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

func report(name string, ours, theirs []took) {
	var columns [6]float64
	for i, get := range []func(took) float64{func(t took) float64 { return t.wall }, func(t took) float64 { return t.cpu }} {
		var a, b, ratio []float64
		for j := range ours {
			a, b = append(a, 1e3*get(ours[j])), append(b, 1e3*get(theirs[j]))
			ratio = append(ratio, get(theirs[j])/max(get(ours[j]), 1e-9))
		}
		columns[3*i], columns[3*i+1], columns[3*i+2] = median(a), median(b), median(ratio)
	}
	fmt.Printf("%-22s %10.2f %10.2f %7.2f %10.2f %10.2f %7.2f\n", name, columns[0], columns[1], columns[2], columns[3], columns[4], columns[5])
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// peer is PyTorch in a process of its own that does a task for each line it
// reads and answers with what it took.
type peer struct {
	cmd    *exec.Cmd
	input  *bufio.Writer
	output *bufio.Reader
	close  func() error
	err    error
}

func startPeer(python string, threads, size int) (*peer, error) {
	cmd := exec.Command(python, "-c", torch, fmt.Sprint(threads), fmt.Sprint(size))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start PyTorch: %w (apt-get install python3-torch, or name another -python)", err)
	}
	return &peer{cmd: cmd, input: bufio.NewWriter(in), output: bufio.NewReader(out), close: in.Close}, nil
}

// run does a task; an error is kept for stop.
func (p *peer) run(task string) took {
	fmt.Fprintln(p.input, task)
	p.err = p.input.Flush()
	var t took
	if p.err == nil {
		_, p.err = fmt.Fscan(p.output, &t.wall, &t.cpu)
	}
	return t
}

func (p *peer) stop() error {
	if err := p.close(); err != nil {
		return err
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("PyTorch: %w", err)
	}
	return p.err
}

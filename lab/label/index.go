package label

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// Limits of an index file.
const (
	MaxEntries   = 1 << 20
	maxIndexFile = 1 << 30
)

// Entry is what the index says of a run.
type Entry struct {
	Name        string            `json:"name"`
	Scenario    string            `json:"scenario"`
	Variant     string            `json:"variant"`
	Params      map[string]string `json:"params,omitempty"`
	Seed        uint64            `json:"seed"`
	Profile     string            `json:"profile"`
	Sensor      string            `json:"sensor"`
	Typist      string            `json:"typist,omitempty"`
	Labels      []Label           `json:"labels"`
	Flows       int               `json:"flows"`
	Packets     int64             `json:"packets"`
	Bytes       int64             `json:"bytes"`
	Duration    Seconds           `json:"duration"`
	LatenessP99 Seconds           `json:"lateness_p99"`
}

// Entry returns what the index says of the run.
func (r *Run) Entry() Entry {
	return Entry{
		Name: r.Name, Scenario: r.Scenario, Variant: r.Variant, Params: r.Params, Seed: r.Seed,
		Profile: r.Profile.Name, Sensor: r.Sensor, Typist: r.Typist, Labels: r.Labels,
		Flows: len(r.Flows), Packets: r.Packets, Bytes: r.Bytes,
		Duration: Seconds(float64(r.T1-r.T0) / 1e9), LatenessP99: r.Lateness.P99,
	}
}

func (e *Entry) check() error {
	var c checker
	c.name("name", e.Name)
	c.name("scenario", e.Scenario)
	c.name("variant", e.Variant)
	c.labels("run", e.Labels)
	if e.Flows < 0 || e.Packets < 0 || e.Bytes < 0 || !(e.Duration >= 0 && e.LatenessP99 >= 0) {
		c.failf("a negative count or time")
	}
	return errors.Join(c.problems...)
}

// Index is the list of a directory's runs: a file of JSON lines that only
// grows. A line whose writing was cut short is dropped when the file is opened
// again. An Index may be used by several goroutines; the file belongs to one
// Index at a time.
type Index struct {
	mu      sync.Mutex
	file    *os.File
	size    int64 // bytes of whole lines
	entries []Entry
	names   map[string]bool
}

// ReadIndex reads an index. What is after the last newline is left out: it is
// a line whose writing was cut short.
func ReadIndex(r io.Reader) ([]Entry, error) {
	entries, _, err := readIndex(r)
	return entries, err
}

func readIndex(r io.Reader) (entries []Entry, size int64, err error) {
	data, err := io.ReadAll(io.LimitReader(r, maxIndexFile+1))
	if err != nil {
		return nil, 0, err
	}
	if len(data) > maxIndexFile {
		return nil, 0, fmt.Errorf("more than %d bytes", maxIndexFile)
	}
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	seen := make(map[string]bool)
	for line := range bytes.Lines(data) {
		var e Entry
		err := strictJSON(line, &e)
		if err == nil {
			err = e.check()
		}
		switch {
		case err != nil:
			return nil, 0, fmt.Errorf("line %d: %w", len(entries)+1, err)
		case seen[e.Name]:
			return nil, 0, fmt.Errorf("line %d: run %q twice", len(entries)+1, e.Name)
		case len(entries) == MaxEntries:
			return nil, 0, fmt.Errorf("more than %d runs", MaxEntries)
		}
		seen[e.Name] = true
		entries = append(entries, e)
	}
	return entries, int64(len(data)), nil
}

// OpenIndex opens or makes an index file.
func OpenIndex(name string) (*Index, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	entries, size, err := readIndex(f)
	if err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	x := &Index{file: f, size: size, entries: entries, names: make(map[string]bool)}
	for _, e := range entries {
		x.names[e.Name] = true
	}
	return x, nil
}

// Entries returns the runs in the order they were added. The slice is the
// caller's.
func (x *Index) Entries() []Entry {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.entries)
}

// Has reports whether a run of that name is listed.
func (x *Index) Has(name string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.names[name]
}

// Add appends a run to the file; it is an error to add a name twice. When Add
// returns nil the line is in the file, whole.
func (x *Index) Add(e Entry) error {
	if err := e.check(); err != nil {
		return err
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.names[e.Name] {
		return fmt.Errorf("run %q is listed already", e.Name)
	}
	if len(x.entries) == MaxEntries {
		return fmt.Errorf("more than %d runs", MaxEntries)
	}
	n, err := x.file.WriteAt(append(line, '\n'), x.size)
	if err != nil {
		return errors.Join(err, x.file.Truncate(x.size))
	}
	x.size += int64(n)
	x.names[e.Name] = true
	x.entries = append(x.entries, e)
	return nil
}

// Close closes the file.
func (x *Index) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.file.Close()
}

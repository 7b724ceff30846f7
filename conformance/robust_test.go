package conformance

import (
	"bytes"
	"context"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"tyto/packet/pcapfile"
	"tyto/sensor"
)

// files returns all captures below a folder.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.HasSuffix(name, ".tsv") {
			list = append(list, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestRobust reads every capture whole, and MUTATIONS times one that is cut at a
// random place or has random bytes changed. Whatever comes must end soon, in
// bounded memory, with records or a clear error, without a fault of an analyzer
// and without a goroutine left.
func TestRobust(t *testing.T) {
	dir := captures(t)
	list := files(t, dir)
	mutations := 300
	if n, err := strconv.Atoi(os.Getenv("MUTATIONS")); err == nil {
		mutations = n
	}
	seed := uint64(1)
	if n, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seed = n
	}
	before := runtime.NumGoroutine()
	for _, name := range list {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		endure(t, name, data)
	}
	rng := rand.New(rand.NewPCG(seed, 42))
	started := time.Now()
	for i := range mutations {
		name := list[rng.IntN(len(list))]
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		endure(t, name+" mutation "+strconv.Itoa(i)+" of seed "+strconv.FormatUint(seed, 10), mutate(rng, data))
		if i%1000 == 999 {
			t.Logf("%d mutations in %s", i+1, time.Since(started).Round(time.Second))
		}
	}
	time.Sleep(50 * time.Millisecond)
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	t.Logf("%d captures and %d mutations", len(list), mutations)
}

// mutate cuts data or changes some of its bytes; file headers less often, so
// that most mutations reach the parsers.
func mutate(rng *rand.Rand, data []byte) []byte {
	if len(data) == 0 {
		return data
	}
	data = bytes.Clone(data)
	if rng.IntN(3) == 0 {
		data = data[:rng.IntN(len(data))]
	}
	if len(data) == 0 || rng.IntN(4) == 0 {
		return data
	}
	from := 0
	if len(data) > 24 && rng.IntN(8) != 0 {
		from = 24
	}
	for range 1 + rng.IntN(200) {
		i := from + rng.IntN(len(data)-from)
		switch rng.IntN(4) {
		case 0:
			data[i] = byte(rng.Uint32())
		case 1:
			data[i] ^= 1 << rng.IntN(8)
		case 2:
			data[i] = 0xff
		case 3:
			data[i] = 0
		}
	}
	return data
}

// endure runs the data path over a capture and checks what must always hold.
func endure(t *testing.T, name string, data []byte) {
	t.Helper()
	started := time.Now()
	src, err := pcapfile.NewReader(bytes.NewReader(data), name)
	if err != nil {
		if err.Error() == "" {
			t.Errorf("%s: an error without words", name)
		}
		return
	}
	defer src.Close()
	var out bytes.Buffer
	res, err := sensor.Run(context.Background(), src, sensor.Config{Set: set, JSON: &out, Summary: true, Memory: 64 << 20}, nil)
	if err != nil && err.Error() == "" {
		t.Errorf("%s: an error without words", name)
	}
	if res.Stats.Faults > 0 {
		t.Errorf("%s: %d faults: %s", name, res.Stats.Faults, res.Stats.LastFault)
	}
	if d := time.Since(started); d > 20*time.Second {
		t.Errorf("%s: took %s", name, d)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 600<<20 {
		t.Errorf("%s: %d MiB on the heap", name, m.HeapAlloc>>20)
	}
}

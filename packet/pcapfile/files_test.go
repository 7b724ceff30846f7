package pcapfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tyto/packet"
)

// deal distributes frames over n files, in runs of up to so many frames.
func deal(tb testing.TB, frames []packet.Frame, n, run int) []string {
	tb.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	parts := make([][]packet.Frame, n)
	for i := 0; i < len(frames); {
		k := min(1+rng.IntN(run), len(frames)-i)
		p := rng.IntN(n)
		parts[p] = append(parts[p], frames[i:i+k]...)
		i += k
	}
	dir := tb.TempDir()
	var paths []string
	for i, p := range parts {
		b := pcapOf(little, magicNanos, p...)
		switch i % 4 {
		case 1:
			b = pcapngOf(big, p...)
		case 2:
			b = gzipped(b)
		case 3:
			b = zstded(b)
		}
		path := filepath.Join(dir, fmt.Sprintf("%03d", i))
		if err := os.WriteFile(path, b, 0o600); err != nil {
			tb.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func TestMerge(t *testing.T) {
	frames := many(3000)
	for _, test := range []struct{ files, run int }{{1, 1}, {2, 1}, {2, 500}, {3, 20}, {maxOpen + 30, 3}} {
		f, err := OpenAll(deal(t, frames, test.files, test.run))
		if err != nil {
			t.Fatal(err)
		}
		var watch sync.WaitGroup
		stop := make(chan struct{})
		watch.Go(func() {
			for last := int64(0); ; {
				read, total := f.Progress()
				if read < last || read > total {
					t.Errorf("got progress %d of %d after %d", read, total, last)
				}
				last = read
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
		got, err := drain(f, &packet.Block{})
		close(stop)
		watch.Wait()
		if err != io.EOF || !reflect.DeepEqual(got, frames) {
			t.Errorf("%v: got %d frames, then %v", test, len(got), err)
		}
		if p := f.Problems(); p != nil {
			t.Errorf("%v: %v", test, p)
		}
		if read, total := f.Progress(); read != total || total == 0 {
			t.Errorf("%v: got progress %d of %d", test, read, total)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestManyOverlap has more captures open than keep their descriptor.
func TestManyOverlap(t *testing.T) {
	f, err := OpenAll(deal(t, many(8000), 2*maxOpen, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b packet.Block
	if err := f.ReadBlock(&b); err != nil {
		t.Fatal(err)
	}
	held := 0
	for _, c := range f.open {
		if c.r.in.file != nil {
			held++
		}
	}
	if len(f.open) <= maxOpen || held > maxOpen {
		t.Errorf("%d captures are open, %d descriptors", len(f.open), held)
	}
	got, err := drain(f, &b)
	if err != io.EOF || len(got) == 0 || !slices.IsSortedFunc(got, func(a, b packet.Frame) int { return int(a.Time - b.Time) }) {
		t.Errorf("got %d frames, then %v", len(got), err)
	}
}

// TestRotation reads a set of files that follow each other one at a time, in
// whatever order they are named, and passes their blocks on.
func TestRotation(t *testing.T) {
	frames := many(9000)
	dir := t.TempDir()
	var paths []string
	for i := range 30 {
		path := filepath.Join(dir, fmt.Sprint(i))
		os.WriteFile(path, pcapOf(little, magicMicros, frames[i*300:(i+1)*300]...), 0o600)
		paths = append([]string{path}, paths...)
	}
	f, err := OpenAll(paths)
	if err != nil {
		t.Fatal(err)
	}
	var b packet.Block
	var got []packet.Frame
	for {
		err := f.ReadBlock(&b)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(f.open) > 1 {
			t.Errorf("%d files are open", len(f.open))
		}
		if len(b.Frames) != 300 {
			t.Errorf("a block of %d frames", len(b.Frames))
		}
		for _, frame := range b.Frames {
			frame.Data = bytes.Clone(frame.Data)
			got = append(got, frame)
		}
	}
	if !reflect.DeepEqual(got, frames) {
		t.Errorf("got %d frames", len(got))
	}
}

// TestDisorder keeps the frames of a capture in their order.
func TestDisorder(t *testing.T) {
	at := func(s int64, data string) packet.Frame {
		return packet.Frame{Time: second + s*1e9, Data: []byte(data), Wire: 2, Link: packet.LinkEthernet}
	}
	a := store(t, "a", pcapOf(little, magicMicros, at(1, "a1"), at(9, "a9"), at(2, "a2"), at(10, "a0")))
	b := store(t, "b", pcapOf(little, magicMicros, at(3, "b3"), at(9, "b9"), at(9, "b9")))
	f, err := OpenAll([]string{b, a})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := drain(f, &packet.Block{})
	var s []string
	for _, f := range got {
		s = append(s, string(f.Data))
	}
	if got, want := strings.Join(s, " "), "a1 b3 b9 b9 a9 a2 a0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestProblems(t *testing.T) {
	frames := many(100)
	good := store(t, "good", pcapOf(little, magicMicros, frames[:50]...))
	cut := pcapOf(little, magicMicros, frames[50:]...)
	truncated := store(t, "cut", cut[:len(cut)-1])
	dead := pcapOf(little, magicMicros, frames...)
	big.PutUint32(dead[classicHeader+8:], 0x7fffffff)
	none := store(t, "none", pcapOf(little, magicMicros))
	paths := []string{truncated, "/does/not/exist", good, store(t, "text", []byte("text")), none, store(t, "dead", dead), good, filepath.Dir(good)}
	f, err := OpenAll(paths)
	if err != nil {
		t.Fatal(err)
	}
	got, err := drain(f, &packet.Block{})
	if err != io.EOF || !reflect.DeepEqual(got, frames[:99]) {
		t.Errorf("got %d frames, then %v", len(got), err)
	}
	var names []string
	cuts := 0
	for _, p := range f.Problems() {
		var e *Error
		if !errors.As(p, &e) {
			t.Fatalf("got the problem %#v", p)
		}
		names = append(names, filepath.Base(e.Name))
		if e.Truncated {
			cuts++
		}
	}
	if want := []string{"exist", "text", "dead", "good", filepath.Base(filepath.Dir(good)), "cut"}; !slices.Equal(names, want) || cuts != 1 {
		t.Errorf("got problems with %q, %d of them cuts; want %q", names, cuts, want)
	}
	if read, total := f.Progress(); read != total {
		t.Errorf("got progress %d of %d", read, total)
	}

	if _, err := OpenAll([]string{"/does/not/exist", filepath.Dir(good)}); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("got %v", err)
	}
	f, err = OpenAll(nil)
	if err != nil || f.ReadBlock(&packet.Block{}) != io.EOF {
		t.Errorf("of nothing: %v", err)
	}

	// A file that goes away after its first packet was looked at.
	later := store(t, "later", pcapOf(little, magicMicros, frames[50:]...))
	if f, err = OpenAll([]string{good, later}); err != nil {
		t.Fatal(err)
	}
	os.Remove(later)
	if got, err := drain(f, &packet.Block{}); len(got) != 50 || err != io.EOF || len(f.Problems()) != 1 {
		t.Errorf("got %d frames, then %v, problems %v", len(got), err, f.Problems())
	}
}

func TestMergePipe(t *testing.T) {
	frames := many(300)
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdin := os.Stdin
	os.Stdin = pr
	defer func() { os.Stdin = stdin }()
	var writer sync.WaitGroup
	writer.Go(func() {
		pw.Write(pcapOf(little, magicMicros, frames[100:200]...))
		pw.Close()
	})
	f, err := OpenAll([]string{
		store(t, "a", pcapOf(little, magicMicros, slices.Concat(frames[:100], frames[200:250])...)),
		store(t, "b", pcapOf(little, magicMicros, frames[250:]...)), "-"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := drain(f, &packet.Block{})
	writer.Wait()
	if err != io.EOF || !reflect.DeepEqual(got, frames) {
		t.Errorf("got %d frames, then %v", len(got), err)
	}
	if _, total := f.Progress(); total != 0 {
		t.Errorf("got %d bytes in total", total)
	}
}

func TestFilesNames(t *testing.T) {
	named := func(host string) []byte {
		g := (&ngFile{order: little}).section()
		g.block(blockNames, g.option(nameIPv4, []byte("\xc0\x00\x02\x01"+host+"\x00")))
		return g.b
	}
	f, err := OpenAll([]string{store(t, "a", named("one.example")), store(t, "b", named("two.example"))})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.ReadBlock(&packet.Block{}); err != io.EOF {
		t.Fatal(err)
	}
	addr := packet.Addr4([]byte{192, 0, 2, 1})
	if got, want := f.Names(), []Name{{addr, "one.example"}, {addr, "two.example"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestMergeAllocs covers the copying of frames and the exchange of blocks.
func TestMergeAllocs(t *testing.T) {
	var frames []packet.Frame
	for i := range 20 {
		frames = append(frames, many(1000)...)
		for j := range frames[i*1000:] {
			frames[i*1000+j].Time = second + int64(i*1000+j)*1000
		}
	}
	// Without gzip, whose tables grow for a while.
	f, err := OpenAll(deal(t, frames, 2, 400))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b packet.Block
	read := func() {
		if err := f.ReadBlock(&b); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		read()
	}
	if n := testing.AllocsPerRun(20, read); n != 0 {
		t.Errorf("%v allocations per block", n)
	}
}

// FuzzMerge checks that no frame is lost and that order is kept, for two
// captures with a frame for each byte, of which the value is the time.
func FuzzMerge(f *testing.F) {
	f.Add([]byte{1, 3, 5}, []byte{2, 4, 6})
	f.Add([]byte{1, 1, 9, 2}, []byte{1, 5, 5, 200})
	f.Add([]byte{}, []byte{7})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		dir := t.TempDir()
		var paths []string
		var inputs [2][]packet.Frame
		sorted := true
		for i, times := range [][]byte{a, b} {
			for j, v := range times {
				sorted = sorted && (j == 0 || v >= times[j-1])
				data := bytes.Repeat([]byte{byte(i)}, 1+int(v)*50)
				inputs[i] = append(inputs[i], packet.Frame{Time: second + int64(v)*1e9, Data: data, Wire: uint32(len(data)), Link: packet.LinkEthernet})
			}
			path := filepath.Join(dir, fmt.Sprint(i))
			if err := os.WriteFile(path, pcapOf(little, magicMicros, inputs[i]...), 0o600); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, path)
		}
		files, err := OpenAll(paths)
		if err != nil {
			t.Fatal(err)
		}
		got, err := drain(files, &packet.Block{})
		if err != io.EOF || len(files.Problems()) != 0 {
			t.Fatal(err, files.Problems())
		}
		var split [2][]packet.Frame
		for i, frame := range got {
			split[frame.Data[0]] = append(split[frame.Data[0]], frame)
			if sorted && i > 0 && frame.Time < got[i-1].Time {
				t.Errorf("frame %d is out of order", i)
			}
		}
		if !reflect.DeepEqual(split, inputs) {
			t.Error("frames differ")
		}
	})
}

func BenchmarkFiles(b *testing.B) {
	frames := many(100_000)
	var bytes int64
	for _, f := range frames {
		bytes += int64(len(f.Data)) + recordHeader
	}
	dir := b.TempDir()
	var rotated []string
	for i := range 10 {
		path := filepath.Join(dir, fmt.Sprint(i))
		os.WriteFile(path, pcapOf(little, magicNanos, frames[i*10_000:(i+1)*10_000]...), 0o600)
		rotated = append(rotated, path)
	}
	var taps [2][]packet.Frame
	for i, f := range frames {
		taps[i%2] = append(taps[i%2], f)
	}
	overlapping := []string{store(b, "a", pcapOf(little, magicNanos, taps[0]...)), store(b, "b", pcapOf(little, magicNanos, taps[1]...))}
	for _, c := range []struct {
		name  string
		paths []string
	}{{"rotated", rotated}, {"overlapping", overlapping}} {
		b.Run(c.name, func(b *testing.B) {
			var block packet.Block
			b.ReportAllocs()
			b.SetBytes(bytes)
			for b.Loop() {
				f, err := OpenAll(c.paths)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for f.ReadBlock(&block) == nil {
					n += len(block.Frames)
				}
				if f.Close(); n != len(frames) {
					b.Fatal(n, "frames")
				}
			}
		})
	}
}

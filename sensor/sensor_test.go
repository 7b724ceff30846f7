package sensor_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"tyto/entity"
	"tyto/internal/record"
	"tyto/packet"
	"tyto/packet/pcapfile"
	"tyto/protocol/all"
	"tyto/sensor"
)

var set = all.Set(sensor.TunnelDefinitions()...)

// frames makes a capture of n small UDP sessions, a millisecond apart: a DNS
// query each.
func frames(n int) []packet.Frame {
	query := []byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01")
	var list []packet.Frame
	for i := range n {
		b := make([]byte, 14+20+8, 14+20+8+len(query))
		copy(b, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00\x45\x00")
		binary.BigEndian.PutUint16(b[16:], uint16(28+len(query)))
		b[22], b[23] = 64, packet.ProtoUDP
		copy(b[26:], []byte{10, 1, byte(i >> 16), byte(i >> 8)})
		copy(b[30:], []byte{10, 2, 0, 53})
		binary.BigEndian.PutUint16(b[34:], uint16(1024+i%50000))
		binary.BigEndian.PutUint16(b[36:], 53)
		binary.BigEndian.PutUint16(b[38:], uint16(8+len(query)))
		b = append(b, query...)
		binary.BigEndian.PutUint16(b[42:], uint16(i))
		list = append(list, packet.Frame{Time: 1_700_000_000_000_000_000 + int64(i)*1e6, Data: b, Wire: uint32(len(b)), Link: packet.LinkEthernet})
	}
	return list
}

func capture(t testing.TB, list []packet.Frame) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapfile.NewWriter(&b, packet.LinkEthernet, false)
	for i := range list {
		if err := w.Write(&list[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func run(t *testing.T, ctx context.Context, r io.Reader, c sensor.Config) (string, *sensor.Result, error) {
	t.Helper()
	src, err := pcapfile.NewReader(r, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var out bytes.Buffer
	c.Set, c.JSON, c.Strict = set, &out, true
	res, err := sensor.Run(ctx, src, c, nil)
	return out.String(), res, err
}

// TestGolden reads testdata/*.pcap and compares the records; it wants the same
// bytes from one worker and from many.
func TestGolden(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.pcap")
	if len(files) == 0 {
		t.Fatal("no testdata/*.pcap")
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".pcap"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := run(t, context.Background(), bytes.NewReader(data), sensor.Config{Workers: 1})
			if err != nil {
				t.Fatal(err)
			}
			for _, workers := range []int{2, 5, 16} {
				again, _, err := run(t, context.Background(), bytes.NewReader(data), sensor.Config{Workers: workers})
				if err != nil || again != got {
					t.Errorf("%d workers: the output differs from one worker's (%v)", workers, err)
				}
			}
			golden := strings.TrimSuffix(name, ".pcap") + ".golden"
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the records are not those of %s; UPDATE=1 go test ./sensor shows the difference in git diff", golden)
			}
		})
	}
}

// TestStream wants records while the producer still writes.
func TestStream(t *testing.T) {
	data := capture(t, frames(3000))
	r, w := io.Pipe()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		src, err := pcapfile.NewReader(r, "pipe")
		if err == nil {
			_, err = sensor.Run(context.Background(), src, sensor.Config{Set: set, JSON: in}, nil)
		}
		in.CloseWithError(err)
		done <- err
	}()
	half := len(data) / 2
	if _, err := w.Write(data[:half]); err != nil {
		t.Fatal(err)
	}
	// No query is answered, so the first record comes when its session ends: a
	// minute of packet time later. Send a packet that is that late.
	late := frames(1)
	late[0].Time += 200e9
	lateBytes := capture(t, late)[24:]
	// The cut is within a frame: finish it first.
	rest := half
	for at := 24; at < len(data); {
		n := int(binary.LittleEndian.Uint32(data[at+8:])) + 16
		if at+n > half {
			rest = at + n
			break
		}
		at += n
	}
	go func() {
		w.Write(data[half:rest])
		w.Write(lateBytes)
	}()
	first := make([]byte, 1)
	got := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(out, first)
		got <- err
	}()
	select {
	case err := <-got:
		if err != nil || first[0] != '{' {
			t.Fatalf("first byte %q, %v", first, err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no record while the producer is silent")
	}
	go io.Copy(io.Discard, out)
	w.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// endless is a source that never ends.
type endless struct {
	list []packet.Frame
	stop context.CancelFunc
	n    int
}

func (s *endless) ReadBlock(b *packet.Block) error {
	s.n++
	if s.n == 20 {
		s.stop()
	}
	b.Frames = append(b.Frames[:0], s.list...)
	return nil
}

// TestInterrupt wants the end of the context to end the analysis with what was
// found, and no goroutine left.
func TestInterrupt(t *testing.T) {
	before := runtime.NumGoroutine()
	ctx, stop := context.WithCancel(context.Background())
	var out bytes.Buffer
	res, err := sensor.Run(ctx, &endless{list: frames(100), stop: stop}, sensor.Config{Set: set, JSON: &out, Summary: true}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if n := strings.Count(out.String(), `"record":"session"`); n != 100 || res.Stats.Sessions != 100 {
		t.Errorf("%d session records, stats say %d; want 100", n, res.Stats.Sessions)
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// failing is a writer that fails after some bytes.
type failing struct{ left int }

func (w *failing) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errors.New("disk full")
	}
	return len(b), nil
}

func TestWriteError(t *testing.T) {
	src, err := pcapfile.NewReader(bytes.NewReader(capture(t, frames(20000))), "test")
	if err != nil {
		t.Fatal(err)
	}
	_, err = sensor.Run(context.Background(), src, sensor.Config{Set: set, JSON: &failing{1 << 20}}, nil)
	if err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("error %v, want disk full", err)
	}
}

// TestBudget wants memory pressure to end sessions early, count them, tell every
// one, and do so in the same way whatever the number of workers.
func TestBudget(t *testing.T) {
	data := capture(t, frames(60000))
	want := ""
	for _, workers := range []int{1, 3, 16} {
		out, res, err := run(t, context.Background(), bytes.NewReader(data), sensor.Config{Workers: workers, Memory: 16 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if res.Stats.Sessions != 60000 || res.Stats.ShedSessions == 0 {
			t.Errorf("%d sessions, %d shed", res.Stats.Sessions, res.Stats.ShedSessions)
		}
		if want == "" {
			want = out
		}
		if out != want {
			t.Errorf("%d workers: the output differs from one worker's", workers)
		}
	}
}

// TestLogs wants Zeek's headers and as many columns in every line.
func TestLogs(t *testing.T) {
	dir := t.TempDir()
	src, err := pcapfile.NewReader(bytes.NewReader(capture(t, frames(10))), "test")
	if err != nil {
		t.Fatal(err)
	}
	opened := time.Unix(1_700_000_000, 0)
	_, err = sensor.Run(context.Background(), src, sensor.Config{Set: set, Logs: &sensor.LogDir{Dir: dir, Format: record.TSV, Opened: opened}, LogFormat: record.TSV,
		Home: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"conn", "dns"} {
		text, err := os.ReadFile(filepath.Join(dir, name+".log"))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		if lines[0] != `#separator \x09` || lines[4] != "#path\t"+name || !strings.HasPrefix(lines[6], "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\t") {
			t.Errorf("%s.log begins with\n%s", name, strings.Join(lines[:8], "\n"))
		}
		columns := strings.Count(lines[6], "\t")
		if got := strings.Count(lines[7], "\t"); got != columns {
			t.Errorf("%s.log: %d types for %d fields", name, got, columns)
		}
		n := 0
		for _, l := range lines[8 : len(lines)-1] {
			if n++; strings.Count(l, "\t") != columns-1 {
				t.Errorf("%s.log: %d columns, want %d: %s", name, strings.Count(l, "\t")+1, columns, l)
			}
		}
		if n != 10 || !strings.HasPrefix(lines[len(lines)-1], "#close\t") {
			t.Errorf("%s.log: %d lines, last %q", name, n, lines[len(lines)-1])
		}
	}
}

// TestRecordsAreJSON is the contract of --json: one object a line, its kind
// first, Zeek's names.
func TestRecordsAreJSON(t *testing.T) {
	out, _, err := run(t, context.Background(), bytes.NewReader(capture(t, frames(3))), sensor.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`{"record":"dns","ts":1700000000.000000,"uid":"C`, `"id.orig_h":"10.1.0.0","id.orig_p":1024,"id.resp_h":"10.2.0.53","id.resp_p":53`,
		`"conn_state":"S0"`, `"history":"D"`, `"app":"dns"`, `"community_id":"1:`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	list := frames(20000)
	data := capture(b, list)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		src, err := pcapfile.NewReader(bytes.NewReader(data), "bench")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := sensor.Run(context.Background(), src, sensor.Config{Set: set, JSON: io.Discard}, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(list)), "packets/op")
}

// TestGraph wants entities and relations written once at the end, the same on
// any number of workers.
func TestGraph(t *testing.T) {
	var want string
	for _, workers := range []int{1, 4} {
		f, err := os.Open("../cmd/tyto/demo/office.pcap.gz")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, _, err := run(t, context.Background(), f, sensor.Config{Workers: workers, Graph: entity.New(entity.Options{})})
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(got, `"record":"entity"`); n < 5 {
			t.Errorf("%d entities", n)
		}
		if !strings.Contains(got, `"relation":"talked-to"`) {
			t.Error("nobody talked to anybody")
		}
		if want == "" {
			want = got
		} else if got != want {
			t.Errorf("%d workers tell another graph", workers)
		}
	}
}

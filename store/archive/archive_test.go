package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tyto/packet"
	"tyto/packet/pcapfile"
	"tyto/store"
	"tyto/store/archive"
)

// frame is the i-th frame of the tests: of one of ten sessions, or of none.
func frame(i int) (packet.Frame, string) {
	rng := rand.New(rand.NewPCG(uint64(i), 1))
	data := make([]byte, rng.IntN(1500))
	if i%2 == 0 { // half of them compress
		for j := range data {
			data[j] = byte(j / 100)
		}
	} else {
		for j := range data {
			data[j] = byte(rng.Uint32())
		}
	}
	uid := fmt.Sprintf("Csession%d", i%11)
	if i%11 == 10 {
		uid = ""
	}
	t := int64(1_700_000_000_000_000_000) + int64(i)*1_000_000 - int64(rng.IntN(2_000_000)) // not quite in order
	link := packet.LinkEthernet
	if i%100 == 0 {
		link = packet.LinkRaw
	}
	return packet.Frame{Time: t, Data: data, Wire: uint32(len(data) + i%3), Link: link}, uid
}

// write writes frames 0 to n.
func write(t testing.TB, dir string, n int, o archive.Options) {
	t.Helper()
	w, err := archive.NewWriter(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		f, uid := frame(i)
		if err := w.Add(&f, uid); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

var small = archive.Options{SegmentBytes: 200 << 10, BlockBytes: 16 << 10}

func open(t testing.TB, dir string) *archive.Reader {
	t.Helper()
	r, err := archive.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// same reports whether a packet of the archive is the i-th frame.
func same(p *archive.Packet, i int) bool {
	f, uid := frame(i)
	return p.Time == f.Time && p.Wire == f.Wire && p.Link == f.Link && bytes.Equal(p.Data, f.Data) && p.UID == uid
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	const n = 3000
	write(t, dir, n/2, small)
	w, err := archive.NewWriter(dir, small) // goes on in new segments
	if err != nil {
		t.Fatal(err)
	}
	for i := n / 2; i < n; i++ {
		f, uid := frame(i)
		if err := w.Add(&f, uid); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil { // and is read before it is closed
		t.Fatal(err)
	}
	r := open(t, dir)
	for _, when := range []string{"while it is written", "after"} {
		i := 0
		err := r.Scan(context.Background(), 0, 0, func(p *archive.Packet) error {
			if !same(p, i) {
				return fmt.Errorf("packet %d is %+v", i, p)
			}
			i++
			return nil
		})
		if err != nil || i != n {
			t.Errorf("%s: %d packets, %v", when, i, err)
		}
		i = 3
		err = r.Sessions(context.Background(), []string{"Csession3"}, 0, 0, func(p *archive.Packet) error {
			if !same(p, i) {
				return fmt.Errorf("packet %d of the session is %+v", i, p)
			}
			i += 11
			return nil
		})
		if err != nil || i < n {
			t.Errorf("%s: the session ends at %d, %v", when, i, err)
		}
		if w != nil {
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			w = nil
		}
	}
	segments, err := r.Segments()
	if err != nil || len(segments) < 5 {
		t.Fatalf("%d segments, %v", len(segments), err)
	}
	total := uint64(0)
	for _, s := range segments {
		total += s.Packets
		if s.First >= s.Last || s.Bytes <= 0 {
			t.Errorf("segment %+v", s)
		}
	}
	if total != n {
		t.Errorf("%d packets in segments, want %d", total, n)
	}
}

func TestSpan(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 1000, small)
	a, _ := frame(200)
	b, _ := frame(700)
	want := 0
	for i := range 1000 {
		if f, _ := frame(i); f.Time >= a.Time && f.Time < b.Time {
			want++
		}
	}
	got := 0
	err := open(t, dir).Scan(context.Background(), a.Time, b.Time, func(p *archive.Packet) error {
		if p.Time < a.Time || p.Time >= b.Time {
			return fmt.Errorf("a packet of %d", p.Time)
		}
		got++
		return nil
	})
	if err != nil || got != want {
		t.Errorf("%d packets, %v, want %d", got, err, want)
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 100, small)
	r := open(t, dir)
	stop := errors.New("stop")
	if err := r.Scan(context.Background(), 0, 0, func(*archive.Packet) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an error of yield became %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Scan(ended, 0, 0, func(*archive.Packet) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended gave %v", err)
	}
	if _, err := archive.Open(filepath.Join(dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there gave %v", err)
	}
	w, err := archive.NewWriter(dir, small)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add(&packet.Frame{Data: make([]byte, archive.MaxPacket+1)}, ""); err == nil {
		t.Error("a packet that is too long was taken")
	}
	if err := w.Add(&packet.Frame{Data: make([]byte, archive.MaxPacket)}, strings.Repeat("x", archive.MaxUID)); err != nil {
		t.Errorf("the longest packet: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := r.Sessions(context.Background(), []string{strings.Repeat("x", archive.MaxUID)}, 0, 0, func(p *archive.Packet) error { n += len(p.Data); return nil }); err != nil || n != archive.MaxPacket {
		t.Errorf("the longest packet came back with %d bytes, %v", n, err)
	}
}

func TestRetention(t *testing.T) {
	dir := t.TempDir()
	budget := small
	budget.Budget = 600 << 10
	write(t, dir, 4000, budget)
	segments, err := open(t, dir).Segments()
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, s := range segments {
		total += s.Bytes
	}
	if total > budget.Budget+small.SegmentBytes || segments[0].Number == 1 {
		t.Errorf("%d bytes in segments from %d", total, segments[0].Number)
	}
	removed, err := archive.Retain(dir, store.Keep{Before: segments[1].Last + 1})
	if err != nil || len(removed) != 2 || removed[0].Number != segments[0].Number {
		t.Errorf("removed %+v, %v", removed, err)
	}
	if removed, err = archive.Retain(dir, store.Keep{Bytes: 1}); err != nil || len(removed) != len(segments)-3 {
		t.Errorf("removed %d, %v; the newest stays", len(removed), err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestDamage harms an archive of one segment in many ways. What comes back is a
// part of what was written, in order, whole, and what is missing is told.
func TestDamage(t *testing.T) {
	whole := t.TempDir()
	const n = 300
	write(t, whole, n, archive.Options{BlockBytes: 16 << 10})
	segment, err := os.ReadFile(filepath.Join(whole, "00000001.seg"))
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(whole, "00000001.idx"))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range 120 {
		s, x := bytes.Clone(segment), bytes.Clone(index)
		told := true // damage to the index alone costs nothing
		switch i % 4 {
		case 0:
			s[8+rng.IntN(len(s)-8)] ^= byte(1 + rng.IntN(255))
		case 1:
			s[8+rng.IntN(len(s)-8)] ^= byte(1 + rng.IntN(255))
			x = nil
		case 2:
			x[rng.IntN(len(x))] ^= byte(1 + rng.IntN(255))
			told = false
		case 3:
			s = s[:8+rng.IntN(len(s)-8)] // the writer died: that is no damage, unless in a header
			told = false
		}
		dir := t.TempDir()
		put(t, filepath.Join(dir, "00000001.seg"), s)
		if x != nil {
			put(t, filepath.Join(dir, "00000001.idx"), x)
		}
		got, err := readable(t, dir)
		if i%4 == 0 && got == n {
			told = false // a block's header, which the index has too
		}
		if i%4 == 2 && got != n || i%4 == 1 && got >= n || i%4 < 2 && got < n/2 {
			t.Errorf("damage %d: %d packets of %d came back, %v", i, got, n, err)
		}
		var d *archive.Damage
		if told != errors.As(err, &d) {
			t.Errorf("damage %d gave %v", i, err)
		}
	}
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// readable counts the packets that come back; each must be one that was written.
func readable(t *testing.T, dir string) (n int, err error) {
	t.Helper()
	next := 0
	err = open(t, dir).Scan(context.Background(), 0, 0, func(p *archive.Packet) error {
		for !same(p, next) {
			if next++; next > 300 {
				t.Fatalf("a packet that was never written, or out of order: %+v", p)
			}
		}
		next++
		n++
		return nil
	})
	return n, err
}

func TestForeign(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "00000001.seg"), []byte("notes of mine"))
	put(t, filepath.Join(dir, "other.seg"), []byte("is not looked at"))
	write(t, dir, 10, small)
	n := 0
	err := open(t, dir).Scan(context.Background(), 0, 0, func(*archive.Packet) error { n++; return nil })
	if n != 10 || !errors.Is(err, archive.ErrForeign) {
		t.Errorf("%d packets, %v", n, err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "00000001.seg"))
	if err != nil || string(b) != "notes of mine" {
		t.Errorf("the file became %q, %v", b, err)
	}
}

// TestCapture carves packets and reads them with the reader of captures.
func TestCapture(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 500, small)
	var out bytes.Buffer
	w := archive.NewCaptureWriter(&out)
	if err := open(t, dir).Scan(context.Background(), 0, 0, w.Write); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := pcapfile.NewReader(&out, "carved")
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	var b packet.Block
	for {
		if err = r.ReadBlock(&b); err != nil {
			break
		}
		for _, f := range b.Frames {
			want, _ := frame(i)
			if f.Time != want.Time || f.Wire != want.Wire || f.Link != want.Link || !bytes.Equal(f.Data, want.Data) {
				t.Fatalf("packet %d is not what it was", i)
			}
			i++
		}
	}
	if !errors.Is(err, io.EOF) || i != 500 {
		t.Errorf("%d packets, %v", i, err)
	}
	if err := w.Write(&archive.Packet{Frame: packet.Frame{Time: -1}}); !errors.Is(err, archive.ErrTime) {
		t.Errorf("a time before 1970 gave %v", err)
	}
	var none bytes.Buffer
	if err := archive.NewCaptureWriter(&none).Close(); err != nil || none.Len() == 0 {
		t.Errorf("a capture of no packets has %d bytes, %v", none.Len(), err)
	}
}

// FuzzSegment reads any bytes as a segment, with any bytes as its index: what
// comes of it is packets or errors, in bounded memory.
func FuzzSegment(f *testing.F) {
	dir := f.TempDir()
	write(f, dir, 20, archive.Options{BlockBytes: 4 << 10})
	segment, err := os.ReadFile(filepath.Join(dir, "00000001.seg"))
	if err != nil {
		f.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(dir, "00000001.idx"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(segment, index)
	f.Add(segment, []byte(nil))
	f.Add(segment[:len(segment)-7], index)
	f.Fuzz(func(t *testing.T, segment, index []byte) {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "00000001.seg"), segment)
		put(t, filepath.Join(dir, "00000001.idx"), index)
		r := open(t, dir)
		for _, read := range []func(func(*archive.Packet) error) error{
			func(y func(*archive.Packet) error) error { return r.Scan(context.Background(), 0, 0, y) },
			func(y func(*archive.Packet) error) error {
				return r.Sessions(context.Background(), []string{"Csession3"}, 0, 0, y)
			},
		} {
			err := read(func(p *archive.Packet) error {
				if len(p.Data) > 2*len(segment)*1000 {
					t.Fatalf("a packet of %d bytes from %d", len(p.Data), len(segment))
				}
				return nil
			})
			var d *archive.Damage
			if err != nil && !errors.As(err, &d) && !errors.Is(err, archive.ErrForeign) {
				t.Fatalf("an error that is no damage: %v", err)
			}
		}
	})
}

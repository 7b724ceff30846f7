package pcapfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"tyto/packet"
)

// order writes the integers of one byte order.
type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

var (
	little order = binary.LittleEndian
	big    order = binary.BigEndian
)

// second is a time all formats and resolutions can express.
const second = int64(1_700_000_000_000_000_000)

// sample is what most captures of the tests hold.
func sample() []packet.Frame {
	return []packet.Frame{
		{Time: second, Data: []byte("one"), Wire: 3, Link: packet.LinkEthernet},
		{Time: second + 1_000_000, Data: []byte("seconds"), Wire: 1500, Link: packet.LinkEthernet},
		{Time: second + 2_000_000, Data: []byte{}, Wire: 60, Link: packet.LinkEthernet},
		{Time: second + 3_000_000, Data: bytes.Repeat([]byte("x"), 100), Wire: 100, Link: packet.LinkEthernet},
	}
}

func pcapHead(o order, magic uint32, minor uint16, snap, link uint32) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(b, 2)
	b = o.AppendUint16(b, minor)
	b = append(b, make([]byte, 8)...)
	b = o.AppendUint32(b, snap)
	return o.AppendUint32(b, link)
}

func pcapOf(o order, magic uint32, frames ...packet.Frame) []byte {
	b := pcapHead(o, magic, 4, 65535, uint32(packet.LinkEthernet))
	for _, f := range frames {
		b = o.AppendUint32(b, uint32(f.Time/1e9))
		frac := f.Time % 1e9
		if magic != magicNanos {
			frac /= 1000
		}
		b = o.AppendUint32(b, uint32(frac))
		b = o.AppendUint32(b, uint32(len(f.Data)))
		b = o.AppendUint32(b, f.Wire)
		if magic == magicModified {
			b = append(b, "iface789"...)
		}
		b = append(b, f.Data...)
	}
	return b
}

// ngFile builds a pcapng file.
type ngFile struct {
	order
	b []byte
}

func (g *ngFile) block(kind uint32, body []byte) *ngFile {
	body = append(body, make([]byte, -len(body)&3)...)
	g.b = g.AppendUint32(g.b, kind)
	g.b = g.AppendUint32(g.b, uint32(len(body)+12))
	g.b = append(g.b, body...)
	g.b = g.AppendUint32(g.b, uint32(len(body)+12))
	return g
}

func (g *ngFile) section() *ngFile {
	body := g.AppendUint32(nil, byteOrderMagic)
	body = g.AppendUint16(body, 1)
	body = g.AppendUint16(body, 0)
	return g.block(blockSection, append(body, bytes.Repeat([]byte{0xff}, 8)...))
}

func (g *ngFile) iface(link packet.LinkType, snap uint32, options ...[]byte) *ngFile {
	body := g.AppendUint16(nil, uint16(link))
	body = g.AppendUint16(body, 0)
	body = g.AppendUint32(body, snap)
	return g.block(blockInterface, append(body, slices.Concat(options...)...))
}

func (g *ngFile) option(code uint16, value []byte) []byte {
	b := g.AppendUint16(nil, code)
	b = g.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}

func (g *ngFile) enhanced(iface uint32, units uint64, wire uint32, data []byte, options ...[]byte) *ngFile {
	body := g.AppendUint32(nil, iface)
	body = g.AppendUint32(body, uint32(units>>32))
	body = g.AppendUint32(body, uint32(units))
	body = g.AppendUint32(body, uint32(len(data)))
	body = g.AppendUint32(body, wire)
	body = append(body, data...)
	body = append(body, make([]byte, -len(data)&3)...)
	return g.block(blockEnhanced, append(body, slices.Concat(options...)...))
}

func (g *ngFile) obsolete(iface uint16, units uint64, wire uint32, data []byte) *ngFile {
	body := g.AppendUint16(nil, iface)
	body = g.AppendUint16(body, 7) // drops
	body = g.AppendUint32(body, uint32(units>>32))
	body = g.AppendUint32(body, uint32(units))
	body = g.AppendUint32(body, uint32(len(data)))
	body = g.AppendUint32(body, wire)
	return g.block(blockPacket, append(body, data...))
}

func (g *ngFile) simple(wire uint32, data []byte) *ngFile {
	return g.block(blockSimple, append(g.AppendUint32(nil, wire), data...))
}

func pcapngOf(o order, frames ...packet.Frame) []byte {
	g := (&ngFile{order: o}).section()
	g.block(0x0bad, []byte("a block of a type to come"))
	g.iface(packet.LinkEthernet, 0, g.option(2, []byte("eth0")), g.option(optResolution, []byte{9}))
	for _, f := range frames {
		g.enhanced(0, uint64(f.Time), f.Wire, f.Data, g.option(1, []byte("a comment")))
	}
	return g.block(5, make([]byte, 12)).b
}

func snoopOf(frames ...packet.Frame) []byte {
	b := append([]byte(snoopMagic), 0, 0, 0, 2, 0, 0, 0, 4)
	for _, f := range frames {
		pad := -len(f.Data) & 3
		for _, v := range []uint32{f.Wire, uint32(len(f.Data)), uint32(24 + len(f.Data) + pad), 0, uint32(f.Time / 1e9), uint32(f.Time % 1e9 / 1000)} {
			b = big.AppendUint32(b, v)
		}
		b = append(append(b, f.Data...), make([]byte, pad)...)
	}
	return b
}

func gzipped(parts ...[]byte) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		w := gzip.NewWriter(&b)
		w.Write(p)
		w.Close()
	}
	return b.Bytes()
}

// encoder is made once, as it takes more time than the tests that use it.
var encoder = sync.OnceValue(func() *zstd.Encoder {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		panic(err)
	}
	return w
})

func zstded(parts ...[]byte) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		w := encoder()
		w.Reset(&b)
		w.Write(p)
		w.Close()
	}
	return b.Bytes()
}

// drain reads src to its end with the block it is given, and copies the frames.
func drain(src packet.Source, b *packet.Block) ([]packet.Frame, error) {
	var frames []packet.Frame
	for {
		if err := src.ReadBlock(b); err != nil {
			return frames, err
		}
		if len(b.Frames) == 0 {
			return frames, errors.New("a block without frames")
		}
		for _, f := range b.Frames {
			f.Data = append([]byte{}, f.Data...)
			frames = append(frames, f)
		}
	}
}

func readAll(t *testing.T, capture []byte) ([]packet.Frame, error) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(capture), "test")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return drain(r, &packet.Block{})
}

func TestFormats(t *testing.T) {
	two := slices.Concat(sample(), sample())
	modified := pcapOf(little, magicModified, sample()...)
	minor := func(n byte, swap bool) []byte {
		b := pcapOf(little, magicMicros, sample()...)
		b[6] = n
		for off := classicHeader; swap && off < len(b); {
			length, wire := little.Uint32(b[off+8:]), little.Uint32(b[off+12:])
			little.PutUint32(b[off+8:], wire)
			little.PutUint32(b[off+12:], length)
			off += recordHeader + int(length)
		}
		return b
	}
	for _, test := range []struct {
		name, format string
		capture      []byte
		want         []packet.Frame
	}{
		{"micros", "pcap", pcapOf(little, magicMicros, sample()...), sample()},
		{"micros big", "pcap", pcapOf(big, magicMicros, sample()...), sample()},
		{"nanos", "pcap", pcapOf(little, magicNanos, sample()...), sample()},
		{"nanos big", "pcap", pcapOf(big, magicNanos, sample()...), sample()},
		{"modified", "pcap", modified, sample()},
		{"modified big", "pcap", pcapOf(big, magicModified, sample()...), sample()},
		{"version 2.2", "pcap", minor(2, true), sample()},
		{"version 2.3", "pcap", minor(3, false), sample()},
		{"version 2.3 swapped", "pcap", minor(3, true), sample()},
		{"joined", "pcap", slices.Concat(pcapOf(little, magicMicros, sample()...), pcapOf(big, magicNanos, sample()...)), two},
		{"no packets", "pcap", pcapOf(little, magicMicros), nil},
		{"pcapng", "pcapng", pcapngOf(little, sample()...), sample()},
		{"pcapng big", "pcapng", pcapngOf(big, sample()...), sample()},
		{"sections", "pcapng", slices.Concat(pcapngOf(big, sample()...), pcapngOf(little, sample()...)), two},
		{"snoop", "snoop", snoopOf(sample()...), sample()},
		{"gzip", "pcap in gzip", gzipped(pcapOf(little, magicMicros, sample()...)), sample()},
		{"gzip members", "pcap in gzip", gzipped(modified[:10], modified[10:90], nil, modified[90:]), sample()},
		{"gzip padded", "pcapng in gzip", append(gzipped(pcapngOf(big, sample()...)), 0, 0, 0, 0, 0), sample()},
		{"gzip joined", "pcap in gzip", slices.Concat(gzipped(pcapOf(little, magicMicros, sample()...)), gzipped(pcapOf(little, magicMicros, sample()...))), two},
		{"zstd", "pcapng in zstd", zstded(pcapngOf(little, sample()...)), sample()},
		{"zstd frames", "pcap in zstd", zstded(modified[:30], modified[30:]), sample()},
		{"zstd skippable", "pcap in zstd", append([]byte("\x5a\x2a\x4d\x18\x03\x00\x00\x00abc"), zstded(modified)...), sample()},
		{"gzip in zstd", "snoop in zstd in gzip", gzipped(zstded(snoopOf(sample()...))), sample()},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, in := range map[string]io.Reader{
				"whole":  bytes.NewReader(test.capture),
				"bytes":  iotest.OneByteReader(bytes.NewReader(test.capture)),
				"halves": iotest.HalfReader(iotest.DataErrReader(bytes.NewReader(test.capture))),
			} {
				r, err := NewReader(in, "test")
				if err != nil {
					t.Fatal(err)
				}
				got, err := drain(r, &packet.Block{})
				if err != io.EOF {
					t.Errorf("%s: ends with %v", name, err)
				}
				if !reflect.DeepEqual(got, test.want) {
					t.Errorf("%s:\n got %v\nwant %v", name, got, test.want)
				}
				if r.Format() != test.format {
					t.Errorf("got format %q, want %q", r.Format(), test.format)
				}
				r.Close()
				if err := r.ReadBlock(&packet.Block{}); err == nil {
					t.Error("a closed reader gives frames")
				}
			}
		})
	}
}

func TestLengths(t *testing.T) {
	// A frame above the default block, and the small ones after it.
	jumbo := packet.Frame{Time: second, Data: bytes.Repeat([]byte("jumbo"), 200_000), Wire: 1_000_000, Link: packet.LinkEthernet}
	want := slices.Concat([]packet.Frame{jumbo}, sample(), []packet.Frame{jumbo}, sample())
	for name, capture := range map[string][]byte{
		"pcapng": pcapngOf(little, want...),
		"snoop":  snoopOf(want...),
		"pcap":   slices.Concat(pcapHead(little, magicMicros, 4, math.MaxUint32, 1), pcapOf(little, magicMicros, want...)[classicHeader:]),
	} {
		got, err := readAll(t, capture)
		if err != io.EOF || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %d frames, then %v; want %d", name, len(got), err, len(want))
		}
	}

	// A snap length of 0 is none, and a wire length below the captured one is that.
	capture := slices.Concat(pcapHead(big, magicMicros, 4, 0, 1),
		pcapOf(big, magicMicros, packet.Frame{Time: second, Data: make([]byte, 70_000)})[classicHeader:])
	got, err := readAll(t, capture)
	if err != io.EOF || len(got) != 1 || got[0].Wire != 70_000 {
		t.Errorf("got %d frames, then %v", len(got), err)
	}

	// The upper half of the link type field is about check sequences.
	got, _ = readAll(t, slices.Concat(pcapHead(little, magicMicros, 4, 0, 0x24000001), pcapOf(little, magicMicros, sample()...)[classicHeader:]))
	if !reflect.DeepEqual(got, sample()) {
		t.Errorf("got %v", got)
	}
}

func TestInterfaces(t *testing.T) {
	for _, o := range []order{little, big} {
		g := (&ngFile{order: o}).section()
		g.iface(packet.LinkEthernet, 4)
		g.iface(packet.LinkRaw, 0, g.option(optResolution, []byte{0x80 | 10}), g.option(optOffset, o.AppendUint64(nil, 1000)))
		g.iface(packet.LinkSLL, 0, g.option(optResolution, []byte{9}), g.option(optOffset, o.AppendUint64(nil, math.MaxUint64)))
		g.simple(9, []byte("no time"))
		g.enhanced(0, uint64(second/1000), 10, []byte("a"))
		g.simple(9, []byte("datadata"))
		g.simple(3, []byte("abc"))
		g.enhanced(1, 5<<10+512, 1, []byte("b"))
		g.enhanced(2, 3_000_000_001, 1, []byte("c"))
		g.obsolete(0, uint64(second/1000)+1, 4, []byte("old"))
		g.block(10, []byte("secret keys"))
		g.section() // forgets the interfaces
		g.iface(packet.LinkRaw, 0)
		g.enhanced(0, 7, 1, []byte("d"))
		want := []packet.Frame{
			{Time: 0, Data: []byte("no t"), Wire: 9, Link: packet.LinkEthernet},
			{Time: second, Data: []byte("a"), Wire: 10, Link: packet.LinkEthernet},
			{Time: second, Data: []byte("data"), Wire: 9, Link: packet.LinkEthernet},
			{Time: second, Data: []byte("abc"), Wire: 3, Link: packet.LinkEthernet},
			{Time: 1005_500_000_000, Data: []byte("b"), Wire: 1, Link: packet.LinkRaw},
			{Time: 2_000_000_001, Data: []byte("c"), Wire: 1, Link: packet.LinkSLL},
			{Time: second + 1000, Data: []byte("old"), Wire: 4, Link: packet.LinkEthernet},
			{Time: 7000, Data: []byte("d"), Wire: 1, Link: packet.LinkRaw},
		}
		got, err := readAll(t, g.b)
		if err != io.EOF || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: then %v\n got %v\nwant %v", o, err, got, want)
		}
	}
}

func TestClock(t *testing.T) {
	for _, test := range []struct {
		resolution uint8
		offset     int64
		units      uint64
		want       int64
	}{
		{6, 0, 1_700_000_000_123_456, 1_700_000_000_123_456_000},
		{9, 0, uint64(second), second},
		{0, 0, 1_700_000_000, second},
		{3, 0, 1_700_000_000_000, second},
		{12, 0, 1_700_000_000_123_456_789, 1_700_000_000_123_456},
		{28, 0, math.MaxUint64, 1},
		{29, 0, math.MaxUint64, 0},
		{0x7f, 0, math.MaxUint64, 0},
		{0x80, 0, 1_700_000_000, second},
		{0x80 | 32, 0, 1_700_000_000<<32 | 1<<31, second + 500_000_000},
		{0x80 | 63, 0, math.MaxUint64, 1_999_999_999},
		{0x80 | 64, 0, math.MaxUint64, 999_999_999},
		{0x80 | 94, 0, math.MaxUint64, 0},
		{0xff, 0, math.MaxUint64, 0},
		{0, 0, math.MaxUint64, math.MaxInt64},
		{6, 0, math.MaxUint64, math.MaxInt64},
		{6, math.MaxInt64, math.MaxUint64, math.MaxInt64},
		{6, math.MinInt64, 0, -9_223_372_036_000_000_000},
		{6, -1, 1_000_001, 1000},
	} {
		c := microseconds
		c.resolution(test.resolution)
		c.offset = secondsToNanos(test.offset)
		if got := c.nanos(test.units); got != test.want {
			t.Errorf("resolution %#x, offset %d: %d units are %d, want %d", test.resolution, test.offset, test.units, got, test.want)
		}
	}
}

func TestNames(t *testing.T) {
	g := (&ngFile{order: big}).section()
	records := slices.Concat(
		g.option(nameIPv4, []byte("\xc0\x00\x02\x01www.example\x00alias.example\x00")),
		g.option(77, []byte("unknown")),
		g.option(nameIPv6, []byte("\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01six.example\x00")),
		g.option(nameIPv4, []byte("\xc0\x00\x02\x01www.example\x00")),
		g.option(nameIPv4, append([]byte("\xc0\x00\x02\x02"), bytes.Repeat([]byte("long"), 64)...)),
		g.option(optEnd, nil),
		g.option(nameIPv4, []byte("\xc0\x00\x02\x03after.the.end\x00")),
	)
	g.block(blockNames, records)
	g.block(blockNames, []byte{0, 1, 0, 200, 1, 2, 3, 4}) // longer than it is
	g.iface(packet.LinkEthernet, 0).enhanced(0, 0, 1, []byte("a"))
	r, err := NewReader(bytes.NewReader(g.b), "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := drain(r, &packet.Block{}); err != io.EOF {
		t.Fatal(err)
	}
	want := []Name{
		{packet.Addr4([]byte{192, 0, 2, 1}), "www.example"},
		{packet.Addr4([]byte{192, 0, 2, 1}), "alias.example"},
		{packet.Addr{0x20, 1, 0x0d, 0xb8, 15: 1}, "six.example"},
	}
	if got := r.Names(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}

	var s nameSet
	for i := range 2 * MaxNames {
		s.add(Name{Addr: packet.Addr4(big.AppendUint32(nil, uint32(i))), Host: "h"})
	}
	if len(s.list) != MaxNames {
		t.Errorf("%d names are kept", len(s.list))
	}
}

// TestPipe checks that packets are there as soon as they were written.
func TestPipe(t *testing.T) {
	plain := func(w io.Writer) (io.Writer, func() error) { return w, func() error { return nil } }
	zip := func(w io.Writer) (io.Writer, func() error) { z := gzip.NewWriter(w); return z, z.Flush }
	zst := func(w io.Writer) (io.Writer, func() error) {
		z, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		return z, z.Flush
	}
	for name, pack := range map[string]func(io.Writer) (io.Writer, func() error){"plain": plain, "gzip": zip, "zstd": zst} {
		t.Run(name, func(t *testing.T) {
			pr, pw, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer pr.Close()
			w, flush := pack(pw)
			write := func(b []byte) {
				if _, err := w.Write(b); err != nil {
					t.Fatal(err)
				}
				if err := flush(); err != nil {
					t.Fatal(err)
				}
			}
			frames := sample()
			write(pcapOf(little, magicMicros, frames[0]))
			r, err := NewReader(pr, "pipe")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			var b packet.Block
			for i := range frames {
				if err := r.ReadBlock(&b); err != nil || len(b.Frames) != 1 || !bytes.Equal(b.Frames[0].Data, frames[i].Data) {
					t.Fatalf("frame %d: got %v, %v", i, b.Frames, err)
				}
				if i+1 < len(frames) {
					write(pcapOf(little, magicMicros, frames[i+1])[classicHeader:])
				}
			}
			if c, ok := w.(io.Closer); ok && w != io.Writer(pw) {
				c.Close()
			}
			pw.Close()
			if err := r.ReadBlock(&b); err != io.EOF {
				t.Errorf("ends with %v", err)
			}
			if read, total := r.Progress(); read == 0 || total != 0 {
				t.Errorf("got progress %d of %d", read, total)
			}
		})
	}
}

// TestBlocks checks that blocks of a file are full, and that the frames of one
// stay while the next is read.
func TestBlocks(t *testing.T) {
	frames := many(4000)
	path := store(t, "many.pcap", pcapOf(little, magicMicros, frames...))
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var blocks [2]packet.Block
	var kept []packet.Frame
	got := 0
	for i := 0; ; i++ {
		b := &blocks[i%2]
		err := r.ReadBlock(b)
		for _, f := range kept {
			if !bytes.Equal(f.Data, frames[got-len(kept)].Data) {
				t.Fatal("a frame changed")
			}
			kept = kept[1:]
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if last := got+len(b.Frames) == len(frames); len(b.Buf) != blockSize || !last && len(b.Frames) < 300 {
			t.Errorf("block %d has %d frames in %d bytes", i, len(b.Frames), len(b.Buf))
		}
		got += len(b.Frames)
		kept = b.Frames
	}
	if got != len(frames) {
		t.Errorf("got %d frames, want %d", got, len(frames))
	}
	if read, total := r.Progress(); read != total || total == 0 {
		t.Errorf("got progress %d of %d", read, total)
	}
}

// many returns n frames of common sizes, a millisecond apart.
func many(n int) []packet.Frame {
	frames := make([]packet.Frame, n)
	for i := range frames {
		data := make([]byte, 54+i*37%1400)
		big.PutUint32(data, uint32(i))
		frames[i] = packet.Frame{Time: second + int64(i)*1_000_000, Data: data, Wire: uint32(len(data)), Link: packet.LinkEthernet}
	}
	return frames
}

func store(tb testing.TB, name string, b []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

func TestAllocs(t *testing.T) {
	frames := many(6000)
	for name, capture := range map[string][]byte{
		"pcap":   pcapOf(little, magicMicros, frames...),
		"pcapng": pcapngOf(little, frames...),
		"snoop":  snoopOf(frames...),
		"gzip":   gzipped(pcapOf(little, magicMicros, frames...)),
		"zstd":   zstded(pcapOf(little, magicMicros, frames...)),
	} {
		r, err := Open(store(t, name, capture))
		if err != nil {
			t.Fatal(err)
		}
		r.room = blockSize / 4 // more blocks of the same capture
		var b packet.Block
		read := func() {
			if err := r.ReadBlock(&b); err != nil {
				t.Fatal(err)
			}
		}
		for range 40 { // the tables of gzip grow for a while
			read()
		}
		if n := testing.AllocsPerRun(15, read); n != 0 {
			t.Errorf("%s: %v allocations per block", name, n)
		}
		r.Close()
	}
}

// FuzzReader checks that any input ends, and in the same way however it comes.
func FuzzReader(f *testing.F) {
	for _, b := range seeds() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		read := func(in io.Reader, fill bool) (frames []packet.Frame, message string) {
			r, err := NewReader(in, "test")
			if err != nil {
				return nil, "no capture" // how far it was looked at may differ
			}
			defer r.Close()
			r.fill = fill
			var b packet.Block
			frames, err = drain(r, &b)
			if cap(b.Buf) > maxBlock+blockSize {
				t.Errorf("a block of %d bytes", cap(b.Buf))
			}
			var e *Error
			if err != io.EOF && !errors.As(err, &e) {
				t.Errorf("got the error %#v", err)
			}
			if e != nil && e.Frames != uint64(len(frames)) {
				t.Errorf("got %d frames and the error %v", len(frames), e)
			}
			if again := r.ReadBlock(&b); again != err {
				t.Errorf("got %v after %v", again, err)
			}
			return frames, err.Error()
		}
		want, wantEnd := read(bytes.NewReader(input), true)
		for _, in := range []io.Reader{bytes.NewReader(input), iotest.OneByteReader(bytes.NewReader(input)), iotest.DataErrReader(bytes.NewReader(input))} {
			got, end := read(in, false)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("got %d frames, then %s; want %d, then %s", len(got), end, len(want), wantEnd)
			}
			if end != wantEnd {
				t.Errorf("got the end %s, want %s", end, wantEnd)
			}
		}
		for _, f := range want {
			if f.Wire < uint32(len(f.Data)) {
				t.Errorf("%d bytes on the wire and %d in the capture", f.Wire, len(f.Data))
			}
		}
	})
}

// seeds returns a small capture in each format.
func seeds() [][]byte {
	s := sample()
	return [][]byte{
		pcapOf(little, magicMicros, s...), pcapOf(big, magicNanos, s...), pcapOf(little, magicModified, s...),
		slices.Concat(pcapOf(little, magicMicros, s[0]), pcapOf(big, magicMicros, s[1])),
		pcapngOf(little, s...), pcapngOf(big, s...), snoopOf(s...), gzipped(pcapOf(little, magicMicros, s...)),
		zstded(pcapOf(little, magicMicros, s...)), gzipped(s[3].Data, s[3].Data), []byte("{}"), {},
	}
}

func BenchmarkReadBlock(b *testing.B) {
	frames := many(100_000)
	plain := pcapOf(little, magicMicros, frames...)
	for _, c := range []struct {
		name string
		data []byte
	}{{"pcap", plain}, {"pcapng", pcapngOf(little, frames...)}, {"snoop", snoopOf(frames...)}, {"gzip", gzipped(plain)}, {"zstd", zstded(plain)}} {
		b.Run(c.name, func(b *testing.B) {
			path := store(b, c.name, c.data)
			var block packet.Block
			b.ReportAllocs()
			b.SetBytes(int64(len(plain)))
			for b.Loop() {
				r, err := Open(path)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for r.ReadBlock(&block) == nil {
					n += len(block.Frames)
				}
				if r.Close(); n != len(frames) {
					b.Fatal(n, "frames")
				}
			}
			b.ReportMetric(float64(len(frames)*b.N)/b.Elapsed().Seconds()/1e6, "Mpkt/s")
		})
	}
}

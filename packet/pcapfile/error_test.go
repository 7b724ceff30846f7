package pcapfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"tyto/packet"
)

// TestErrors compares what is said about broken input, and how many frames come
// before that, with testdata/errors.golden. UPDATE=1 writes it.
func TestErrors(t *testing.T) {
	le := pcapOf(little, magicMicros, sample()...)
	ng := func() *ngFile { return (&ngFile{order: little}).section().iface(packet.LinkEthernet, 0) }
	patch := func(b []byte, at int, v uint32) []byte {
		b = slices.Clone(b)
		little.PutUint32(b[at:], v)
		return b
	}
	zip, zst := gzipped(le), zstded(pcapOf(little, magicMicros, many(2000)...))
	tar := make([]byte, 512)
	copy(tar[257:], "ustar")
	second := classicHeader + recordHeader + 3 // the second record of le
	var out strings.Builder
	for _, test := range []struct {
		name  string
		input []byte
	}{
		{"empty", nil},
		{"three bytes", []byte("abc")},
		{"pcap header cut", le[:20]},
		{"pcap version", patch(le, 4, 7)},
		{"pcap cut in a record header", le[:second+5]},
		{"pcap cut in a frame", le[:second+recordHeader+2]},
		{"pcap length", patch(le, second+8, 1<<30)},
		{"pcap length above the snap length", patch(le, second+8, 100_000)},
		{"pcap zeros", slices.Concat(le, make([]byte, 4096))},
		{"pcap joined, cut", slices.Concat(le, le[:20])},
		{"pcapng header cut", []byte("\x0a\x0d\x0d\x0a\x1c\x00")},
		{"pcapng section cut", ng().b[:20]},
		{"pcapng byte order", patch(ng().b, 8, 0x01020304)},
		{"pcapng as text", bytes.ReplaceAll(ng().b, []byte("\r\n"), []byte("\n"))},
		{"pcapng version", patch(ng().b, 12, 2)},
		{"pcapng cut", ng().enhanced(0, 0, 3, []byte("one")).enhanced(0, 0, 3, []byte("two")).b[:48+36+10]},
		{"pcapng no interface", (&ngFile{order: big}).section().enhanced(0, 0, 3, []byte("one")).b},
		{"pcapng simple packet without interface", (&ngFile{order: big}).section().simple(3, []byte("one")).b},
		{"pcapng unknown interface", ng().enhanced(0, 0, 3, []byte("one")).enhanced(1, 0, 3, []byte("two")).b},
		{"pcapng frame length", patch(ng().enhanced(0, 0, 3, []byte("one")).b, 48+20, 200)},
		{"pcapng block length", patch(ng().enhanced(0, 0, 3, []byte("one")).b, 48+4, 35)},
		{"pcapng large block length", patch(ng().enhanced(0, 0, 3, []byte("one")).b, 48+4, 1<<31)},
		{"pcapng end length", patch(ng().enhanced(0, 0, 3, []byte("one")).b, 48+32, 40)},
		{"pcapng zeros", append(ng().enhanced(0, 0, 3, []byte("one")).b, make([]byte, 64)...)},
		{"pcapng unknown block cut", patch(ng().block(0x0bad, make([]byte, 8)).b, 48+4, math.MaxUint32-3)},
		{"snoop header cut", snoopOf()[:10]},
		{"snoop version", append([]byte(snoopMagic), 0, 0, 0, 3, 0, 0, 0, 4)},
		{"snoop record", append(snoopOf(sample()[0]), bytes.Repeat([]byte{0, 0, 0, 9}, 6)...)},
		{"snoop zeros", append(snoopOf(sample()[0]), make([]byte, 64)...)},
		{"gzip header cut", zip[:5]},
		{"gzip nothing", gzipped(nil)},
		{"gzip cut", zip[:len(zip)-20]},
		{"gzip cut in the checksum", zip[:len(zip)-2]},
		{"gzip checksum", patch(zip, len(zip)-8, 0)},
		{"gzip and other bytes", slices.Concat(zip, []byte("other bytes"))},
		{"gzip and a cut member", slices.Concat(zip, zip[:7])},
		{"gzip header", []byte("\x1f\x8b\x77\x00 this is not what it seems to be")},
		{"gzip of a text", gzipped([]byte("hello"))},
		{"zstd cut", zst[:len(zst)/2]},
		{"zstd damaged", patch(zst, len(zst)/2, 0)},
		{"zstd header", []byte("\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")},
		{"zstd window", []byte("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00 and more bytes for a header")},
		{"too deep", gzipped(zstded(gzipped(le)))},
		{"json", []byte("  {\"ts\": 1}")},
		{"text", []byte("12:00:00.1 IP 192.0.2.1.5 > 192.0.2.2.6: Flags [S]\nmore\n")},
		{"utf-16", []byte("\xff\xfeh\x00e\x00l\x00l\x00o\x00")},
		{"zeros", make([]byte, 100)},
		{"program", []byte("\x7fELF\x02\x01\x01\x00")},
		{"xz", []byte("\xfd7zXZ\x00\x00")},
		{"tar", tar},
		{"network monitor", []byte("GMBU\x00\x02\x01\x00")},
	} {
		for i, in := range []io.Reader{bytes.NewReader(test.input), iotest.OneByteReader(bytes.NewReader(test.input))} {
			r, err := NewReader(in, "x.pcap")
			var frames []packet.Frame
			if err == nil {
				frames, err = drain(r, &packet.Block{})
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Errorf("%s: got %v", test.name, err)
				continue
			}
			if i > 0 {
				continue // only that it ends
			}
			note := ""
			if e.Truncated {
				note = ", truncated"
			}
			fmt.Fprintf(&out, "%s (%d frames%s)\n\t%v\n", test.name, len(frames), note, err)
		}
	}
	const golden = "testdata/errors.golden"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(filepath.Join(dir, "absent.pcap"))
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "check the path") {
		t.Errorf("absent: %v", err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("directory: %v", err)
	}
	if _, err := Open(store(t, "empty.pcap", nil)); err == nil || !strings.Contains(err.Error(), "empty (0 bytes)") {
		t.Errorf("empty: %v", err)
	}

	broken := errors.New("the disk is gone")
	_, err = NewReader(iotest.ErrReader(broken), "x")
	if !errors.Is(err, broken) {
		t.Errorf("at once: %v", err)
	}
	capture := pcapOf(little, magicMicros, sample()...)
	r, err := NewReader(io.MultiReader(bytes.NewReader(capture[:60]), iotest.ErrReader(broken)), "x")
	if err != nil {
		t.Fatal(err)
	}
	if frames, err := drain(r, &packet.Block{}); !errors.Is(err, broken) || len(frames) != 1 {
		t.Errorf("later: got %d frames, then %v", len(frames), err)
	}
	r, err = NewReader(io.MultiReader(bytes.NewReader(gzipped(capture)[:60]), iotest.ErrReader(broken)), "x")
	if err == nil {
		_, err = drain(r, &packet.Block{})
	}
	if !errors.Is(err, broken) || strings.Contains(err.Error(), "damaged") {
		t.Errorf("later in gzip: %v", err)
	}
	r, err = NewReader(io.MultiReader(bytes.NewReader(capture[:60]), silent{}), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := drain(r, &packet.Block{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("silent: %v", err)
	}
}

// silent returns nothing and no error, as io.Reader discourages.
type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

package pcapfile

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"testing"

	"tyto/packet"
)

func TestWriter(t *testing.T) {
	for _, nanos := range []bool{false, true} {
		want := many(1000)
		for i := range want {
			want[i].Link = packet.LinkRaw
			want[i].Wire += 7
			if nanos {
				want[i].Time += int64(i)
			}
		}
		var b bytes.Buffer
		w := NewWriter(&b, packet.LinkRaw, nanos)
		for i := range want {
			if err := w.Write(&want[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(t, b.Bytes())
		if err != io.EOF || !reflect.DeepEqual(got, want) {
			t.Errorf("nanos %v: got %d frames, then %v", nanos, len(got), err)
		}
	}
}

func TestWriterLimits(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, packet.LinkEthernet, true)
	for _, f := range []packet.Frame{
		{Time: -5, Data: make([]byte, standardSnap+1), Wire: standardSnap + 1, Link: packet.LinkEthernet},
		{Time: math.MaxInt64, Data: []byte("abc"), Wire: 1, Link: packet.LinkEthernet},
	} {
		if err := w.Write(&f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Write(&packet.Frame{Link: packet.LinkRaw}); err == nil {
		t.Error("another link type is written")
	}
	w.Flush()
	got, err := readAll(t, b.Bytes())
	want := []packet.Frame{
		{Time: 0, Data: make([]byte, standardSnap), Wire: standardSnap + 1, Link: packet.LinkEthernet},
		{Time: 4294967295_999_999_999, Data: []byte("abc"), Wire: 3, Link: packet.LinkEthernet},
	}
	if err != io.EOF || !reflect.DeepEqual(got, want) {
		t.Errorf("then %v\n got %v\nwant %v", err, got[1:], want[1:])
	}
}

func TestWriterError(t *testing.T) {
	full := errors.New("disk full")
	w := NewWriter(failing{full}, packet.LinkEthernet, false)
	var err error
	for f := range 10 {
		if err = w.Write(&packet.Frame{Time: int64(f), Data: make([]byte, 100_000), Link: packet.LinkEthernet}); err != nil {
			break
		}
	}
	if !errors.Is(err, full) || !errors.Is(w.Flush(), full) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// FuzzWriter checks that what is written is read as it was.
func FuzzWriter(f *testing.F) {
	f.Add(second, uint32(60), []byte("frame"), true, uint16(1))
	f.Add(int64(0), uint32(0), []byte{}, false, uint16(101))
	f.Fuzz(func(t *testing.T, time int64, wire uint32, data []byte, nanos bool, link uint16) {
		want := packet.Frame{Time: time, Data: data, Wire: wire, Link: packet.LinkType(link)}
		var b bytes.Buffer
		w := NewWriter(&b, want.Link, nanos)
		for range 2 {
			if err := w.Write(&want); err != nil {
				t.Fatal(err)
			}
		}
		w.Flush()
		got, err := readAll(t, b.Bytes())
		want.Time = min(max(want.Time, 0), 4294967295_999_999_999)
		if !nanos {
			want.Time -= want.Time % 1000
		}
		want.Wire = max(want.Wire, uint32(len(data)))
		if len(data) == 0 && want.Wire == 0 && want.Time == 0 {
			return // indistinguishable from a file filled with zeros
		}
		if err != io.EOF || len(got) != 2 || !reflect.DeepEqual(got[0], want) || !reflect.DeepEqual(got[1], want) {
			t.Errorf("then %v\n got %v\nwant %v twice", err, got, want)
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	frames := many(100_000)
	var bytes int64
	for _, f := range frames {
		bytes += int64(len(f.Data))
	}
	b.ReportAllocs()
	b.SetBytes(bytes)
	for b.Loop() {
		w := NewWriter(io.Discard, packet.LinkEthernet, true)
		for i := range frames {
			w.Write(&frames[i])
		}
		w.Flush()
	}
}

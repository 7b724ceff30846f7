package corpus

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tyto/lab/label"
	"tyto/packet"
	"tyto/packet/pcapfile"
	"tyto/protocol/all"
	"tyto/session"
)

const start = int64(1_700_000_000_000_000_000)

// TestGather wants bulk gathered, and everything else as it was.
func TestGather(t *testing.T) {
	var in []session.Entry
	now := start
	add := func(gap int64, e session.Entry) {
		now += gap
		e.Time = now
		e.Packets = max(e.Packets, 1)
		in = append(in, e)
	}
	add(0, session.Entry{Bytes: 300})
	for range 40 {
		add(1e5, session.Entry{Dir: session.Resp, Bytes: 1448})
	}
	add(1e5, session.Entry{Dir: session.Resp, Message: true, Kind: 23, Bytes: 16413})
	add(1e5, session.Entry{Dir: session.Resp, Bytes: 1448})
	add(1e5, session.Entry{Dir: session.Resp, Bytes: 1448, Kind: session.Repeat})
	for range 5 {
		add(1e5, session.Entry{Dir: session.Resp, Bytes: 1448})
	}
	add(6e6, session.Entry{Dir: session.Resp, Bytes: 1448})
	add(1e5, session.Entry{Dir: session.Resp, Bytes: 20})
	got, dropped := Gather(in)
	var sizes []uint32
	var before, after, bytesBefore, bytesAfter uint32
	for _, e := range in {
		before, bytesBefore = before+e.Packets, bytesBefore+e.Bytes
	}
	for _, e := range got {
		sizes = append(sizes, e.Packets)
		after, bytesAfter = after+e.Packets, bytesAfter+e.Bytes
	}
	want := []uint32{1, 1, 1, 1, 32, 6, 1, 1, 1, 1, 1, 2, 1, 1}
	if !reflect.DeepEqual(sizes, want) {
		t.Errorf("packets of entries: got %v, want %v", sizes, want)
	}
	if before != after || bytesBefore != bytesAfter || dropped != 0 {
		t.Errorf("%d packets of %d bytes became %d of %d, %d dropped", before, bytesBefore, after, bytesAfter, dropped)
	}
	long := slices.Repeat([]session.Entry{{Bytes: 5, Packets: 1}}, MaxEntries+5)
	if got, dropped := Gather(long); len(got) != MaxEntries || dropped != 5 {
		t.Errorf("%d entries: %d kept, %d dropped", len(long), len(got), dropped)
	}
}

// randomRuns are runs with sessions of all shapes.
func randomRuns(seed uint64) (runs []*Run) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for range rng.IntN(4) {
		r := &Run{Truth: label.Run{Format: label.FormatVersion, Name: "run", Scenario: "ssh-shell", Labels: []label.Label{label.Shell}}}
		for range rng.IntN(5) {
			s := Session{
				Flow: label.Flow{Proto: "tcp", Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), SrcPort: 40000, DstPort: 22, T0: label.Time(start), T1: label.Time(start + 1e9),
					Labels: []label.Label{label.Shell}, Segments: []label.Segment{{T0: label.Time(start), T1: label.Time(start + 5), State: label.StateKeystrokes, Detail: "ls"}}, Keys: []label.Time{label.Time(start + 1)}},
				Reversed: rng.IntN(2) == 0, App: "ssh", Dropped: rng.IntN(3),
			}
			if n := rng.IntN(FirstBytes + 1); n > 0 {
				s.First[rng.IntN(2)] = bytes.Repeat([]byte{byte(n)}, n)
			}
			now := start
			s.Entries = []session.Entry{}
			for range rng.IntN(50) {
				now += rng.Int64N(1e6) * microsecond
				s.Entries = append(s.Entries, session.Entry{Time: now, Dir: session.Direction(rng.IntN(2)), Message: rng.IntN(2) == 0, Kind: uint8(rng.IntN(32)), Bytes: rng.Uint32(), Packets: 1 + rng.Uint32N(3)})
			}
			r.Sessions = append(r.Sessions, s)
		}
		runs = append(runs, r)
	}
	return runs
}

// TestShard wants back what was written.
func TestShard(t *testing.T) {
	for seed := range uint64(50) {
		want := randomRuns(seed)
		var b bytes.Buffer
		if err := WriteShard(&b, want); err != nil {
			t.Fatal(err)
		}
		got, err := ReadShard(&b)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("seed %d: %d runs, want %d", seed, len(got), len(want))
		}
		for i := range want {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("seed %d, run %d: got\n%+v\nwant\n%+v", seed, i, got[i], want[i])
			}
		}
	}
}

func FuzzReadShard(f *testing.F) {
	for seed := range uint64(3) {
		var b bytes.Buffer
		if err := WriteShard(&b, randomRuns(seed)); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		runs, err := ReadShard(bytes.NewReader(data))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := WriteShard(&b, runs); err != nil {
			t.Skip() // truth that cannot be told, such as a time before the epoch
		}
		if _, err := ReadShard(&b); err != nil {
			t.Errorf("what was read cannot be read again: %v", err)
		}
	})
}

// capture writes a session of an exchange, and its truth.
func capture(t *testing.T, name string) (*label.Run, string) {
	path := filepath.Join(t.TempDir(), name+".pcap")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := pcapfile.NewWriter(f, packet.LinkRaw, true)
	for i, payload := range []string{"hello", "world"} {
		frame := udp(i == 1, payload)
		if err := w.Write(&packet.Frame{Time: start + int64(i)*1e9, Data: frame, Link: packet.LinkRaw, Wire: uint32(len(frame))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	client, server := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	return &label.Run{Format: label.FormatVersion, Name: name, Scenario: "x", Variant: "y", T0: label.Time(start), T1: label.Time(start + 1e9),
		Flows: []label.Flow{{Proto: "udp", Src: client, Dst: server, SrcPort: 5000, DstPort: 7, T0: label.Time(start), T1: label.Time(start + 1e9), Process: &label.Process{Host: "client"},
			Segments: []label.Segment{{T0: label.Time(start - 5), T1: label.Time(start + 1e8), State: label.StateExchange}}}}}, path
}

// udp is an IPv4 packet from the client, or back.
func udp(back bool, payload string) []byte {
	b := []byte{0x45, 0, 0, byte(28 + len(payload)), 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x13, 0x88, 0, 7, 0, byte(8 + len(payload)), 0, 0}
	if back {
		b[15], b[19] = b[19], b[15]
		copy(b[20:], []byte{0, 7, 0x13, 0x88})
	}
	return append(b, payload...)
}

// TestDir records into a directory, opens it again and finds everything.
func TestDir(t *testing.T) {
	path := t.TempDir()
	d, err := Open(path, all.Set())
	if err != nil {
		t.Fatal(err)
	}
	truth, file := capture(t, "one")
	if err := d.Add(context.Background(), truth, file); err != nil {
		t.Fatal(err)
	}
	if err := d.Add(context.Background(), truth, file); err == nil {
		t.Error("a run was added twice")
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if d, err = Open(path, all.Set()); err != nil {
			t.Fatal(err)
		}
		if !d.Has("one") || d.Has("two") {
			t.Error("the directory does not know what it has")
		}
	}
	n := 0
	for r, err := range Runs(path) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		s := r.Sessions[0]
		if len(r.Sessions) != 1 || len(s.Entries) != 2 || string(s.First[0]) != "hello" || string(s.First[1]) != "world" || s.Flow.Process != nil ||
			len(s.Flow.Segments) != 1 || s.Flow.Segments[0].T0 != label.Time(start) {
			t.Errorf("got %+v", r)
		}
	}
	if n != 1 {
		t.Errorf("%d runs, want 1", n)
	}
	truth.Flows[0].DstPort, truth.Flows[0].Labels = 8, []label.Label{label.Poll}
	truth.Name = "three"
	if err := d.Add(context.Background(), truth, file); err == nil {
		t.Error("a flow without a session was taken")
	}
}

// TestSplits wants every split to hold back some runs and leave others, and
// what is held back to be unseen.
func TestSplits(t *testing.T) {
	var runs []*Run
	n := 0
	for _, scenario := range []string{"ssh-shell", "ssh-keys", "https-download", "scp-download", "https-api-poll", "metrics-push", "ntp-sync", "ping-monitor", "mosh", "sshfs"} {
		for _, variant := range []string{"openssh-openssh", "openssh-dropbear", "dropbear-openssh", "putty-openssh"} {
			for _, group := range networks {
				for _, profile := range group {
					n++
					runs = append(runs, &Run{Truth: label.Run{Name: fmt.Sprint("run", n), Scenario: scenario, Variant: variant, Profile: label.Profile{Name: profile}, Labels: []label.Label{label.Shell}}})
				}
			}
		}
	}
	for _, s := range Splits(runs) {
		seen, held := make(map[string]int), make(map[string]int)
		tests := 0
		for _, r := range runs {
			key := map[byte]string{'0': r.Truth.Name, '1': r.Truth.Profile.Name, '2': r.Truth.Scenario + strings.Split(r.Truth.Variant, "-")[0], '3': r.Truth.Scenario}[s.Name[1]]
			if s.Test(r) {
				tests++
				held[key]++
			} else {
				seen[key]++
			}
		}
		if tests == 0 || tests == len(runs) {
			t.Errorf("%s holds back %d of %d runs", s.Name, tests, len(runs))
		}
		for key := range held {
			if seen[key] > 0 {
				t.Errorf("%s: %s is held back and seen", s.Name, key)
			}
		}
	}
}

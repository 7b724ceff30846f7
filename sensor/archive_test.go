package sensor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"tyto/packet"
	"tyto/packet/pcapfile"
	"tyto/sensor"
	"tyto/session"
)

// told is what the test reads of a session or series record.
type told struct {
	Record  string
	UID     string
	Packets uint64 `json:"orig_pkts"`
	Answers uint64 `json:"resp_pkts"`
	Entries string
}

func records(t *testing.T, lines string) (list []told) {
	t.Helper()
	for line := range strings.Lines(lines) {
		var r told
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		list = append(list, r)
	}
	return list
}

// kept runs a capture and counts the frames of each session, its own and those
// it carried. Frames must come in order, unchanged.
func kept(t *testing.T, data []byte, workers int) (frames map[string]uint64, out string) {
	t.Helper()
	r, err := pcapfile.NewReader(bytes.NewReader(data), "original")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var want packet.Block
	at := 0
	frames = make(map[string]uint64)
	keep := func(f *packet.Frame, own session.UID, carriers []session.UID) error {
		for at == len(want.Frames) {
			if err := r.ReadBlock(&want); err != nil {
				return fmt.Errorf("the original ends: %w", err)
			}
			at = 0
		}
		o := &want.Frames[at]
		at++
		if f.Time != o.Time || f.Wire != o.Wire || f.Link != o.Link || !bytes.Equal(f.Data, o.Data) {
			return fmt.Errorf("frame %d is not the original's", f.Index)
		}
		for _, uid := range append([]session.UID{own}, carriers...) {
			frames[uid.String()]++
		}
		return nil
	}
	out, _, err = run(t, context.Background(), bytes.NewReader(data), sensor.Config{Workers: workers, Keep: keep})
	if err != nil {
		t.Error(err)
	}
	if left := len(want.Frames) - at; left > 0 || r.ReadBlock(&want) != io.EOF {
		t.Errorf("%d frames of the original, or more, were not kept", left)
	}
	return frames, out
}

// TestKeep wants as many frames for each session as its record has packets, and
// the same records as without keeping.
func TestKeep(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.pcap")
	if more := os.Getenv("KEEP_CAPTURES"); more != "" {
		files, _ = filepath.Glob(more)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".pcap"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			plain, _, err := run(t, context.Background(), bytes.NewReader(data), sensor.Config{})
			if err != nil {
				t.Fatal(err)
			}
			for _, workers := range []int{1, 3} {
				frames, out := kept(t, data, workers)
				if out != plain {
					t.Errorf("%d workers: keeping changes the records", workers)
				}
				for _, r := range records(t, out) {
					if r.Record == "session" && frames[r.UID] != r.Packets+r.Answers {
						t.Errorf("%d workers: %d frames of session %s with %d and %d packets", workers, frames[r.UID], r.UID, r.Packets, r.Answers)
					}
				}
			}
		})
	}
}

// TestSeries wants the series of every session that has three entries or more
// to be what the session had when it ended, and no records but series.
func TestSeries(t *testing.T) {
	data, err := os.ReadFile("testdata/ssh-shell.pcap")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	want := make(map[string][]session.Entry)
	first := make(map[string]int64)
	var out bytes.Buffer
	c := sensor.Config{Workers: 2, Series: &out, Ended: func(s *session.Session, p *session.Pool) {
		mu.Lock()
		defer mu.Unlock()
		first[s.UID.String()] = s.First
		var list []session.Entry
		for e := range s.Series.All(p) {
			list = append(list, e)
		}
		if len(list) > 2 {
			want[s.UID.String()] = list
		}
	}}
	if _, _, err := run(t, context.Background(), bytes.NewReader(data), c); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if _, _, err := run(t, context.Background(), bytes.NewReader(data), sensor.Config{Workers: 5, Series: &again}); err != nil || again.String() != out.String() {
		t.Errorf("5 workers write other series than 2 (%v)", err)
	}
	got := records(t, out.String())
	if len(got) != len(want) || len(got) == 0 {
		t.Errorf("%d series records, want %d", len(got), len(want))
	}
	for _, r := range got {
		list, err := sensor.ParseSeries(first[r.UID], r.Entries)
		if err != nil || r.Record != "series" || !reflect.DeepEqual(list, want[r.UID]) {
			t.Errorf("%s of %s: %d entries, want %d (%v)", r.Record, r.UID, len(list), len(want[r.UID]), err)
		}
	}
}

func FuzzSeries(f *testing.F) {
	f.Add("AAAA", int64(0))
	f.Add("gICAgICAgICAgAE", int64(1))
	f.Fuzz(func(t *testing.T, text string, start int64) {
		list, err := sensor.ParseSeries(start, text)
		if len(list) > len(text) {
			t.Fatalf("%d entries from %d characters (%v)", len(list), len(text), err)
		}
	})
}

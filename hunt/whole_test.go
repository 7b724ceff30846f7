package hunt_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"tyto/hunt"
	"tyto/packet/pcapfile"
	"tyto/protocol/all"
	"tyto/sensor"
)

// demo is the capture that is inside the program.
const demo = "../cmd/tyto/demo/office.pcap.gz"

// TestEverythingIsStored analyses a capture, stores what --json writes, and asks
// for every kind of record: what comes back as JSON is what was written.
func TestEverythingIsStored(t *testing.T) {
	src, err := pcapfile.Open(demo)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var written bytes.Buffer
	res, err := sensor.Run(context.Background(), src, sensor.Config{Set: all.Set(sensor.TunnelDefinitions()...), JSON: &written}, nil)
	if err != nil {
		t.Fatal(err)
	}
	written.Write(res.Stats.AppendStats(nil))
	want := make(map[string][]string)
	for line := range strings.Lines(written.String()) {
		kind, rest, ok := strings.Cut(strings.TrimPrefix(line, `{"record":"`), `",`)
		if !ok {
			t.Fatalf("no record: %s", line)
		}
		want[kind] = append(want[kind], "{"+rest)
	}
	ks := kinds(t)
	s := open(t, ks, written.String())
	if len(want) < 10 {
		t.Errorf("only %d kinds of records", len(want))
	}
	for _, kind := range slices.Sorted(maps.Keys(want)) {
		q, err := hunt.Parse(kind)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		w := hunt.NewWriter(&out, hunt.JSON)
		if err := hunt.Run(context.Background(), s, ks, q, now, w.Write); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got := slices.Collect(strings.Lines(out.String()))
		if !slices.Equal(got, want[kind]) { // in the order they were written
			for i := range max(len(got), len(want[kind])) {
				if i >= len(got) || i >= len(want[kind]) || got[i] != want[kind][i] {
					t.Errorf("%s: %d records came back of %d; the first that differs is %d:\n got %s\nwant %s", kind, len(got), len(want[kind]), i, at(got, i), at(want[kind], i))
					break
				}
			}
		}
	}
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "(none)"
}

package label

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

const testFile = "testdata/ssh-shell.json"

// sample is the run in testFile.
func sample() *Run {
	const t0 = Time(1732444931_123456789)
	client, server := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.1.2")
	return &Run{
		Format: FormatVersion, Name: "ssh-shell-000001", Scenario: "ssh-shell", Variant: "openssh",
		Params: map[string]string{"chaff": "off", "cipher": "aes128-gcm@openssh.com"}, Seed: 1<<64 - 1,
		Labels: []Label{Shell}, Techniques: []string{"T1021.004", "T1059.004"}, Twin: "ssh-exec-loop", Sensor: "core",
		Profile:  Profile{Name: "dsl", RTT: 0.031, Jitter: 0.0015, Loss: 0.001, Rate: 16e6, Queue: 1 << 18, MTU: 1492, NAT: true},
		Hosts:    []Host{{Name: "client", Addr: client}, {Name: "server", Addr: server, Role: "server"}},
		Software: []Software{{"client", "ssh", "OpenSSH_9.2p1"}, {"server", "sshd", "OpenSSH_9.2p1"}},
		Typist:   "typist-07", T0: t0, T1: t0 + 5e9, Packets: 181, Bytes: 31415,
		Lateness: Lateness{P50: 0.0000021, P99: 0.0004, Max: 0.0011},
		Flows: []Flow{{
			Proto: "tcp", Src: client, SrcPort: 50000, Dst: server, DstPort: 22, T0: t0, T1: t0 + 5e9, Labels: []Label{Shell},
			Process: &Process{"client", 12, "ssh", "ssh -p 22 user@server 'a && b'"},
			Segments: []Segment{
				{t0, t0 + 300e6, StateHandshake, "publickey"},
				{t0 + 1e9, t0 + 2e9, StateKeystrokes, "ls -l"},
				{t0 + 2e9, t0 + 2e9 + 5e6, StateOutput, ""},
			},
			Keys: []Time{t0 + 1e9, t0 + 1e9 + 100e6, t0 + 2e9},
		}, {
			Proto: "udp", Src: client, SrcPort: 40000, Dst: netip.MustParseAddr("2001:db8::53"), DstPort: 53, T0: t0 + 1, T1: t0 + 2, Labels: []Label{},
		}},
	}
}

// TestWrite compares with a file that a person has read; UPDATE=1 writes it.
func TestWrite(t *testing.T) {
	var b bytes.Buffer
	if err := sample().Write(&b); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE") != "" {
		if err := sample().WriteFile(testFile); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(testFile)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	run, err := ReadFile(testFile)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(run, sample()) {
		t.Errorf("read back as %+v, want %+v", run, sample())
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	run := sample()
	run.Flows = nil
	name := filepath.Join(dir, "a.json")
	if err := run.WriteFile(name); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadFile(name); err != nil || len(got.Flows) != 0 {
		t.Errorf("a run without flows is read back as %v, %v", got, err)
	}
	run.Name = ""
	if err := run.WriteFile(filepath.Join(dir, "b.json")); err == nil {
		t.Error("a run without name is written")
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("%d files are left, want one", len(files))
	}
}

// TestCheck breaks the sample in one way after the other.
func TestCheck(t *testing.T) {
	for want, spoil := range map[string]func(*Run){
		"format 2":           func(r *Run) { r.Format = 2 },
		"name \"a/b\"":       func(r *Run) { r.Name = "a/b" },
		"name \"..\"":        func(r *Run) { r.Name = ".." },
		"variant \"\"":       func(r *Run) { r.Variant = "" },
		"sensor \"middle\"":  func(r *Run) { r.Sensor = "middle" },
		"before it begins":   func(r *Run) { r.T0, r.T1 = r.T1, r.T0 },
		"label 0":            func(r *Run) { r.Labels = []Label{Unknown} },
		"label shell twice":  func(r *Run) { r.Labels = []Label{Shell, Shell} },
		"technique \"T10\"":  func(r *Run) { r.Techniques = []string{"T10"} },
		"out of range":       func(r *Run) { r.Profile.Loss = 1.5 },
		"MTU":                func(r *Run) { r.Profile.MTU = -1 },
		"profile has no":     func(r *Run) { r.Profile.Name = "" },
		"lateness":           func(r *Run) { r.Lateness.P50 = 1 },
		"host \"client\" tw": func(r *Run) { r.Hosts[1].Name = "client" },
		"software \"ssh\"":   func(r *Run) { r.Software[0].Host = "nobody" },
		"its process is on":  func(r *Run) { r.Flows[0].Process.Host = "nobody" },
		"protocol \"TCP\"":   func(r *Run) { r.Flows[0].Proto = "TCP" },
		"protocol \"ip-01\"": func(r *Run) { r.Flows[0].Proto = "ip-01" },
		"address":            func(r *Run) { r.Flows[0].Src = netip.Addr{} },
		"flow 1: times":      func(r *Run) { r.Flows[0], r.Flows[1] = r.Flows[1], r.Flows[0] },
		"flow 0: times":      func(r *Run) { r.Flows[0].T1 = r.T1 + 1 },
		"segment 1: times":   func(r *Run) { r.Flows[0].Segments[1].T0 = r.T0 - 1 },
		"segment 2: times":   func(r *Run) { r.Flows[0].Segments[2].T1 = r.T1 + 1 },
		"state 99":           func(r *Run) { r.Flows[0].Segments[0].State = 99 },
		"detail has":         func(r *Run) { r.Flows[0].Segments[0].Detail = strings.Repeat("x", MaxText+1) },
		"not UTF-8":          func(r *Run) { r.Notes = []string{"\xff"} },
		"key 1":              func(r *Run) { r.Flows[0].Keys[1] = r.T0 },
		"keys of flow 0":     func(r *Run) { r.Flows[0].Keys = make([]Time, MaxKeys+1) },
		"-1 packets":         func(r *Run) { r.Packets = -1 },
	} {
		run := sample()
		spoil(run)
		if err := run.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// TestReadStrict wants errors for what a truth file must not hold.
func TestReadStrict(t *testing.T) {
	good, err := os.ReadFile(testFile)
	if err != nil {
		t.Fatal(err)
	}
	for want, edit := range map[string][2]string{
		"unknown field":         {`"seed"`, `"sede"`},
		"no label is called":    {`"shell"`, `"shel"`},
		"no state is called":    {`"keystrokes"`, `"keys"`},
		"more than nine":        {`1732444931.123456789`, `1732444931.1234567891`},
		"since the epoch":       {`1732444931.123456789`, `1.7e9`},
		"more after the end":    {"\n}\n", "\n}\n{}"},
		"not as it must be":     {`"tcp"`, `6`},
		"seconds since":         {`1732444931.123456789`, `99999999999.0`},
		"ParseAddr":             {`10.0.0.2`, `10.0.0`},
		"cannot unmarshal numb": {`"seed": 18446744073709551615`, `"seed": -1`},
	} {
		text := strings.Replace(string(good), edit[0], edit[1], 1)
		if text == string(good) {
			t.Errorf("the file has no %q", edit[0])
		}
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s for %s: got %v, want an error with %q", edit[1], edit[0], err, want)
		}
	}
	for _, text := range []string{strings.Repeat(" ", MaxFile+1), "[" + strings.Repeat(",", maxCommas+1)} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "more than") {
			t.Errorf("%.10q and so on: %v", text, err)
		}
	}
}

func TestNormalize(t *testing.T) {
	run := sample()
	f := &run.Flows[0]
	want := sample().Flows[0]
	f.Segments[0].T0 -= 5e9
	f.Segments[0], f.Segments[1] = f.Segments[1], f.Segments[0]
	f.Segments = append(f.Segments, Segment{f.T1 + 1, f.T1 + 2, StateIdle, "after the end"}, Segment{f.T1 - 1, f.T1 + 9, StateIdle, "\xff" + strings.Repeat("é", MaxText)})
	f.Keys = []Time{f.Keys[2], f.T0 - 1, f.Keys[0], f.Keys[1], f.T1 + 1}
	f.Labels = []Label{Shell, Shell}
	run.Flows[0], run.Flows[1] = run.Flows[1], run.Flows[0]
	run.Normalize()
	if err := run.Check(); err != nil {
		t.Fatal(err)
	}
	got := run.Flows[0]
	if n := len(got.Segments); n != 4 || len(got.Segments[3].Detail) > MaxText {
		t.Fatalf("%d segments: %.200v", n, got.Segments)
	}
	got.Segments = got.Segments[:3]
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestTime(t *testing.T) {
	at := time.Date(2024, 11, 24, 10, 42, 11, 123456789, time.UTC)
	if got := At(at); !got.Time().Equal(at) {
		t.Errorf("%v comes back as %v", at, got.Time())
	}
	for text, want := range map[string]Time{"0": 0, "1.5": 1500000000, "1732444931.000000001": 1732444931000000001} {
		var got Time
		if err := got.UnmarshalJSON([]byte(text)); err != nil || got != want {
			t.Errorf("%s is %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "1.-5", "1. 5", "null", `"1"`, "+1", "1e3", "9223372036.9999999999"} {
		if err := new(Time).UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%q is taken for a time", text)
		}
	}
	if got := Seconds(1.5).Duration(); got != 1500*time.Millisecond {
		t.Errorf("1.5 s are %v", got)
	}
}

// TestIndex fills an index from several goroutines, tears its last line and
// opens it again.
func TestIndex(t *testing.T) {
	name := filepath.Join(t.TempDir(), "index.jsonl")
	x, err := OpenIndex(name)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			e := sample().Entry()
			e.Name = fmt.Sprintf("run-%02d", i)
			if err := x.Add(e); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := x.Add(x.Entries()[0]); err == nil {
		t.Error("a run is added twice")
	}
	if err := x.Add(Entry{}); err == nil {
		t.Error("an empty entry is added")
	}
	want := x.Entries()
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"name":"run-20","scen`)
	f.Close()
	if x, err = OpenIndex(name); err != nil {
		t.Fatal(err)
	}
	if got := x.Entries(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !x.Has("run-07") || x.Has("run-20") {
		t.Error("the wrong runs are listed")
	}
	e := sample().Entry()
	if e.Duration != 5 || e.Flows != 2 {
		t.Errorf("entry %+v", e)
	}
	if err := x.Add(e); err != nil {
		t.Fatal(err)
	}
	x.Close()
	data, err := os.ReadFile(name)
	if err != nil || bytes.Count(data, []byte("\n")) != 21 {
		t.Errorf("%v, %s", err, data)
	}
	for _, bad := range []string{"{}\n", "\n", "[]\n", string(data) + string(data)} {
		if _, err := ReadIndex(strings.NewReader(bad)); err == nil {
			t.Errorf("%.40q is taken for an index", bad)
		}
	}
}

// FuzzRead wants what was read to be written and read back as the same.
func FuzzRead(f *testing.F) {
	good, err := os.ReadFile(testFile)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		run, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := run.Write(&b); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		again, err := Read(&b)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		var c bytes.Buffer
		if err := again.Write(&c); err != nil || c.String() != text {
			t.Fatalf("%v, got\n%s\nwant\n%s", err, c.String(), text)
		}
	})
}

// FuzzReadIndex wants no entry that an index would not take.
func FuzzReadIndex(f *testing.F) {
	f.Add([]byte(`{"name":"a","scenario":"b","variant":"c","labels":["shell"],"flows":1}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := ReadIndex(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, e := range entries {
			if err := e.check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

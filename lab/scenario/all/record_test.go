package all

import (
	"encoding/binary"
	"errors"
	"flag"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/packet"
	"tyto/packet/pcapfile"
)

func TestMain(m *testing.M) {
	lab.Main(Scenarios()...)
	// More recordings at a time than there are processors: they mostly wait.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestScenarios checks what every scenario says of itself.
func TestScenarios(t *testing.T) {
	names := make(map[string]bool)
	for _, s := range Scenarios() {
		if err := s.Check(); err != nil {
			t.Error(err)
		}
		if names[s.Name] {
			t.Errorf("two scenarios are called %s", s.Name)
		}
		names[s.Name] = true
		if !strings.HasSuffix(s.Doc, ".") {
			t.Errorf("%s: its Doc is no sentence", s.Name)
		}
		for _, v := range s.Variants {
			for _, need := range v.Needs {
				if !regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`).MatchString(lab.Package(need)) {
					t.Errorf("%s: %s: %q is in package %q", s.Name, v.Name, need, lab.Package(need))
				}
			}
		}
	}
}

// recipes are recorded by TestRecord: of each kind of scenario one that is
// short.
var recipes = []struct {
	scenario string
	config   lab.Config
	process  string // that owns the labelled flows
}{
	{"ssh-shell", lab.Config{Seed: 4, Variant: "openssh-openssh", Profile: "lan", Sensor: "client", Typist: "typist-03", Hurry: 20,
		Params: map[string]string{"commands": "4", "auth": "key", "screen": "none", "role": "analyst"}}, "ssh"},
	{"ssh-shell", lab.Config{Seed: 5, Variant: "dropbear-openssh", Profile: "dsl", Sensor: "server", Typist: "typist-03", Hurry: 20,
		Params: map[string]string{"commands": "4", "auth": "password", "screen": "less", "role": "developer"}}, "dbclient"},
	{"https-download", lab.Config{Seed: 6, Variant: "curl-nginx", Profile: "fibre", Sensor: "core", Hurry: 20,
		Params: map[string]string{"size": "50", "files": "2", "rounds": "2"}}, "curl"},
	{"https-download", lab.Config{Seed: 7, Variant: "wget-go", Profile: "vpn", Sensor: "client", Hurry: 20,
		Params: map[string]string{"size": "50", "files": "2", "rounds": "2"}}, "wget"},
	{"dns-lookups", lab.Config{Seed: 8, Variant: "getent-unbound", Profile: "lossy", Sensor: "server",
		Params: map[string]string{"names": "4", "rounds": "2", "pause": "200ms"}}, "getent"},
	{"dns-lookups", lab.Config{Seed: 9, Variant: "dig-dnsmasq", Profile: "jumbo", Sensor: "client",
		Params: map[string]string{"names": "4", "rounds": "2", "pause": "200ms", "transport": "tcp"}}, "dig"},
}

// TestRecord records real programs and holds captures and truths against each
// other.
func TestRecord(t *testing.T) {
	for _, f := range lab.Examine() {
		if f.Err != nil && !f.Soft {
			t.Skipf("the lab needs %s: %v; %s", f.What, f.Err, f.Help)
		}
	}
	for _, x := range recipes {
		i := slices.IndexFunc(Scenarios(), func(s *lab.Scenario) bool { return s.Name == x.scenario })
		s := Scenarios()[i]
		t.Run(x.scenario+"-"+x.config.Variant, func(t *testing.T) {
			v := slices.IndexFunc(s.Variants, func(v lab.Variant) bool { return v.Name == x.config.Variant })
			if m := s.Variants[v].Missing(); len(m) > 0 {
				t.Skipf("programs are missing: apt-get install %s", strings.Join(m, " "))
			}
			t.Parallel()
			c := x.config
			c.Dir = t.TempDir()
			run, err := record(t, s, c)
			if err != nil {
				t.Fatal(err)
			}
			frames := readCapture(t, filepath.Join(c.Dir, run.Name+".pcap"))
			truth, err := label.ReadFile(filepath.Join(c.Dir, run.Name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			checkCapture(t, truth, frames)
			checkTruth(t, truth, x.process)
			if strings.HasPrefix(x.scenario, "ssh") && truth.Sensor == "client" {
				checkKeys(t, truth, frames)
			}
		})
	}
}

// record tries again when the machine was too busy.
func record(t *testing.T, s *lab.Scenario, c lab.Config) (run *label.Run, err error) {
	for range 3 {
		run, err = lab.Record(t.Context(), s, c)
		if err == nil || !strings.Contains(err.Error(), "too busy") {
			break
		}
		t.Log(err)
	}
	return run, err
}

// frame is a packet of the capture.
type frame struct {
	at       label.Time
	src, dst netip.AddrPort
	size     int // without the link layer
	payload  int // of TCP and UDP
}

// readCapture reads all frames, and checks their checksums.
func readCapture(t *testing.T, name string) (all []frame) {
	t.Helper()
	r, err := pcapfile.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b packet.Block
	for {
		err := r.ReadBlock(&b)
		for _, f := range b.Frames {
			all = append(all, dissect(t, f))
		}
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func dissect(t *testing.T, f packet.Frame) frame {
	t.Helper()
	be := binary.BigEndian
	ip := f.Data[14:]
	header, total := int(ip[0]&15)*4, int(be.Uint16(ip[2:]))
	if be.Uint16(f.Data[12:]) != 0x0800 || total != len(ip) || int(f.Wire) != len(f.Data) {
		t.Fatalf("not an IPv4 packet of its length: %x", f.Data)
	}
	x := frame{at: label.Time(f.Time), size: total}
	src, dst := netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
	body := ip[header:]
	if sum(ip[:header]) != 0xffff {
		t.Errorf("%v: the IP checksum of %s to %s is wrong", x.at, src, dst)
	}
	if be.Uint16(ip[6:])&0x3fff != 0 {
		t.Fatalf("%v: a fragment", x.at) // none of the recipes makes any
	}
	check := slices.Concat(ip[12:20], []byte{0, ip[9], byte(len(body) >> 8), byte(len(body))}, body)
	switch ip[9] {
	case 6:
		x.payload = len(body) - int(body[12]>>4)*4
	case 17:
		x.payload = len(body) - 8
	case 1:
		check = body
	}
	if sum(check) != 0xffff {
		t.Errorf("%v: the checksum of protocol %d from %s to %s is wrong", x.at, ip[9], src, dst)
	}
	if ip[9] != 1 {
		x.src, x.dst = netip.AddrPortFrom(src, be.Uint16(body)), netip.AddrPortFrom(dst, be.Uint16(body[2:]))
	}
	return x
}

// sum adds 16-bit words in one's complement.
func sum(b []byte) uint32 {
	var s uint32
	for i, v := range b {
		s += uint32(v) << (8 * (1 - i%2))
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return s
}

func checkCapture(t *testing.T, run *label.Run, frames []frame) {
	t.Helper()
	if int64(len(frames)) != run.Packets || len(frames) < 8 {
		t.Fatalf("%d frames, the truth says %d", len(frames), run.Packets)
	}
	if first, last := frames[0].at, frames[len(frames)-1].at; first != run.T0 || last != run.T1 {
		t.Errorf("the capture is from %v to %v, the truth says %v to %v", first, last, run.T0, run.T1)
	}
	var bytes int64
	for i, f := range frames {
		bytes += int64(f.size) + 14
		if i > 0 && f.at < frames[i-1].at {
			t.Errorf("frame %d is before the one before", i)
		}
		if f.size > max(run.Profile.MTU, 1500) || run.Sensor == "core" && f.size > run.Profile.MTU {
			t.Errorf("frame %d has %d bytes, the MTU is %d", i, f.size, run.Profile.MTU)
		}
	}
	if bytes != run.Bytes {
		t.Errorf("%d bytes, the truth says %d", bytes, run.Bytes)
	}
}

// checkTruth wants all flows that have a label to belong to the program, to
// have segments, and the segments to be inside.
func checkTruth(t *testing.T, run *label.Run, process string) {
	t.Helper()
	labelled := 0
	for _, f := range run.Flows {
		if len(f.Labels) == 0 {
			continue
		}
		labelled++
		if f.Process == nil || f.Process.Name != process || f.Process.Host != "client" {
			t.Errorf("%s %d to %d belongs to %+v, want %s", f.Proto, f.SrcPort, f.DstPort, f.Process, process)
		}
		if len(f.Segments) == 0 {
			t.Errorf("%s %d to %d has no segment", f.Proto, f.SrcPort, f.DstPort)
		}
	}
	if labelled == 0 || len(run.Software) < 2 || run.Lateness.P99 <= 0 || run.Lateness.P99.Duration() > 20*time.Millisecond {
		t.Errorf("%d flows have labels; software %v; lateness %+v", labelled, run.Software, run.Lateness)
	}
}

// checkKeys wants a packet to leave soon after each key that is not part of a
// password: half of them within ten milliseconds, three of four within fifty.
// Keys are about a seventh of a second apart, so times that have nothing to do
// with packets would not pass; a busy machine keeps the client waiting longer
// now and then.
func checkKeys(t *testing.T, run *label.Run, frames []frame) {
	t.Helper()
	i := slices.IndexFunc(run.Flows, func(f label.Flow) bool { return len(f.Keys) > 0 })
	if i < 0 {
		t.Fatal("no flow has keys")
	}
	f := run.Flows[i]
	var waits []time.Duration
	for _, k := range f.Keys {
		for _, p := range frames {
			if p.src == netip.AddrPortFrom(f.Src, f.SrcPort) && p.payload > 0 && p.at >= k {
				waits = append(waits, time.Duration(p.at-k))
				break
			}
		}
	}
	if len(waits) < 40 || len(waits) < len(f.Keys)-1 {
		t.Fatalf("%d of %d keys have a packet after them", len(waits), len(f.Keys))
	}
	slices.Sort(waits)
	if m, most := waits[len(waits)/2], waits[len(waits)*3/4]; m > 10*time.Millisecond || most > 50*time.Millisecond {
		t.Errorf("half of the keys leave within %v, three of four within %v", m, most)
	}
	states := make(map[label.State]int)
	for _, s := range f.Segments {
		states[s.State]++
		if s.State != label.StateKeystrokes {
			continue
		}
		if !slices.ContainsFunc(f.Keys, func(k label.Time) bool { return k >= s.T0 && k <= s.T1 }) {
			t.Errorf("no key in the keystrokes of %q", s.Detail)
		}
	}
	if states[label.StateHandshake] != 1 || states[label.StateKeystrokes] < 5 || states[label.StateOutput] < 4 {
		t.Errorf("segments %v", states)
	}
}

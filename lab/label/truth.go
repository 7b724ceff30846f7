package label

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// FormatVersion is the version of Run's form that is written and read.
const FormatVersion = 1

// Time is nanoseconds since the epoch. In JSON it is seconds with nine
// decimals, which a float64 cannot hold: Time reads and writes them exactly.
type Time int64

// Seconds is a duration that is seconds in JSON.
type Seconds float64

// Run is the ground truth of one capture: what NAME.json holds beside
// NAME.pcap. All times are on the capture's clock. What happened is told by
// the applications, never read from the packets.
type Run struct {
	Format     int               `json:"format"`           // version of this form, FormatVersion
	Name       string            `json:"name"`             // NAME, without extension
	Scenario   string            `json:"scenario"`         // name of the recipe
	Variant    string            `json:"variant"`          // implementation
	Params     map[string]string `json:"params,omitempty"` // knobs
	Seed       uint64            `json:"seed"`
	Labels     []Label           `json:"labels"`               // of the session or sessions the run is about
	Techniques []string          `json:"techniques,omitempty"` // ATT&CK ids
	Twin       string            `json:"twin,omitempty"`       // scenario that looks alike and is not
	Sensor     string            `json:"sensor"`               // where the capture was made: client, core or server
	Profile    Profile           `json:"profile"`              // of the network
	Hosts      []Host            `json:"hosts"`
	Software   []Software        `json:"software"`
	Typist     string            `json:"typist,omitempty"` // who typed, if anybody did
	T0         Time              `json:"t0"`               // first packet
	T1         Time              `json:"t1"`               // last packet
	Packets    int64             `json:"packets"`
	Bytes      int64             `json:"bytes"` // of the packets on the wire
	Lateness   Lateness          `json:"lateness"`
	Notes      []string          `json:"notes,omitempty"` // what a reader must know, such as "service start answered by the lab's own endpoint"
	Flows      []Flow            `json:"flows"`           // by first packet
}

// Profile is the network a run was made on.
type Profile struct {
	Name    string  `json:"name"`
	RTT     Seconds `json:"rtt"`               // between the hosts the run is about
	Jitter  Seconds `json:"jitter"`            // standard deviation of one direction's delay
	Loss    float64 `json:"loss"`              // share of packets, one direction
	Reorder float64 `json:"reorder,omitempty"` // share of packets
	Rate    float64 `json:"rate,omitempty"`    // bits per second of the slowest link; 0 is unlimited
	Queue   int     `json:"queue,omitempty"`   // bytes
	MTU     int     `json:"mtu"`
	NAT     bool    `json:"nat,omitempty"`
}

// Host is one of the machines of a run.
type Host struct {
	Name string     `json:"name"`
	Addr netip.Addr `json:"addr"`
	Role string     `json:"role,omitempty"`
}

// Software is what ran on a host.
type Software struct {
	Host    string `json:"host"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Lateness is how much later than the link model wanted packets were
// delivered: a measure of how much the machine disturbed the run.
type Lateness struct {
	P50 Seconds `json:"p50"`
	P99 Seconds `json:"p99"`
	Max Seconds `json:"max"`
}

// Flow is one session of the capture: its tuple as the originator's side of
// the sensor shows it, who owned it, and what it did.
type Flow struct {
	Proto    string     `json:"proto"` // tcp, udp, icmp, or ip-N for other protocol numbers
	Src      netip.Addr `json:"src"`   // originator
	SrcPort  uint16     `json:"sport"` // ICMP: the type
	Dst      netip.Addr `json:"dst"`   // responder
	DstPort  uint16     `json:"dport"` // ICMP: the code
	T0       Time       `json:"t0"`    // first packet
	T1       Time       `json:"t1"`    // last packet
	Labels   []Label    `json:"labels"`
	Process  *Process   `json:"process,omitempty"`  // owner of the originator's socket
	Segments []Segment  `json:"segments,omitempty"` // by time; they may overlap where a session does several things at once
	Keys     []Time     `json:"keys,omitempty"`     // when keys were pressed, in order
}

// Process is the owner of a socket.
type Process struct {
	Host    string `json:"host"`
	PID     int    `json:"pid"`
	Name    string `json:"name"`              // of the program
	Command string `json:"command,omitempty"` // command line
}

// Segment is a span of time in which a flow did one thing.
type Segment struct {
	T0     Time   `json:"t0"`
	T1     Time   `json:"t1"`
	State  State  `json:"state"`
	Detail string `json:"detail,omitempty"` // such as the command, file or inner connection
}

// Normalize puts flows, segments and keys in order of time, cuts segments and
// keys to the time of their flow (a capture may begin in mid-session or end
// before the application does), and makes texts valid and no longer than a run
// may hold. A segment of which nothing is left is dropped.
func (r *Run) Normalize() {
	slices.SortStableFunc(r.Flows, func(a, b Flow) int { return cmp.Compare(a.T0, b.T0) })
	for i := range r.Flows {
		r.Flows[i].normalize()
	}
	for i := range r.Notes {
		r.Notes[i] = normalText(r.Notes[i])
	}
}

func (f *Flow) normalize() {
	slices.Sort(f.Labels)
	f.Labels = slices.Compact(f.Labels)
	for i := range f.Segments {
		s := &f.Segments[i]
		s.T0, s.T1 = max(s.T0, f.T0), min(s.T1, f.T1)
		s.Detail = normalText(s.Detail)
	}
	f.Segments = slices.DeleteFunc(f.Segments, func(s Segment) bool { return s.T0 > s.T1 })
	slices.SortStableFunc(f.Segments, func(a, b Segment) int { return cmp.Compare(a.T0, b.T0) })
	f.Keys = slices.DeleteFunc(f.Keys, func(k Time) bool { return k < f.T0 || k > f.T1 })
	slices.Sort(f.Keys)
	f.Keys = slices.Compact(f.Keys) // told twice
	if f.Process != nil {
		f.Process.Name = normalText(f.Process.Name)
		f.Process.Command = normalText(f.Process.Command)
	}
}

func normalText(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > MaxText {
		s = strings.ToValidUTF8(s[:MaxText], "")
	}
	return s
}

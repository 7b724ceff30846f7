package c2

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"

	"tyto/lab"
)

// Plan is what an agent and its controller do. Both read it from a file.
type Plan struct {
	Transport string         // "https", "websocket", "dns", "icmp", "tcp", "stream" (one of HTTP/2), "http3", "quic", "rotate" (https with Names)
	Client    string         // how: "go", or "curl" with https, "dig" with dns, "raw" or "ping" with icmp
	Agent     string         // the agent's name
	Server    netip.AddrPort // where the agent finds its controller, or with dns its resolver
	Name      string         // of the controller's server, or its domain
	Insecure  bool           // the agent does not check certificates
	Front     bool           // the controller has a web server before it, and listens for plain HTTP on 127.0.0.1:8080

	Interval time.Duration // between check-ins
	Jitter   int           // % of it
	Rhythm   string        // what Jitter does: "minus", "plusminus"; "poisson" and "lognormal" have none
	Checkins int           // at least so many, then the agent ends when there is nothing to do
	Push     bool          // the agent sends the files of its tasks unasked, and that is all
	Bind     bool          // over TCP, the far agent waits for the one in the middle to connect
	Seed     uint64

	HTTP2     bool
	KeepAlive bool          // one connection for all
	Shape     string        // of HTTP messages: "raw", "cookie", "json"
	Record    string        // of DNS answers: "TXT" or "A"
	Label     int           // bytes of a message in one query's name, at most 120, or in one echo
	FreshPort bool          // each query comes from a port of its own
	Throttle  time.Duration // between queries of one message
	Poll      time.Duration // how long a listener over HTTP lets a poll wait
	Local     netip.Addr    // the agent's address
	Part      int           // bytes of a file that are sent at once; the transport's most if 0
	PartPause time.Duration

	Ping       time.Duration // between keepalives of HTTP/2 and QUIC where nothing is said; none if 0
	PacketSize int           // of QUIC, at first; the library's own if 0
	Shifts     []Shift       // the agent is silent between them; one without end if there are none

	Names    []string // domains that the agent tries, in their order
	Resolver netip.AddrPort
	Choice   string // of a domain: "stay" with what works, or go on to the "next" each time

	Tasks []Task
}

// Shift is a time in which an agent checks in, and one after it in which it does
// not.
type Shift struct {
	Work, Rest time.Duration
}

// Task is work for an agent.
type Task struct {
	ID    int           `json:"i"`
	Kind  string        `json:"k"`           // "command" of the repertoire, "upload" or "download" of a file, "sleep" for another interval
	Arg   string        `json:"a"`           // name of the command or file, or the interval
	After int           `json:"-"`           // it is given at the first check-in after so many
	Wait  time.Duration `json:"-"`           // and this long after the one before was done
	Size  int           `json:"s,omitempty"` // of a file to download
}

// order is a Task as it is in the controller's file.
type order struct {
	ID    int
	Kind  string
	Arg   string
	After int
	Wait  time.Duration
}

// file is how a plan is stored.
type file struct {
	Plan
	Tasks []order
}

// WritePivot gives the plan to the agent in the middle on a host.
func (p Plan) WritePivot(h *lab.Host) error { return h.Write(pivotFile, p.encode(), 0o644) }

const planFile = "plan.json"

func (p Plan) encode() string {
	f := file{Plan: p}
	for _, t := range p.Tasks {
		f.Tasks = append(f.Tasks, order{t.ID, t.Kind, t.Arg, t.After, t.Wait})
	}
	f.Plan.Tasks = nil
	b, err := json.Marshal(f)
	if err != nil {
		panic(err) // it has no values that JSON cannot hold
	}
	return string(b)
}

func readPlan(name string) (Plan, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return Plan{}, err
	}
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		return Plan{}, fmt.Errorf("%s: %w", name, err)
	}
	for _, o := range f.Tasks {
		f.Plan.Tasks = append(f.Plan.Tasks, Task{ID: o.ID, Kind: o.Kind, Arg: o.Arg, After: o.After, Wait: o.Wait})
	}
	return f.Plan, nil
}

// pause draws how long an agent sleeps.
func (p Plan) pause(interval time.Duration, rng *rand.Rand) time.Duration {
	t, share := float64(interval), float64(p.Jitter)/100
	switch p.Rhythm {
	case "poisson":
		t *= min(rng.ExpFloat64(), 6)
	case "lognormal":
		const sigma = .7 // the mean is the interval
		t *= min(math.Exp(sigma*rng.NormFloat64()-sigma*sigma/2), 6)
	case "plusminus":
		t *= 1 + share*(2*rng.Float64()-1)
	default:
		t *= 1 - share*rng.Float64()
	}
	return time.Duration(t)
}

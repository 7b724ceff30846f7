package enterprise

import (
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"

	"tyto/behavior"
	"tyto/behavior/lead"
	"tyto/detection"
	"tyto/session"
)

// Content is what was measured of the sessions of recorded scenarios: what goes
// on in simulated sessions is drawn from it, with all mistakes of the measurement.
type Content struct {
	// Exemplars are sessions, by scenario.
	Exemplars map[string][]Exemplar
	// Delays are times, in ns, from the leader's latest burst in a session to the
	// session that it caused.
	Delays []int64
}

// Exemplar is what was measured in one recorded session. Times are since its
// first packet.
type Exemplar struct {
	App      string
	RTT      int64 // of the recorded network, ns
	Duration int64 // ns
	Bytes    [2]uint64
	Packets  [2]uint64
	Lead     *lead.Measure `json:",omitempty"`
	// Labels are what the model hears, right or wrong.
	Labels   []behavior.Label `json:",omitempty"`
	Control  behavior.Control
	ControlP float64
}

//go:embed content.json.gz
var measured []byte

// Measured returns the content that is in the program.
var Measured = sync.OnceValues(func() (*Content, error) { return ReadContent(strings.NewReader(string(measured))) })

// maxContent is how many bytes of content are read, unpacked.
const maxContent = 256 << 20

// ReadContent reads content as Write writes it.
func ReadContent(r io.Reader) (*Content, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("read measured content: %w: measure it again", err)
	}
	c := new(Content)
	if err := json.NewDecoder(io.LimitReader(z, maxContent)).Decode(c); err != nil {
		return nil, fmt.Errorf("read measured content: %w: measure it again", err)
	}
	return c, nil
}

// Write writes the content.
func (c *Content) Write(w io.Writer) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(z).Encode(c); err != nil {
		return err
	}
	return z.Close()
}

// Scenarios are those of the lab that content is drawn from.
var Scenarios = []string{
	"ad-logon", "backup-upload", "browser", "c2-https", "c2-office-hours", "c2-pivot-smb", "c2-pivot-tcp", "c2-quic", "exfil-cloud",
	"git-ssh", "https-api-poll", "https-autosave", "https-browse", "https-download", "https-longpoll", "https-upload",
	"https-video", "imap-idle", "ldap-lookups", "metrics-push", "ocsp-checks", "presence-heartbeat", "rdp-session",
	"reverse-https-tunnel", "revshell-plain", "revshell-tls", "revshell-websocket", "rsync-ssh", "scp-download", "scp-upload",
	"smb-files", "smb-print", "smb-service-exec", "smb-task-exec", "ssh-agent-forward", "ssh-editor", "ssh-exec", "ssh-hops",
	"ssh-keys", "ssh-reverse-login", "ssh-shell", "telemetry-push", "update-checks", "web-terminal", "webdav-files",
	"websocket-chat", "winrm-admin", "winrm-exec", "wmi-exec",
}

// nearRTT is the round trip below which a recorded network is like one inside.
const nearRTT = int64(6e6)

// drawer draws content of its half: organisations to train on and to test on
// have different halves.
type drawer struct {
	lists  map[string][]*Exemplar // by scenario, those of a network inside under "near "
	delays []int64
}

func newDrawer(c *Content, half int) *drawer {
	d := &drawer{lists: make(map[string][]*Exemplar), delays: c.Delays}
	for name, list := range c.Exemplars {
		for i := range list {
			if len(list) > 1 && i%2 != half%2 {
				continue
			}
			e := &list[i]
			d.lists[name] = append(d.lists[name], e)
			if e.RTT < nearRTT {
				d.lists["near "+name] = append(d.lists["near "+name], e)
			}
		}
	}
	return d
}

// of returns a session of one of the scenarios, nil if none was measured.
func (d *drawer) of(r *rand.Rand, near bool, scenarios ...string) *Exemplar {
	name := scenarios[r.IntN(len(scenarios))]
	list := d.lists[name]
	if inside := d.lists["near "+name]; near && len(inside) > 0 {
		list = inside
	}
	if len(list) == 0 {
		return nil
	}
	return list[r.IntN(len(list))]
}

// kept is the share of sessions in which the model still hears a label when it was
// trained on other programs than it hears: label F1 of the worse fold of S2, and
// recall at FPR 1e-3 for reverse shells (docs/eval). The exemplars are of the
// corpus that the model in the program was trained on; what it hears of them is
// too good.
var kept = map[string]float64{
	"reverse-shell": 0.164, "reverse-tunnel": 0.842, "beacon": 0.645, "tasked-beacon": 0.1, "exfiltration": 0.077, "remote-execution": 0.568,
	"command": 0.671, "upload": 0.733, "enumeration": 0.059, "brute-force": 0.097, "keepalive": 0.411, "port-forward": 0.9, "shell": 0.957,
	"poll": 0.862, "chat": 0.875, "credential-dump": 0.975,
}

// imagined is the share of sessions that are heard and not of a label in which the
// model hears it nevertheless: the rate at which kept's first figure was measured.
const imagined = 1e-3

// imaginable are the labels that are imagined.
var imaginable = []string{"reverse-shell", "reverse-tunnel", "beacon", "tasked-beacon", "exfiltration"}

// hear returns what the model would hear if it knew neither program nor network.
func (e *Exemplar) hear(r *rand.Rand) (list []behavior.Label) {
	for _, l := range e.Labels {
		if p, ok := kept[l.Name]; !ok || r.Float64() < p {
			list = append(list, l)
		}
	}
	if e.Lead != nil && len(e.Labels) > 0 {
		for _, name := range imaginable {
			if r.Float64() < imagined {
				list = append(list, behavior.Label{Name: name, P: 0.5 + 0.5*r.Float64()})
			}
		}
	}
	return list
}

// fill gives a session that begins at s.First what goes on in an exemplar, made
// longer by a factor.
func (e *Exemplar) fill(r *rand.Rand, s *detection.Session, stretch float64) {
	s.App = e.App
	s.Last = s.First + int64(float64(e.Duration)*stretch)
	for i := range s.Bytes {
		s.Bytes[i], s.Packets[i] = uint64(float64(e.Bytes[i])*stretch), uint64(float64(e.Packets[i])*stretch)
	}
	s.Heard.Labels, s.Heard.Control, s.Heard.ControlP = e.hear(r), e.Control, e.ControlP
	if e.Lead == nil {
		return
	}
	m := *e.Lead
	for side, list := range e.Lead.Bursts {
		m.Bursts[side] = make([]lead.Burst, len(list))
		for i, b := range list {
			from := s.First + int64(float64(b.From)*stretch)
			m.Bursts[side][i] = lead.Burst{From: from, To: from + b.To - b.From}
		}
	}
	s.Lead = &m
}

// after returns when something begins that the leader of a session causes: a
// measured time after one of the bursts of a side from a time on; 0 if the
// session has none.
func (d *drawer) after(r *rand.Rand, s *detection.Session, side session.Direction, from int64) int64 {
	if s.Lead == nil {
		return 0
	}
	var list []lead.Burst
	for _, b := range s.Lead.Bursts[side] {
		if b.From >= from {
			list = append(list, b)
		}
	}
	if len(list) == 0 {
		return 0
	}
	b := list[r.IntN((len(list)+1)/2)]
	delay := int64(1e9)
	if len(d.delays) > 0 {
		delay = d.delays[r.IntN(len(d.delays))]
	}
	return b.To + delay
}

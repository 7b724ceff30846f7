package enterprise

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"

	"tyto/behavior"
	"tyto/behavior/lead"
	"tyto/corpus"
	"tyto/lab/enterprise"
	"tyto/lab/label"
	"tyto/model"
	"tyto/packet"
	"tyto/sequence"
	"tyto/session"
)

// Limits of what is measured.
const (
	perScenario = 40  // sessions kept of a scenario
	keptBursts  = 40  // of a side
	leastHeard  = 0.2 // probability of a label that is kept
	leadPackets = 12  // as the sensor wants them
	leadLasts   = int64(3e9)
)

// sealed are protocols that cannot be read: the model listens to them.
var sealed = map[string]bool{"tls": true, "ssh": true, "quic": true, "openvpn": true, "wireguard": true, "esp": true, "dtls": true}

// Measure measures what detectors would be told of the labelled sessions of a
// corpus: who leads, and what the model hears.
func Measure(runs []*corpus.Run, m *model.Model) *enterprise.Content {
	c := &enterprise.Content{Exemplars: make(map[string][]enterprise.Exemplar)}
	listener := m.NewListener()
	runs = slices.Clone(runs)
	// In an order that nothing depends on but the name: what is kept is a sample.
	slices.SortFunc(runs, func(a, b *corpus.Run) int {
		return cmp.Or(cmp.Compare(hash(a.Truth.Name), hash(b.Truth.Name)), cmp.Compare(a.Truth.Name, b.Truth.Name))
	})
	for _, r := range runs {
		name := r.Truth.Scenario
		told := 0
		var control *enterprise.Exemplar
		var began int64
		for i := range r.Sessions {
			s := &r.Sessions[i]
			if len(s.Flow.Labels) == 0 || len(s.Entries) == 0 {
				continue
			}
			led := slices.Contains(s.Flow.Labels, label.ReverseShell) || slices.Contains(s.Flow.Labels, label.ReverseTunnel)
			if !led && (told >= 4 || len(c.Exemplars[name]) >= perScenario) {
				continue
			}
			e := exemplar(s, listener, r)
			if e == nil {
				continue
			}
			if led && e.Lead != nil && control == nil {
				control, began = e, s.Entries[0].Time
			}
			if slices.Contains(enterprise.Scenarios, name) && told < 4 && len(c.Exemplars[name]) < perScenario && main(r, s) {
				c.Exemplars[name] = append(c.Exemplars[name], *e)
				told++
			}
		}
		if control != nil {
			c.Delays = append(c.Delays, delays(r, control, began)...)
		}
	}
	return c
}

// main reports whether a session is one that its run is about.
func main(r *corpus.Run, s *corpus.Session) bool {
	return slices.ContainsFunc(s.Flow.Labels, func(l label.Label) bool { return slices.Contains(r.Truth.Labels, l) })
}

func hash(name string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(name))
	return h.Sum32()
}

// exemplar measures a session; nil if it has no messages.
func exemplar(s *corpus.Session, listener *model.Listener, r *corpus.Run) *enterprise.Exemplar {
	proto := uint8(packet.ProtoTCP)
	if s.Flow.Proto == "udp" {
		proto = packet.ProtoUDP
	}
	q := sequence.Recover(proto, slices.Values(s.Entries))
	if len(q.Messages) == 0 {
		return nil
	}
	e := &enterprise.Exemplar{App: s.App, RTT: int64(float64(r.Truth.Profile.RTT))}
	first, packets := s.Entries[0].Time, uint64(0)
	for i := range s.Entries {
		v := &s.Entries[i]
		if v.Message {
			continue
		}
		e.Bytes[v.Dir] += uint64(v.Bytes)
		e.Packets[v.Dir] += uint64(max(v.Packets, 1))
		e.Duration = max(e.Duration, v.Time-first)
	}
	packets = e.Packets[0] + e.Packets[1]
	if packets >= uint64(leadPackets) && e.Duration >= leadLasts {
		m := lead.Of(&q, 0)
		for side := range m.Bursts {
			m.Bursts[side] = thin(m.Bursts[side])
			m.Rhythm[side], m.Gaps[side] = rounded(m.Rhythm[side]), rounded(m.Gaps[side])
		}
		e.Lead = m
	}
	if packets >= model.LeastPackets && listener.Knows(s.App, sealed[s.App]) {
		var h behavior.Heard
		if listener.Listen(&h, &behavior.Session{Proto: proto, App: s.App, Sequence: &q, First: s.First}) {
			for _, l := range h.Labels {
				if l.P >= leastHeard {
					e.Labels = append(e.Labels, behavior.Label{Name: l.Name, P: math.Round(l.P*1e4) / 1e4})
				}
			}
			e.Control, e.ControlP = h.Control, math.Round(h.ControlP*1e4)/1e4
		}
	}
	return e
}

func rounded(m lead.Moments) lead.Moments {
	return lead.Moments{Mean: math.Round(m.Mean/1e5) * 1e5, SD: math.Round(m.SD/1e5) * 1e5}
}

// thin keeps the first bursts, in whole milliseconds.
func thin(list []lead.Burst) []lead.Burst {
	list = slices.Clone(list[:min(len(list), keptBursts)])
	for i, b := range list {
		list[i] = lead.Burst{From: b.From / 1e6 * 1e6, To: b.To / 1e6 * 1e6}
	}
	return list
}

// delays returns how long after the leader's bursts the sessions began that the
// controlled machine opened towards others because of them: those that are not of
// the run's background.
func delays(r *corpus.Run, control *enterprise.Exemplar, began int64) (list []int64) {
	for i := range r.Sessions {
		s := &r.Sessions[i]
		if s.From != "client" || s.To == "dns" || s.To == "server" || len(s.Entries) == 0 || len(s.Flow.Labels) == 0 || slices.Contains(s.Flow.Labels, label.Poll) {
			continue
		}
		at := s.Entries[0].Time - began
		since := int64(-1)
		for _, b := range control.Lead.Bursts[session.Resp] {
			if b.To > at {
				break
			}
			since = at - b.To
		}
		if since >= 0 && since < 120e9 {
			list = append(list, since/1e6*1e6)
		}
	}
	return list
}

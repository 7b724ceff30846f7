package train

import (
	"math"
	"slices"

	"tyto/corpus"
	"tyto/lab/label"
	"tyto/packet"
	"tyto/sequence"
	"tyto/sequence/augment"
	"tyto/session"
)

// Unknown is a target that is not known: nothing is learned of it.
const Unknown = -1

// Targets are what there is to know of a session.
type Targets struct {
	States  []int32   // of each message, an index of States or Unknown
	Begins  []float32 // of each message: 1 if a state begins with it, 0 if not, NaN if unknown
	Labels  []float32 // of each of Labels: 1 if it holds, 0 if not, NaN if unknown
	Control int32     // an index of Controls, or Unknown
	Layers  int32     // 0 if nothing is inside, 1 if something is, or Unknown
	App     int32     // an index of the data's Apps, or Unknown

	entries []int32 // state of each entry of the session
}

// States, Labels and Controls are the names of targets, by index.
var (
	States   = names(label.States())
	Labels   = names(label.Labels())
	Controls = []string{"none", "orig", "resp", "both"}
)

func names[T interface{ String() string }](all []T) (list []string) {
	for _, v := range all {
		list = append(list, v.String())
	}
	return list
}

// Indices of Controls.
const (
	controlNone = iota
	controlOrig
	controlResp
	controlBoth
)

// slack is how far a message may be from a segment that it is part of, ns: what
// an application tells and what the network shows are not the same moment.
const slack = 100e6

// targets are the truth of a session; App is left to the data.
func targets(run *corpus.Run, s *corpus.Session, q *sequence.Sequence) (t Targets) {
	t.Control, t.Layers, t.App = Unknown, Unknown, Unknown
	t.Labels = make([]float32, len(Labels))
	if len(s.Flow.Labels) == 0 && s.App != "dns" {
		// A flow that no scenario speaks of: perhaps a part of what another does. Name
		// lookups are no part of anything.
		for i := range t.Labels {
			t.Labels[i] = float32(math.NaN())
		}
	} else if len(s.Flow.Labels) > 0 {
		for _, l := range s.Flow.Labels {
			t.Labels[l-1] = 1
		}
		if slices.Contains(s.Flow.Labels, label.BruteForce) {
			// Most guesses are refused as well; which ones the truth does not say.
			t.Labels[label.LoginFailed-1] = float32(math.NaN())
		}
		t.Control, t.Layers = control(s.Flow.Labels), layers(s.Flow.Labels)
		if s.Reversed {
			t.Control = swapControl(t.Control)
		}
	}
	t.states(run, s, q)
	return t
}

// control says who leads in sessions of these labels: whose messages make the
// other side act. Where the labels do not say it, it is unknown: inside a tunnel
// anybody may lead, and a beacon's agent asks while its controller decides.
func control(labels []label.Label) int32 {
	has := func(list ...label.Label) bool {
		return slices.ContainsFunc(list, func(l label.Label) bool { return slices.Contains(labels, l) })
	}
	switch {
	case has(label.ReverseShell, label.ReverseTunnel):
		return controlResp
	case has(label.Tunnel, label.VPN, label.Proxy, label.TaskedBeacon, label.DNSTunnel, label.Stream):
		return Unknown
	case has(label.Chat, label.Call):
		return controlBoth
	case has(label.Keepalive):
		return controlNone
	}
	return controlOrig
}

func swapControl(c int32) int32 {
	switch c {
	case controlOrig:
		return controlResp
	case controlResp:
		return controlOrig
	}
	return c
}

// layers says whether other connections are inside sessions of these labels.
func layers(labels []label.Label) int32 {
	for _, l := range labels {
		switch l {
		case label.Tunnel, label.VPN, label.Proxy, label.PortForward, label.ReverseTunnel, label.DNSTunnel:
			return 1
		}
	}
	return 0
}

// states gives each entry, and each message that begins with one, the state of the
// segment it belongs to: of several the shortest, which says most.
func (t *Targets) states(run *corpus.Run, s *corpus.Session, q *sequence.Sequence) {
	delay := delayToSensor(run, s)
	t.entries = make([]int32, len(s.Entries))
	for i, e := range s.Entries {
		at := e.Time
		if (e.Dir == session.Orig) != s.Reversed {
			at -= delay // it left earlier
		} else {
			at += delay // it arrives later
		}
		t.entries[i] = stateAt(s.Flow.Segments, at)
	}
	for _, i := range augment.AppendEntries(nil, q, s.Entries) {
		t.States = append(t.States, t.entries[i])
	}
	t.Begins = appendBegins(nil, t.States)
}

// appendBegins appends for each message whether a state begins with it.
func appendBegins(to []float32, states []int32) []float32 {
	for i, s := range states {
		switch {
		case s == Unknown || i > 0 && states[i-1] == Unknown:
			to = append(to, float32(math.NaN()))
		case i == 0 || s != states[i-1]:
			to = append(to, 1)
		default:
			to = append(to, 0)
		}
	}
	return to
}

// stateAt returns the state at a time, ns since the epoch.
func stateAt(segments []label.Segment, at int64) int32 {
	best, shortest, nearest := int32(Unknown), int64(math.MaxInt64), int64(slack)
	for i := range segments {
		g := &segments[i]
		if g.State == label.StateUnknown {
			continue
		}
		t0, t1 := int64(g.T0), int64(g.T1)
		apart := max(t0-at, at-t1, 0)
		if apart > nearest || apart == nearest && t1-t0 >= shortest {
			continue
		}
		best, shortest, nearest = int32(g.State)-1, t1-t0, apart
	}
	return best
}

// delayToSensor is how long packets take from the flow's originator, whose clock
// the truth goes by, to where the capture was made, ns: half the time in which
// that side answers the other's part of the handshake, or else what the
// network's profile says.
func delayToSensor(run *corpus.Run, s *corpus.Session) int64 {
	var syn, answer int64
	for _, e := range s.Entries {
		switch {
		case e.Message || e.Kind&uint8(packet.SYN) == 0 && answer == 0:
		case e.Kind&uint8(packet.SYN) != 0 && e.Dir == session.Orig:
			syn = e.Time
		case e.Kind&uint8(packet.SYN) != 0:
			if answer == 0 {
				answer = e.Time
			}
		case e.Dir == session.Orig && syn != 0:
			if s.Reversed {
				return (answer - syn) / 2
			}
			return (e.Time - answer) / 2
		}
	}
	rtt := float64(run.Truth.Profile.RTT) * 1e9
	switch run.Truth.Sensor {
	case "server":
		return int64(rtt / 2)
	case "core":
		return int64(rtt / 4)
	}
	return 0
}

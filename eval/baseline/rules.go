package baseline

import (
	"math"

	"tyto/lab/label"
	"tyto/sequence"
	"tyto/sequence/feature"
	"tyto/session"
)

// Rules are what people would write down: a few thresholds for each label, none
// of them fitted. Classes of a Task are found by the labels' names; those of
// which there is no rule keep how frequent they are.
type Rules struct {
	task  Task
	rules []func(*facts) float64 // by class; nil where there is none
	prior []float64
}

// facts are a session's features by name.
type facts struct {
	row []float32
	app string
}

var featureIndex = indexOf(feature.Names)

func indexOf(names []string) map[string]int {
	index := make(map[string]int)
	for i, n := range names {
		index[n] = i
	}
	return index
}

// of is a feature; it panics if there is none of that name.
func (f *facts) of(name string) float64 {
	i, ok := featureIndex[name]
	if !ok {
		panic("baseline: no feature " + name)
	}
	return float64(f.row[i])
}

// above is near 1 where a feature is above a limit, and near 0 below; width is
// how far from it that is so.
func (f *facts) above(name string, limit, width float64) float64 {
	return sigmoid(3 * (f.of(name) - limit) / width)
}

func (f *facts) below(name string, limit, width float64) float64 {
	return 1 - f.above(name, limit, width)
}

// typing is how much it looks as if the side typed at a prompt: small messages
// at the pace of fingers with echoes, or OpenSSH's comb.
func (f *facts) typing(side string) float64 {
	pace := f.above("pace"+side, 0.35, 0.2) * f.above("echo"+side, 0.2, 0.2)
	comb := f.above("comb-run", math.Log2(20), 1) * f.above("comb"+side, 0.3, 0.2)
	return max(pace, comb)
}

// sessionRules are the rules by label. Sizes are binary logarithms of bytes,
// times decades above 10 µs: 5 is a second.
var sessionRules = map[label.Label]func(*facts) float64{
	label.Shell: func(f *facts) float64 {
		return f.typing("-up") * f.above("leads-share", 0.6, 0.2) * f.above("leads-up", 3.5, 1)
	},
	label.ReverseShell: func(f *facts) float64 {
		led := f.below("leads-share", 0.4, 0.2) * f.above("leads-down", 2.3, 1) * f.above("leads-small-down", 0.1, 0.1)
		return max(led, f.typing("-down")*f.below("leads-share", 0.4, 0.2))
	},
	label.Upload: func(f *facts) float64 {
		return f.above("bytes-up", 14.5, 1.5) * f.above("bytes-share", 0.8, 0.1)
	},
	label.Exfiltration: func(f *facts) float64 {
		return 0.6 * f.above("bytes-up", 15, 1.5) * f.above("bytes-share", 0.85, 0.1)
	},
	label.Download: func(f *facts) float64 {
		return f.above("bytes-down", 14.5, 1.5) * f.below("bytes-share", 0.15, 0.1) * f.below("leads-up", 3.5, 1)
	},
	label.Browse: func(f *facts) float64 {
		return f.above("bytes-down", 15, 1.5) * f.below("bytes-share", 0.25, 0.1) * f.above("lead-interval", 5.3, 0.5) * f.above("burst-messages", 3, 1)
	},
	label.Command: func(f *facts) float64 {
		return f.below("leads-up", 3, 1) * f.below("bytes-up", 14, 1) * f.below("bytes-down", 15, 1) * f.above("messages-up", 3, 1)
	},
	label.Beacon: func(f *facts) float64 { return 0.6 * f.rhythm() },
	label.TaskedBeacon: func(f *facts) float64 {
		return 0.5 * f.rhythm() * f.above("size-variety-down", 0.2, 0.1)
	},
	label.Poll: func(f *facts) float64 { return 0.7 * f.rhythm() },
	label.Keepalive: func(f *facts) float64 {
		return f.above("idle", 0.95, 0.05) * f.above("pause-most", 5.7, 0.3) * f.below("bytes-up", 12.5, 1) * f.below("bytes-down", 12.5, 1)
	},
	label.VPN: func(f *facts) float64 {
		return max(f.acknowledged(), known(f.app, "wireguard", "openvpn", "esp", "ike"))
	},
	label.Tunnel: func(f *facts) float64 {
		return max(0.8*f.acknowledged(), known(f.app, "wireguard", "openvpn", "socks"))
	},
	label.Proxy:      func(f *facts) float64 { return known(f.app, "socks") },
	label.Call:       func(f *facts) float64 { return max(f.steady(), known(f.app, "rtp", "sip")) },
	label.Stream:     func(f *facts) float64 { return f.steady() },
	label.Screen:     func(f *facts) float64 { return known(f.app, "rdp", "rfb", "x11") },
	label.Scan:       func(f *facts) float64 { return f.below("messages-up", 2.3, 0.5) * f.below("duration", 4.7, 0.7) },
	label.BruteForce: func(f *facts) float64 { return 0.6 * f.refused() },
	label.LoginFailed: func(f *facts) float64 {
		return 0.7 * f.refused() * f.above("idle", 0.3, 0.3)
	},
}

// acknowledged is how much it looks like TCP inside datagrams.
func (f *facts) acknowledged() float64 {
	return f.above("carrier", float64(sequence.Datagrams)-0.5, 0.3) * f.above("acks", 0.05, 0.05)
}

// rhythm is how much it looks like an agent or program that asks again and
// again.
func (f *facts) rhythm() float64 {
	return f.above("leads-up", 2.3, 0.6) * f.above("leads-share", 0.85, 0.1) * f.above("lead-interval", 5, 0.4) * f.below("lead-deviation", 0.35, 0.2) * f.below("burst-messages", 4, 1)
}

// steady is how much it looks like media: much, for long, without pauses.
func (f *facts) steady() float64 {
	return f.above("messages-down", 7, 1) * f.above("duration", 5.7, 0.3) * f.below("pause-variation", 1.5, 0.5) * f.above("rate-down", 12.5, 1.5)
}

// refused is how much it looks like a login that came to nothing.
func (f *facts) refused() float64 {
	return known(f.app, "ssh", "kerberos", "smb", "ldap", "ftp") * f.below("messages-up", 4, 0.7) * f.below("bytes-down", 12.5, 1)
}

func known(app string, apps ...string) float64 {
	for _, a := range apps {
		if app == a {
			return 0.9
		}
	}
	return 0.02
}

// NewRules returns the rules for a task's classes.
func NewRules(t Task) *Rules {
	r := &Rules{task: t}
	for _, name := range t.Names {
		l, _ := label.ParseLabel(name) // none: there is no rule of it either
		r.rules = append(r.rules, sessionRules[l])
	}
	return r
}

// Fit counts how frequent classes without a rule are.
func (r *Rules) Fit(examples []Example) { r.prior = r.task.frequencies(examples) }

// Predict is what the rules say.
func (r *Rules) Predict(e *Example) []float64 {
	f := facts{feature.Session(e.Sequence), e.App}
	p, sum := make([]float64, len(r.rules)), 0.
	for k, rule := range r.rules {
		if rule != nil {
			p[k] = rule(&f)
		} else if k < len(r.prior) {
			p[k] = r.prior[k]
		}
		p[k] = max(p[k], 1e-6)
		sum += p[k]
	}
	if !r.task.Multi {
		for k := range p {
			p[k] /= sum
		}
	}
	return p
}

// Control is the rule that who leads is in control: which part of the small
// messages after a pause the responder sent, with one lead of each side added,
// and how many such leads there were.
func Control(s *sequence.Sequence) (responder float64, leads int) {
	const most = 160 // bytes
	quiet, down := max(60e6, 2*s.RTT), 0
	for i := 1; i < len(s.Messages); i++ {
		m, before := &s.Messages[i], &s.Messages[i-1]
		if m.Bytes > most || m.Time-before.Time-before.Took <= quiet {
			continue
		}
		leads++
		if m.Dir == session.Resp {
			down++
		}
	}
	return float64(down+1) / float64(leads+2), leads
}

package model

import "math"

// Rules are what is known of sessions without a network. A rule adds its
// log-likelihood ratio, in nats, to the log-odds that the network gives a label:
// both kinds of evidence count.

// fewLeads is how often somebody acted after quiet, at most, where nobody works at
// a prompt; noPrompt is what that says against it. In the lab a shell that polls
// over HTTP is many short sessions, each of which alone sounds like any other
// request: without the rule requests sound like shells.
const (
	fewLeads = 3
	noPrompt = -6.0
)

// weigh returns the probability of a label after the rules.
func weigh(label string, p float64, leads [2]int) float64 {
	switch label {
	case "shell", "reverse-shell":
		if leads[0]+leads[1] <= fewLeads {
			return shift(p, noPrompt)
		}
	}
	return p
}

// shift adds nats to a probability's log-odds.
func shift(p, nats float64) float64 {
	const least = 1e-9
	p = min(max(p, least), 1-least)
	return 1 / (1 + math.Exp(-(math.Log(p/(1-p)) + nats)))
}

// rare is the least probability at which labels are told that are common in the
// lab and rare elsewhere: on networks outside nearly every session has nothing
// inside it and no shell that runs backwards, so that of those that sound so at
// even odds nearly all are something else.
const rare = 0.9

// tells is the probability from which on a label is told, given what its
// calibration says.
func tells(label string, calibrated float64) float64 {
	switch label {
	case "tunnel", "proxy", "vpn", "port-forward", "reverse-tunnel", "reverse-shell":
		return max(calibrated, rare)
	}
	return calibrated
}

// Package sshinfer says which inferences of an SSH connection a session sounds
// like: the codes that the listener's labels stand for. What lengths and times
// say by rules is package protocol/ssh's, which joins both.
package sshinfer

import "tyto/behavior"

// codes are the inferences that say what a label says. Of files the label does
// not say how large they are: their codes are those of small ones.
var codes = map[string]string{
	"shell":         "KS",
	"command":       "AUTO",
	"upload":        "SFU",
	"exfiltration":  "SFU",
	"download":      "SFD",
	"brute-force":   "BF",
	"reverse-shell": "RSK",
}

// Least is the least probability of a label that counts. Labels that are told are
// likelier than their own thresholds already; below an even chance nothing counts.
const Least = 0.5

// Append appends to list the codes of what was heard, in the order of labels and
// each once, and returns it. Nothing heard (nil) appends nothing.
func Append(list []string, h *behavior.Heard) []string {
	if h == nil {
		return list
	}
	from := len(list)
next:
	for _, l := range h.Labels {
		code, ok := codes[l.Name]
		if !ok || l.P < Least {
			continue
		}
		for _, have := range list[from:] {
			if have == code {
				continue next
			}
		}
		list = append(list, code)
	}
	return list
}

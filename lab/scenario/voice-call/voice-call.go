// Package voicecall is two people on the telephone.
package voicecall

import (
	"context"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/desk"
	"tyto/lab/label"
)

// Scenario calls by SIP, talks by RTP and hangs up.
var Scenario = lab.Scenario{
	Name:   "voice-call",
	Doc:    "Two people talk by SIP and RTP: signals in one flow, both voices in another, with or without packets in the pauses. Teaches steady small datagrams in both directions that are no tunnel.",
	Labels: []label.Label{label.Call},
	Twin:   "wireguard",
	Hosts:  []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "go-go", Needs: []string{"ss"}},
		{Name: "sipp-sipp", Needs: []string{"sipp", "ss"}},
	},
	Params:   desk.CallParams(),
	Programs: desk.CallPrograms(),
	Limit:    6 * time.Minute,
	Run: func(ctx context.Context, r *lab.Run) error {
		kind, _, _ := strings.Cut(r.Variant(), "-")
		return desk.Call(ctx, r, kind)
	},
}

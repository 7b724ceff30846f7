// Package campaignssh is an intrusion over several machines.
package campaignssh

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/campaign"
)

// Scenario is an intruder who goes by SSH to a second machine and from there to a third.
var Scenario = lab.Scenario{
	Name:       "campaign-ssh",
	Doc:        "An intruder at a shell that a machine opened to the outside looks around, sweeps ports, goes by SSH to a second machine and from there to a third, packs what is there, takes it back and sends it out; all machines have traffic of their own. Teaches how hops follow keystrokes.",
	Labels:     campaign.Labels(true, false),
	Techniques: []string{"T1059.004", "T1046", "T1021.004", "T1083", "T1560.001", "T1074.002", "T1048.002", "T1070.004"},
	Twin:       "admin-ssh",
	Hosts:      campaign.Hosts,
	Near:       campaign.Near,
	Inbound:    true,
	Variants:   []lab.Variant{{Name: "openssh", Needs: campaign.Needs()}},
	Params:     campaign.Params(true),
	Programs:   campaign.Programs(),
	Limit:      15 * time.Minute,
	Run:        run,
}

func run(ctx context.Context, r *lab.Run) error {
	return campaign.Run(ctx, r, true, campaign.BySSH)
}

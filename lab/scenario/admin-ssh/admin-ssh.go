// Package adminssh is an administrator's work over several machines.
package adminssh

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/campaign"
)

// Scenario is an administrator who goes by SSH to a second machine and from there to a third.
var Scenario = lab.Scenario{
	Name:     "admin-ssh",
	Doc:      "An administrator logs in at a jump host from outside and does what the intruder of campaign-ssh does: looks around, checks ports, goes by SSH to a second machine and from there to a third, packs an export and sends it to a store outside. Teaches what differs: who opened the way in, and who leads on it.",
	Labels:   campaign.Labels(false, false),
	Twin:     "campaign-ssh",
	Hosts:    campaign.Hosts,
	Near:     campaign.Near,
	Inbound:  true,
	Variants: []lab.Variant{{Name: "openssh", Needs: campaign.Needs()}},
	Params:   campaign.Params(false),
	Programs: campaign.Programs(),
	Limit:    15 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	return campaign.Run(ctx, r, false, campaign.BySSH)
}

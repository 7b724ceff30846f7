// Package admintasks is an administrator's work over several machines.
package admintasks

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/campaign"
)

// Scenario is an administrator who runs commands on a file server by scheduled tasks, and from there on a second machine.
var Scenario = lab.Scenario{
	Name:     "admin-tasks",
	Doc:      "An administrator logs in at a jump host from outside and does what the intruder of campaign-tasks does: looks around, checks ports, runs commands on a file server by scheduled tasks, and from there on a second machine, goes by SSH to a database, packs an export and sends it to a store outside. Teaches what differs: who opened the way in, and who leads on it.",
	Labels:   campaign.Labels(false, true),
	Twin:     "campaign-tasks",
	Hosts:    campaign.Hosts,
	Near:     campaign.Near,
	Inbound:  true,
	Variants: campaign.Variants("task", "atexec"),
	Params:   campaign.Params(false),
	Programs: campaign.Programs(),
	Limit:    15 * time.Minute,
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	return campaign.Run(ctx, r, false, campaign.ByRemote(r.Variant(), "smbexec", "T1053.005"))
}

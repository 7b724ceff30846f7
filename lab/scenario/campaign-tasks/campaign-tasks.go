// Package campaigntasks is an intrusion over several machines.
package campaigntasks

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/campaign"
)

// Scenario is an intruder who runs commands on a file server by scheduled tasks, and from there on a second machine.
var Scenario = lab.Scenario{
	Name:       "campaign-tasks",
	Doc:        "An intruder at a shell that a machine opened to the outside looks around, sweeps ports, runs commands on a file server by scheduled tasks, and from there on a second machine, goes by SSH to a database, packs what is there, takes it back and sends it out; all machines have traffic of their own. Teaches how hops follow keystrokes.",
	Labels:     campaign.Labels(true, true),
	Techniques: []string{"T1059.004", "T1046", "T1053.005", "T1021.002", "T1021.004", "T1083", "T1560.001", "T1074.002", "T1048.002", "T1070.004"},
	Twin:       "admin-tasks",
	Hosts:      campaign.Hosts,
	Near:       campaign.Near,
	Inbound:    true,
	Variants:   campaign.Variants("task", "atexec"),
	Params:     campaign.Params(true),
	Programs:   campaign.Programs(),
	Limit:      15 * time.Minute,
	Run:        run,
}

func run(ctx context.Context, r *lab.Run) error {
	return campaign.Run(ctx, r, true, campaign.ByRemote(r.Variant(), "smbexec", "T1053.005"))
}

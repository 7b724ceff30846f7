// Package campaignservices is an intrusion over several machines.
package campaignservices

import (
	"context"
	"time"

	"tyto/lab"
	"tyto/lab/campaign"
)

// Scenario is an intruder who runs commands on a file server by services that it makes there, from there on a second machine likewise.
var Scenario = lab.Scenario{
	Name:       "campaign-services",
	Doc:        "An intruder at a shell that a machine opened to the outside looks around, sweeps ports, runs commands on a file server by services that it makes there, from there on a second machine likewise, goes by SSH to a database, packs what is there, takes it back and sends it out; all machines have traffic of their own. Teaches how hops follow keystrokes.",
	Labels:     campaign.Labels(true, true),
	Techniques: []string{"T1059.004", "T1046", "T1021.002", "T1569.002", "T1570", "T1021.004", "T1083", "T1560.001", "T1074.002", "T1048.002", "T1070.004"},
	Twin:       "admin-services",
	Hosts:      campaign.Hosts,
	Near:       campaign.Near,
	Inbound:    true,
	Variants:   campaign.Variants("psexec", "service-file", "smbexec", "net-service"),
	Params:     campaign.Params(true),
	Programs:   campaign.Programs(),
	Limit:      15 * time.Minute,
	Run:        run,
}

func run(ctx context.Context, r *lab.Run) error {
	return campaign.Run(ctx, r, true, campaign.ByRemote(r.Variant(), "smbexec", "T1021.002"))
}

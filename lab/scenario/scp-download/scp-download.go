// Package scpdownload is files that are copied from a host with scp.
package scpdownload

import (
	"context"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/transfer"
)

// Scenario copies files and directories from a server, and compares them.
var Scenario = lab.Scenario{
	Name:       "scp-download",
	Doc:        "Files and directories are copied from a server with scp, by its old protocol or SFTP. Teaches download, small and large.",
	Labels:     []label.Label{label.Download},
	Techniques: []string{"T1105"},
	Twin:       "scp-upload",
	Hosts:      []string{"client", "server"},
	Variants:   transfer.VariantsSCP(),
	Params:     transfer.ParamsSCP(),
	Limit:      transfer.LimitSCP,
	Run:        run,
}

func run(ctx context.Context, r *lab.Run) error {
	return transfer.CopySCP(ctx, r, label.StateDownload)
}

// Package scpupload is files that are copied to a host with scp.
package scpupload

import (
	"context"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/transfer"
)

// Scenario copies files and directories to a server, and compares them.
var Scenario = lab.Scenario{
	Name:       "scp-upload",
	Doc:        "Files and directories are copied to a server with scp, by its old protocol or SFTP. Teaches upload, small and large.",
	Labels:     []label.Label{label.Upload},
	Techniques: []string{"T1570", "T1048.002"},
	Twin:       "scp-download",
	Hosts:      []string{"client", "server"},
	Variants:   transfer.VariantsSCP(),
	Params:     transfer.ParamsSCP(),
	Limit:      transfer.LimitSCP,
	Run:        run,
}

func run(ctx context.Context, r *lab.Run) error {
	return transfer.CopySCP(ctx, r, label.StateUpload)
}

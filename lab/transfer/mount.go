package transfer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
)

// Mounted waits until sshfs, which is p, has mounted the account on a directory
// of the client.
func (s *Site) Mounted(ctx context.Context, p *lab.Process, dir string) error {
	return await(ctx, "mount", func() (bool, error) {
		select {
		case <-p.Done():
			return false, fmt.Errorf("sshfs has ended: %w\n%s", p.Wait(ctx), p.Output())
		case <-time.After(100 * time.Millisecond):
		}
		kind, err := s.Client.Run(ctx, lab.Command{Args: []string{"stat", "-f", "-c", "%T", dir}})
		return strings.TrimSpace(string(kind)) == "fuseblk", err
	})
}

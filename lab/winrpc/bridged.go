package winrpc

import (
	"context"
	"fmt"

	"tyto/lab"
	"tyto/lab/c2"
)

// The ports of loopback on which the connection of Bridged's agents begins and
// ends.
const (
	FarPort    = 4701 // of the far agent
	MiddlePort = 4702 // of the agent in the middle
)

// Bridged lets a far agent on the host client work with one in the middle on
// the host pivot, over a named pipe between them: of the pivot, or of the client
// if by its plan the far agent waits. It returns the agent in the middle; s.Agent
// is then as if the agent itself had opened the SMB session.
func Bridged(ctx context.Context, r *lab.Run, s *c2.Session, pipe string, o Options) (middle *lab.Process, err error) {
	client, pivot := r.Host("client"), r.Host("pivot")
	owner, opener, from, to := pivot, client, FarPort, MiddlePort
	if s.Plan.Bind {
		owner, opener, from, to = client, pivot, MiddlePort, FarPort
	}
	o.Relays = map[string]int{pipe: to}
	server, err := Start(ctx, r, owner, o)
	if err != nil {
		return nil, err
	}
	bridge, err := server.Bridge(ctx, opener, from, pipe, s.Plan.Bind, r.Rand())
	if err != nil {
		return nil, err
	}
	err = lab.Together(ctx, func(ctx context.Context) (err error) {
		addr := fmt.Sprint(":", MiddlePort)
		if s.Plan.Bind {
			addr = fmt.Sprint("127.0.0.1:", MiddlePort)
			if err := client.WaitListen(ctx, "tcp", FarPort); err != nil {
				return err
			}
		}
		if middle, err = pivot.Start(ctx, lab.Command{Program: "pivot", Args: []string{addr}}); err != nil {
			return err
		}
		return middle.Wait(ctx)
	}, func(ctx context.Context) error {
		if !s.Plan.Bind {
			if err := pivot.WaitListen(ctx, "tcp", MiddlePort); err != nil {
				return err
			}
		}
		return s.Work(ctx, client)
	})
	if err != nil {
		return nil, fmt.Errorf("%w\nthe bridge says %s", err, bridge.Process.Output())
	}
	s.Agent, err = bridge.Finish(ctx, s.Agent)
	return middle, err
}

package auto

import (
	"context"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
)

// Chrony lets chronyd on the host "client" ask servers at its own rhythm, the
// power of two seconds next to the pauses, for about as long as these are; the
// clock is left alone. The knob "source" is "same" if it asks from one port.
func Chrony(ctx context.Context, r *lab.Run, addrs []string, pauses []time.Duration) error {
	client := r.Host("client")
	r.Installed(client, "chronyd@chrony")
	var all time.Duration
	for _, p := range pauses {
		all += p
	}
	poll := min(max(0, bits.Len(uint(pauses[len(pauses)-1].Seconds()))-1), 4)
	args := []string{"chronyd", "-x", "-d", "-f", "/dev/null", "cmdport 0", "pidfile /run/chrony.pid"}
	if r.Param("source") == "same" {
		args = append(args, "acquisitionport 1123")
	}
	for _, a := range addrs {
		args = append(args, fmt.Sprintf("server %s minpoll %d maxpoll %d iburst", a, poll, poll))
	}
	p, err := client.Start(ctx, lab.Command{Args: args})
	if err != nil {
		return err
	}
	defer r.Segment(lab.Of(p), label.StateExchange, "time")() // most flows are one question
	if err := r.Sleep(ctx, max(all, 12*time.Second)); err != nil {
		return err
	}
	p.Stop()
	if !strings.Contains(p.Output(), "Selected source") {
		return fmt.Errorf("chrony chose no server: %s", p.Output())
	}
	return nil
}

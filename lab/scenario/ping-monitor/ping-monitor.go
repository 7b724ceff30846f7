// Package pingmonitor is a monitor that pings hosts.
package pingmonitor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/label"
)

// Scenario pings some hosts again and again, of which some may be down.
var Scenario = lab.Scenario{
	Name:   "ping-monitor",
	Doc:    "A monitor pings hosts at a rhythm, with one long-lived program or a new one each time; some hosts are down. The benign twin of a beacon in echo requests.",
	Labels: []label.Label{label.Poll},
	Twin:   "c2-icmp",
	Hosts:  []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "fping", Needs: []string{"fping"}}, {Name: "ping", Needs: []string{"ping"}}, {Name: "fping-rounds", Needs: []string{"fping"}}, {Name: "ping-rounds", Needs: []string{"ping"}},
	},
	Params: auto.Params(
		lab.Param{Name: "hosts", Doc: "that are watched", Values: []string{"1", "2", "5", "12"}},
		lab.Param{Name: "dead", Doc: "of them, % that are down, but for the first", Values: []string{"0", "0", "25"}},
		lab.Param{Name: "payload", Doc: "bytes in an echo request", Values: []string{"16", "56", "56", "180", "900", "1400"}},
		lab.Param{Name: "count", Doc: "echo requests to a host each time, where a new program makes them", Values: []string{"1", "1", "3"}}),
	Limit: 6 * time.Minute, Run: run,
}

func run(ctx context.Context, r *lab.Run) error {
	client := r.Host("client")
	pauses, err := auto.Pauses(r, 4)
	if err != nil {
		return err
	}
	addrs, alive, err := auto.Targets(ctx, r, r.Host("server"), r.ParamInt("hosts"), r.ParamInt("dead"))
	if err != nil {
		return err
	}
	program, rounds, _ := strings.Cut(r.Variant(), "-")
	r.Installed(client, program)
	var all []*lab.Process
	start := func(count int, period time.Duration) (err error) {
		for _, line := range lines(program, r.Param("payload"), count, period, addrs) {
			p, failed := client.Start(ctx, lab.Command{Args: line})
			all, err = append(all, p), errors.Join(err, failed)
		}
		return err
	}
	asked := len(pauses)
	if rounds == "" {
		period, _ := time.ParseDuration(r.Param("interval")) // Pauses has read it
		r.SetParam("jitter", "0")
		r.SetParam("rhythm", "minus")
		err = start(asked, period)
	} else {
		asked *= r.ParamInt("count")
		for _, p := range pauses {
			if err = errors.Join(r.Sleep(ctx, p), start(r.ParamInt("count"), 300*time.Millisecond)); err != nil {
				break
			}
		}
	}
	if err != nil {
		return err
	}
	answers := make(map[string]int)
	for _, p := range all {
		// Status 1: a host did not answer.
		if err := p.Wait(ctx); lab.Status(err) != 0 && lab.Status(err) != 1 {
			return err
		}
		tell(r, p, answers)
	}
	r.Label(lab.From(client), label.Poll)
	for _, a := range addrs {
		if got := answers[a]; !alive[a] && got > 0 || alive[a] && (got*3 < asked*2 || r.Profile().Loss == 0 && got < asked) {
			return fmt.Errorf("%s gave %d answers to %d echo requests", a, got, asked)
		}
	}
	return nil
}

// lines are the programs that ping all addresses count times.
func lines(program, payload string, count int, period time.Duration, addrs []string) (all [][]string) {
	n := strconv.Itoa(count)
	if program == "fping" {
		return [][]string{append([]string{"fping", "-D", "-b", payload, "-t", "3000", "-r", "0", "-c", n, "-p", fmt.Sprint(period.Milliseconds())}, addrs...)}
	}
	for _, a := range addrs {
		all = append(all, []string{"ping", "-n", "-D", "-s", payload, "-W", "3", "-c", n, "-i", fmt.Sprintf("%.3f", period.Seconds()), a})
	}
	return all
}

// answer is what both programs say of one: when it came, from where, and how
// many milliseconds after its request.
var answer = regexp.MustCompile(`(?m)^\[(\d+\.\d+)\] (?:\d+ bytes from )?(\d+\.\d+\.\d+\.\d+)\s*: .*?(?:time=)?([0-9.]+) ms`)

// late is how much later than an answer its time may be told on a busy machine.
const late = label.Time(20 * time.Millisecond)

// tell tells each echo as an exchange, and counts them by host.
func tell(r *lab.Run, p *lab.Process, answers map[string]int) {
	for _, m := range answer.FindAllStringSubmatch(p.Output(), -1) {
		at, _ := strconv.ParseFloat(m[1], 64)
		took, _ := strconv.ParseFloat(m[3], 64)
		over := label.Time(at * 1e9)
		r.Span(auto.Echoes(r.Host("client"), netip.MustParseAddr(m[2])), over-label.Time(took*1e6)-late, over, label.StateExchange, "echo")
		answers[m[2]]++
	}
}

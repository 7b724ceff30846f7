// Package scanports is somebody who looks for open ports.
package scanports

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
	"tyto/lab/label"
)

// Scenario looks for the ports that some addresses listen on.
var Scenario = lab.Scenario{
	Name:       "scan-ports",
	Doc:        "Ports of many addresses or many ports of one are tried, fast or slowly. Teaches scans by their many short sessions: refused, silent, closed at once.",
	Labels:     []label.Label{label.Scan},
	Techniques: []string{"T1046", "T1018"},
	Twin:       "monitor-checks",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "nmap-connect", Needs: []string{"nmap"}}, {Name: "nmap-syn", Needs: []string{"nmap"}}, {Name: "nmap-version", Needs: []string{"nmap"}},
		{Name: "nc", Needs: []string{"nc.openbsd@netcat-openbsd"}}, {Name: "bash", Needs: []string{"bash", "timeout@coreutils"}},
	},
	Params: []lab.Param{
		{Name: "shape", Doc: "many addresses with few ports, one with many, some with some", Values: []string{"horizontal", "vertical", "block"}},
		{Name: "tries", Doc: "about; fewer where they are slow", Values: []string{"20", "60", "200"}},
		{Name: "pace", Doc: "slow has a pause after each try", Values: []string{"fast", "fast", "slow"}},
		{Name: "dead", Doc: "% of the addresses that do not answer, but for the first", Values: []string{"0", "20", "60"}},
		{Name: "open", Doc: "% of the ports on the others that are open", Values: []string{"0", "5", "30"}},
	},
	Programs: map[string]func(context.Context, []string) error{"services": c2.Services},
	Limit:    5 * time.Minute,
	Run:      run,
}

var common = []int{22, 80, 443, 445, 3389, 21, 23, 25, 53, 110, 135, 139, 143, 389, 993, 1433, 1521, 3306, 5432, 5900, 5985, 6379, 8080, 8443, 9200, 27017}

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	tries := r.ParamInt("tries")
	pause := "0"
	if r.Param("pace") == "slow" {
		pause, tries = fmt.Sprintf("%.1f", .4+r.Rand().Float64()), min(tries, 40)
	}
	if !strings.HasPrefix(r.Variant(), "nmap") || r.Variant() == "nmap-version" {
		tries = min(tries, 40)
	}
	addrs := map[string]int{"vertical": 1, "horizontal": min(tries, 8+r.Rand().IntN(12)), "block": 5}[r.Param("shape")]
	alive, all := []string{server.Addr().String()}, []string{server.Addr().String()}
	for len(all) < addrs {
		a, err := server.AddAddr(ctx)
		if err != nil {
			return err
		}
		all = append(all, a.String())
		if r.Rand().IntN(100) >= r.ParamInt("dead") {
			alive = append(alive, a.String())
		} else if _, err := server.Run(ctx, lab.Command{Args: []string{"ip", "addr", "del", a.String() + "/32", "dev", "eth0"}}); err != nil {
			return err
		}
	}
	ports := slices.Clone(common)
	for p := 1024; len(ports) < 200; p += 1 + r.Rand().IntN(80) {
		ports = append(ports, p)
	}
	slices.Sort(ports[len(common):])
	ports = slices.Compact(ports)[:max(1, tries/addrs)]
	r.SetParam("tries", strconv.Itoa(addrs*len(ports)))
	open := make(map[string]bool)
	var list []string
	for _, p := range ports {
		list = append(list, strconv.Itoa(p))
		for _, a := range alive {
			if r.Rand().IntN(100) < r.ParamInt("open") {
				open[fmt.Sprint(a, ":", p)] = true
			}
		}
	}
	s, err := server.Start(ctx, lab.Command{Program: "services", Args: slices.Sorted(maps.Keys(open))})
	if err != nil {
		return err
	}
	for a := range open {
		if err := server.WaitListen(ctx, "tcp", int(netip.MustParseAddrPort(a).Port())); err != nil {
			return fmt.Errorf("%w\n%s", err, s.Output())
		}
	}
	r.Rand().Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	program, _, _ := strings.Cut(r.Variant(), "-")
	r.Installed(client, map[string]string{"nc": "nc.openbsd@netcat-openbsd"}[program]+map[string]string{"nmap": "nmap", "bash": "bash"}[program])
	sel := lab.From(client) // raw packets have no socket that could tell whose they are
	r.Label(sel, label.Scan)
	end := r.Segment(sel, label.StateProbe, r.Variant())
	out, err := client.Run(ctx, lab.Command{Args: []string{"bash", "-c", c2.Scanners[r.Variant()], "bash", strings.Join(all, " "), strings.Join(list, ","), pause}})
	if err != nil {
		return err
	}
	end()
	got := c2.Found(string(out))
	if r.Profile().Loss == 0 && !maps.Equal(got, open) || len(got) < len(open)*3/4 {
		return fmt.Errorf("it found %v, not %v", got, open)
	}
	return nil
}

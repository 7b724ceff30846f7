// Package prometheusscrape is a monitor that fetches metrics.
package prometheusscrape

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario lets Prometheus scrape some machines at an interval.
var Scenario = lab.Scenario{
	Name:   "prometheus-scrape",
	Doc:    "Prometheus fetches the metrics of some machines at an interval, over HTTP or HTTPS, in one long connection to each. Exact rhythms with answers of one size: the benign twin of a beacon in one connection.",
	Labels: []label.Label{label.Poll},
	Twin:   "c2-http2",
	Hosts:  []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "prometheus-go", Needs: []string{"prometheus", "curl", "ss", "openssl"}},
		{Name: "prometheus-node", Needs: []string{"prometheus", "prometheus-node-exporter", "curl", "ss", "openssl"}},
	},
	Params: []lab.Param{
		{Name: "interval", Doc: "between scrapes of a machine", Values: []string{"2s", "3s", "5s", "10s"}},
		{Name: "seconds", Doc: "that are recorded", Values: []string{"25", "40", "60"}},
		{Name: "targets", Doc: "machines", Values: []string{"1", "3", "6"}},
		{Name: "lines", Doc: "of metrics; a node exporter has its own", Values: []string{"5", "60", "800"}},
		{Name: "scheme", Doc: "of the addresses", Values: []string{"http", "https"}},
		{Name: "port", Doc: "of the exporters", Values: []string{"9100", "9100", "8080", "443"}},
	},
	Limit:    6 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"exporter": auto.Exporter},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	addrs, _, err := auto.Targets(ctx, r, server, r.ParamInt("targets"), 0)
	if err != nil {
		return err
	}
	interval, err := time.ParseDuration(r.Param("interval"))
	if err != nil {
		return err
	}
	_, err = webapp.Certify(ctx, r, server, "ecdsa", "node.corp.example")
	port, scheme := r.Param("port"), r.Param("scheme")
	command := lab.Command{Program: "exporter", Args: []string{":" + port, scheme, r.Param("lines"), fmt.Sprint(r.Rand().Uint64())}}
	if r.Variant() == "prometheus-node" {
		command = lab.Command{Args: []string{"prometheus-node-exporter", "--web.listen-address=:" + port, "--collector.disable-defaults", "--collector.cpu", "--collector.meminfo", "--collector.loadavg", "--collector.stat", "--collector.netdev", "--collector.vmstat"}}
		if r.Installed(server, "prometheus-node-exporter"); scheme == "https" {
			err = errors.Join(err, server.Write("web.yml", "tls_server_config: {cert_file: server.pem, key_file: server.key}\n", 0o644))
			command.Args = append(command.Args, "--web.config=web.yml")
		}
	} else {
		r.Software("server", "net/http", runtime.Version())
	}
	var targets []string
	for _, a := range addrs {
		targets = append(targets, a+":"+port)
	}
	if err := errors.Join(err, client.Write("prometheus.yml", auto.PrometheusConfig(scheme, interval, targets), 0o644)); err != nil {
		return err
	}
	exporter, err := server.Start(ctx, command)
	if err == nil {
		err = server.WaitListen(ctx, "tcp", r.ParamInt("port"))
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, exporter.Output())
	}
	r.Installed(client, "prometheus")
	p, err := client.Start(ctx, lab.Command{Args: strings.Fields("prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address=127.0.0.1:9090 --storage.tsdb.wal-segment-size=10MB")})
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.Poll)
	if err := errors.Join(client.WaitListen(ctx, "tcp", 9090), r.Sleep(ctx, time.Duration(r.ParamInt("seconds"))*time.Second)); err != nil {
		return fmt.Errorf("%w\n%s", err, p.Output())
	}
	scrapes, err := auto.Scrapes(ctx, client)
	if err != nil {
		return err
	}
	flows, err := auto.Established(ctx, client)
	if err != nil {
		return err
	}
	p.Stop()
	good := 0
	for _, s := range scrapes {
		flow, ok := flows[s.Target]
		if !ok {
			return fmt.Errorf("there is no connection to %s", s.Target)
		}
		if r.Span(flow, s.Began-early, s.Began+s.Took+early, label.StateExchange, "scrape"); s.Successful {
			good++
		}
	}
	if least := len(targets) * (r.ParamInt("seconds")*int(time.Second)/int(interval) - 2); good < len(scrapes)*9/10 || good < least*9/10 {
		return fmt.Errorf("%d of %d scrapes were successful, want %d\n%s", good, len(scrapes), least, p.Output())
	}
	return nil
}

// early is how much Prometheus corrects the time of a scrape, to have it at the
// interval.
const early = label.Time(20 * time.Millisecond)

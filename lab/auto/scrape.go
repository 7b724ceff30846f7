package auto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"tyto/lab"
	"tyto/lab/label"
)

// Exporter is a program of a scenario that has metrics at /metrics: its
// arguments are the address, "https" with the host's server.pem or "http", how
// many lines there are, and a seed.
func Exporter(ctx context.Context, args []string) error {
	var lines int
	var seed uint64
	if _, err := fmt.Sscan(args[2]+" "+args[3], &lines, &seed); err != nil {
		return err
	}
	var scrapes atomic.Uint64
	server := &http.Server{Addr: args[0], Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		n := scrapes.Add(1)
		rng := rand.New(rand.NewPCG(seed, n))
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		for i := range lines {
			fmt.Fprintf(w, "app_counter_%d_total{handler=\"/api/%d\"} %d\n", i/8, i%8, int(n)*100+rng.IntN(100))
		}
	})}
	context.AfterFunc(ctx, func() { server.Close() })
	err := error(nil)
	if args[1] == "https" {
		err = server.ListenAndServeTLS("server.pem", "server.key")
	} else {
		err = server.ListenAndServe()
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Scrape is what Prometheus knows of one of its scrapes.
type Scrape struct {
	Target     string // address and port
	Began      label.Time
	Took       label.Time
	Successful bool
}

// Scrapes asks Prometheus on a host for its scrapes of the last minutes.
func Scrapes(ctx context.Context, h *lab.Host) (all []Scrape, err error) {
	took, err := query(ctx, h, "scrape_duration_seconds")
	if err != nil {
		return nil, err
	}
	up, err := query(ctx, h, "up")
	if err != nil {
		return nil, err
	}
	for key, seconds := range took {
		all = append(all, Scrape{key.target, label.Time(key.ms * 1e6), label.Time(seconds * 1e9), up[key] == 1})
	}
	return all, nil
}

type sample struct {
	target string
	ms     int64 // since the epoch
}

// query asks for the samples of a metric.
func query(ctx context.Context, h *lab.Host, metric string) (map[sample]float64, error) {
	out, err := h.Run(ctx, lab.Command{Args: []string{"curl", "-sSfG", "http://127.0.0.1:9090/api/v1/query", "--data-urlencode", "query=" + metric + "[10m]"}})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, fmt.Errorf("the query of %s was answered with %.200q: %w", metric, out, err)
	}
	all := make(map[sample]float64)
	for _, series := range answer.Data.Result {
		for _, v := range series.Values {
			var at, value float64
			if _, err := fmt.Sscan(string(v[0])+" "+strings.Trim(string(v[1]), `"`), &at, &value); err != nil {
				return nil, err
			}
			all[sample{series.Metric["instance"], int64(at*1000 + .5)}] = value
		}
	}
	return all, nil
}

// PrometheusConfig scrapes targets at an interval.
func PrometheusConfig(scheme string, interval time.Duration, targets []string) string {
	return fmt.Sprintf("global:\n  scrape_interval: %s\n  scrape_timeout: %[1]s\nscrape_configs:\n- job_name: nodes\n  scheme: %s\n  tls_config: {insecure_skip_verify: true}\n  static_configs:\n  - targets: ['%s']\n",
		fmt.Sprintf("%dms", interval.Milliseconds()), scheme, strings.Join(targets, "', '"))
}

// Established are the TCP connections that a host has now, by the address and
// port at their other end.
func Established(ctx context.Context, h *lab.Host) (map[string]lab.Selector, error) {
	out, err := h.Run(ctx, lab.Command{Args: []string{"ss", "-Htn", "state", "established"}})
	if err != nil {
		return nil, err
	}
	all := make(map[string]lab.Selector)
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		local, err1 := netip.ParseAddrPort(f[2])
		remote, err2 := netip.ParseAddrPort(f[3])
		if err1 == nil && err2 == nil { // others are IPv6
			all[f[3]] = Flow("tcp", local, remote)
		}
	}
	return all, nil
}

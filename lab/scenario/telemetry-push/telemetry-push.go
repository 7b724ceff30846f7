// Package telemetrypush is a device that reports what it measures.
package telemetrypush

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario posts measurements at a rhythm; the service acknowledges each.
var Scenario = lab.Scenario{
	Name:     "telemetry-push",
	Doc:      "A device posts its measurements to a service over HTTPS at a rhythm, and more at once after it could not for a while. Small regular uploads with small answers: the benign twin of a beacon that answers tasks.",
	Labels:   []label.Label{label.Poll},
	Twin:     "c2-https",
	Hosts:    []string{"client", "server"},
	Variants: webapp.Variants("go", "requests", "aiohttp", "curl"),
	Params: auto.Params(auto.Connections(),
		lab.Param{Name: "readings", Doc: "in a report, about", Values: []string{"1", "5", "30", "200"}},
		lab.Param{Name: "form", Doc: "of a report", Values: []string{"json", "json", "binary"}},
		lab.Param{Name: "backlog", Doc: "one report of so many has several times as many readings", Values: []string{"0", "0", "7"}},
		lab.Param{Name: "answer", Doc: "bytes of settings in an answer, about", Values: []string{"0", "0", "200", "2000"}},
		lab.Param{Name: "http", Doc: "highest version", Values: []string{"1", "2"}},
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"443", "443", "443", "8883"}}),
	Limit:    6 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": serve, "client": auto.Steps},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client := r.Host("client")
	kind, front, _ := strings.Cut(r.Variant(), "-")
	pauses, err := auto.Pauses(r, 4)
	if err != nil {
		return err
	}
	s, err := webapp.Start(ctx, r, r.Host("server"), webapp.Options{
		Kind: front, Name: "ingest.devices.example", Port: r.ParamInt("port"), HTTP1: r.Param("http") == "1", Program: "server", Clients: []*lab.Host{client}, Args: []string{r.Param("answer")},
	})
	if err != nil {
		return err
	}
	var steps []auto.Step
	var reports []string
	url := s.URL(fmt.Sprintf("/v1/devices/%08x/telemetry", r.Rand().Uint32()))
	for i, pause := range pauses {
		n := 1 + r.Rand().IntN(2*r.ParamInt("readings"))
		if every := r.ParamInt("backlog"); every > 0 && i%every == every-1 {
			n *= 3 + r.Rand().IntN(6)
		}
		text, kind := report(r.Param("form"), n, r.Rand())
		name := fmt.Sprint("report", i)
		if err := client.Write(name, text, 0o644); err != nil {
			return err
		}
		reports = append(reports, text)
		steps = append(steps, auto.Step{Pause: pause, Method: http.MethodPost, URL: url, File: name, Header: map[string]string{"Content-Type": kind}})
	}
	answers, err := auto.Take(ctx, r, client, kind, steps)
	if err != nil {
		return err
	}
	for i, a := range answers {
		if want := receipt(reports[i]); a.Status != http.StatusOK || !strings.Contains(a.Body, want) {
			return fmt.Errorf("report %d was answered with %d %q, not with %s", i, a.Status, a.Body, want)
		}
	}
	requests, err := s.Stop()
	if err != nil {
		return err
	}
	webapp.Tell(r, requests, func(*webapp.Request) (label.State, string) { return label.StateExchange, "report" }, label.Poll)
	return nil
}

// report makes a report of n readings.
func report(form string, n int, rng *rand.Rand) (text, kind string) {
	if form == "binary" {
		return lab.Random(6+8*n, rng), "application/octet-stream"
	}
	var all []map[string]float64
	for range n {
		all = append(all, map[string]float64{"t": float64(1700000000 + rng.IntN(1e6)), "temperature": float64(rng.IntN(6000)) / 100, "voltage": float64(rng.IntN(400)) / 100})
	}
	b, _ := json.Marshal(all) // numbers
	return string(b), "application/json"
}

// receipt is by what the service tells that it has a report.
func receipt(report string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(report)))[:16] }

// serve is the service; after the arguments of Serve comes how long its
// settings are.
func serve(ctx context.Context, args []string) error {
	var settings int
	if _, err := fmt.Sscan(args[2], &settings); err != nil {
		return err
	}
	return webapp.Serve(ctx, args, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"accepted": %q, "settings": %q}`, receipt(string(body)), strings.Repeat("interval=60;", settings*(8+rand.IntN(5))/120))
	}))
}

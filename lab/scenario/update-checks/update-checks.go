// Package updatechecks is a program that looks for its next version.
package updatechecks

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario asks for the latest version again and again; once there is a new one.
var Scenario = lab.Scenario{
	Name:     "update-checks",
	Doc:      "A program asks over HTTPS at a rhythm whether there is a new version; most times nothing has changed, at some time it downloads one. The benign twin of a beacon that is told to fetch a tool.",
	Labels:   []label.Label{label.Poll, label.Download},
	Twin:     "c2-https",
	Hosts:    []string{"client", "server"},
	Variants: webapp.Variants("go", "requests", "aiohttp", "curl"),
	Params: auto.Params(auto.Connections(),
		lab.Param{Name: "manifest", Doc: "bytes of the description of a version, about", Values: []string{"150", "900", "6000"}},
		lab.Param{Name: "unchanged", Doc: "how the server tells that there is nothing new: by a status without content, or by the same manifest", Values: []string{"status", "manifest"}},
		lab.Param{Name: "update", Doc: "whether a new version appears", Values: []string{"no", "no", "yes"}},
		lab.Param{Name: "size", Doc: "of a version in kB, about", Values: []string{"20", "150", "900", "4000"}},
		lab.Param{Name: "http", Doc: "highest version", Values: []string{"1", "2"}}),
	Limit:    6 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": auto.ServeUpdates, "client": auto.Steps},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, rng := r.Host("client"), r.Rand()
	kind, front, _ := strings.Cut(r.Variant(), "-")
	pauses, err := auto.Pauses(r, 4)
	if err != nil {
		return err
	}
	fresh := len(pauses) + 1 // the check that finds a new version
	if r.Param("update") == "yes" {
		fresh = 1 + rng.IntN(len(pauses))
	}
	size := int(1000 * float64(r.ParamInt("size")) * (.6 + .8*rng.Float64()))
	seed := rng.Uint64()
	s, err := webapp.Start(ctx, r, r.Host("server"), webapp.Options{
		Kind: front, Name: "updates.vendor.example", HTTP1: r.Param("http") == "1", Program: "server", Clients: []*lab.Host{client},
		Args: []string{r.Param("manifest"), strconv.Itoa(fresh), strconv.Itoa(size), fmt.Sprint(seed)},
	})
	if err != nil {
		return err
	}
	var steps []auto.Step
	var want []int // status of each
	for i, pause := range pauses {
		current, status := 1, http.StatusOK
		if i >= fresh {
			current = 2
		}
		step := auto.Step{Pause: pause, Method: http.MethodGet, URL: s.URL(fmt.Sprint("/api/update?channel=stable&current=", current)), Header: map[string]string{"User-Agent": "agent-updater/1"}}
		if r.Param("unchanged") == "status" {
			if step.Header["If-None-Match"] = auto.UpdateTag(current); i+1 != fresh {
				status = http.StatusNotModified
			}
		}
		if steps, want = append(steps, step), append(want, status); i+1 == fresh {
			steps = append(steps, auto.Step{Pause: time.Duration(rng.IntN(2000)) * time.Millisecond, Method: http.MethodGet, URL: s.URL(auto.UpdateFile)})
			want = append(want, http.StatusOK)
		}
	}
	answers, err := auto.Take(ctx, r, client, kind, steps)
	if err != nil {
		return err
	}
	content := lab.Random(size, rand.New(rand.NewPCG(seed, 0)))
	for i, a := range answers {
		if a.Status != want[i] || strings.HasSuffix(steps[i].URL, auto.UpdateFile) && a.Body != content {
			return fmt.Errorf("%s was answered with %d and %d bytes", steps[i].URL, a.Status, len(a.Body))
		}
	}
	requests, err := s.Stop()
	if err != nil {
		return err
	}
	half := label.Time(r.Profile().RTT.Duration() / 2)
	webapp.Tell(r, requests, func(q *webapp.Request) (label.State, string) {
		if q.Path != auto.UpdateFile {
			return label.StateExchange, "version check"
		}
		r.Label(q.Flow(), label.Download)
		r.Span(q.Flow(), q.Began-half, answers[fresh].Over, label.StateDownload, q.Path) // the client knows the end better
		return 0, ""
	}, label.Poll)
	return nil
}

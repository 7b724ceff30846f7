// Package webshell is an intruder who runs commands through a page of a site.
package webshell

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/c2"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario posts commands to a page of a web site, which runs them.
var Scenario = lab.Scenario{
	Name:       "webshell",
	Doc:        "An intruder looks at some pages of a web site and posts commands to another, which runs them on the server and shows their output, with time to think in between or by a script. Teaches commands where the server is the victim.",
	Labels:     []label.Label{label.Command, label.Browse},
	Techniques: []string{"T1505.003", "T1059", "T1190"},
	Twin:       "https-browse",
	Hosts:      []string{"client", "server"},
	Variants:   c2.WebshellVariants("go", "requests", "aiohttp", "curl"),
	Params: []lab.Param{
		auto.Connections(),
		{Name: "commands", Doc: "that are run", Values: []string{"2", "5", "10"}},
		{Name: "pages", Doc: "of the site that are read before", Values: []string{"0", "1", "4"}},
		{Name: "pace", Doc: "of a person who reads, or of a script", Values: []string{"person", "person", "script"}},
		{Name: "shape", Doc: "of the output: in a page, or bare", Values: []string{"html", "bare"}},
		{Name: "http", Doc: "highest version", Values: []string{"1", "2"}},
		{Name: "name", Doc: "of the site", Values: []string{"www.shop.example", "blog.example.net", "intranet.corp.example"}},
	},
	Limit:    6 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": c2.Webshell, "client": auto.Steps},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, rng := r.Host("client"), r.Rand()
	kind, front, _ := strings.Cut(r.Variant(), "-")
	s, err := webapp.Start(ctx, r, r.Host("server"), webapp.Options{
		Kind: front, Name: r.Param("name"), HTTP1: r.Param("http") == "1", Program: "server", Clients: []*lab.Host{client},
		Args: []string{r.Param("shape"), fmt.Sprint(rng.Uint64())},
	})
	if err != nil {
		return err
	}
	r.Note("the web shell is the lab's own: it runs what its short list has")
	pause := func() time.Duration {
		if r.Param("pace") == "script" {
			return time.Duration(rng.IntN(400)) * time.Millisecond
		}
		return min(r.Typist().Think(200, rng)+time.Duration(rng.IntN(2000))*time.Millisecond, 15*time.Second)
	}
	var steps []auto.Step
	var names, wants []string
	for i := range r.ParamInt("pages") {
		steps = append(steps, auto.Step{Pause: pause(), Method: http.MethodGet, URL: s.URL(fmt.Sprintf("/page/%d", i))})
		names, wants = append(names, ""), append(wants, "<title>")
	}
	for i := range r.ParamInt("commands") {
		name, want := c2.WebshellCommand(rng)
		file := fmt.Sprint("form", i)
		if err := client.Write(file, c2.WebshellForm(name), 0o644); err != nil {
			return err
		}
		steps = append(steps, auto.Step{Pause: pause(), Method: http.MethodPost, URL: s.URL(c2.WebshellPath), File: file, Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}})
		names, wants = append(names, name), append(wants, want)
	}
	answers, err := auto.Take(ctx, r, client, kind, steps)
	if err != nil {
		return err
	}
	for i, a := range answers {
		if a.Status != http.StatusOK || !strings.Contains(a.Body, wants[i]) {
			return fmt.Errorf("%s %q was answered with %d and %q", steps[i].URL, names[i], a.Status, a.Body)
		}
	}
	requests, err := s.Stop()
	if err != nil {
		return err
	}
	commands := names[r.ParamInt("pages"):]
	webapp.Tell(r, requests, func(q *webapp.Request) (label.State, string) {
		if q.Path != c2.WebshellPath {
			r.Label(q.Flow(), label.Browse)
			return label.StateBrowse, q.Path
		}
		name := commands[0]
		commands = commands[1:]
		r.Label(q.Flow(), label.Command)
		return label.StateExchange, name
	})
	return nil
}

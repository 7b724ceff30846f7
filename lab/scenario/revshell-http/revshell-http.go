// Package revshellhttp is a reverse shell over HTTPS with long polls.
package revshellhttp

import (
	"context"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
	"tyto/lab/label"
)

// Scenario opens a shell that asks for its input by long polls.
var Scenario = lab.Scenario{
	Name:       "revshell-http",
	Doc:        "A host's shell asks a web server for its next line, which comes when somebody has typed it, and posts what it prints. Teaches a responder that leads by answering late.",
	Labels:     []label.Label{label.ReverseShell},
	Techniques: []string{"T1059.004", "T1071.001", "T1573.002"},
	Twin:       "https-longpoll",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{variant("go-go"), variant("curl-go", "curl"), variant("go-nginx", "nginx"), variant("curl-nginx", "curl", "nginx")},
	Params: append(c2.ShellParams(),
		lab.Param{Name: "poll", Doc: "how long the server lets a poll wait", Values: []string{"2s", "5s", "20s", "50s"}},
		lab.Param{Name: "http", Doc: "version; always 1 with curl", Values: []string{"1", "2"}},
		lab.Param{Name: "connection", Doc: "a new one for each request or not; always new with curl", Values: []string{"new", "keep"}},
		lab.Param{Name: "name", Doc: "of the server", Values: []string{"api.example.net", "sync.telemetry.example", "www.news.example.org"}}),
	Programs: c2.RelayPrograms(),
	Limit:    12 * time.Minute,
	Run:      run,
}

func variant(name string, needs ...string) lab.Variant {
	return lab.Variant{Name: name, Needs: append(needs, "openssl", "ss", "ps")}
}

func run(ctx context.Context, r *lab.Run) error {
	program, web, _ := strings.Cut(r.Variant(), "-")
	if program == "curl" {
		r.SetParam("http", "1")
		r.SetParam("connection", "new")
		r.Installed(r.Host("client"), "curl")
	}
	poll, err := time.ParseDuration(r.Param("poll"))
	if err != nil {
		return err
	}
	return c2.WorkRelayed(ctx, r, c2.Plan{
		Client: program, Name: r.Param("name"), Front: web == "nginx", Poll: poll,
		HTTP2: r.Param("http") == "2", KeepAlive: r.Param("connection") == "keep",
	}, "http", "lines")
}

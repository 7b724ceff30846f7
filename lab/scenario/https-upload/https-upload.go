// Package httpsupload is files that are put on a web server.
package httpsupload

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario uploads some files, with think time in between, and compares them.
var Scenario = lab.Scenario{
	Name:     "https-upload",
	Doc:      "A person puts files on a company's server over HTTPS, each whole or as part of a form. The benign twin of exfiltration over HTTPS.",
	Labels:   []label.Label{label.Upload},
	Twin:     "exfil-https",
	Hosts:    []string{"client", "server"},
	Variants: webapp.Variants("curl", "go", "requests", "wget"),
	Params: []lab.Param{
		{Name: "size", Doc: "of a file in kB, about", Values: []string{"4", "50", "400", "2500"}},
		{Name: "files", Doc: "in one session", Values: []string{"1", "2", "5"}},
		{Name: "rounds", Doc: "sessions, one after the other", Values: []string{"1", "2", "4"}},
		{Name: "form", Doc: "how a file is sent: alone, or in a multipart form; wget and forms do not go together", Values: []string{"put", "multipart"}},
		{Name: "port", Doc: "of the server", Values: []string{"443", "443", "443", "8443"}},
	},
	Limit:    6 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": webapp.KeepFiles, "client": webapp.Upload},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	kind, front, _ := strings.Cut(r.Variant(), "-")
	const most = 6000 // kB in one run
	if total := r.ParamInt("size") * r.ParamInt("files") * r.ParamInt("rounds"); total > most {
		r.SetParam("size", fmt.Sprint(r.ParamInt("size")*most/total))
	}
	if kind == "wget" {
		r.SetParam("form", "put")
	}
	s, err := webapp.Start(ctx, r, server, webapp.Options{Kind: front, Name: "share.corp.example", Port: r.ParamInt("port"), Program: "server", Clients: []*lab.Host{client}})
	if err != nil {
		return err
	}
	command, err := webapp.Client(r, client, kind, webapp.UploadPython)
	if err != nil {
		return err
	}
	for round := range r.ParamInt("rounds") {
		if round > 0 {
			if err := r.Think(ctx, r.Rand()); err != nil {
				return err
			}
		}
		if err := send(ctx, r, s, kind, command, round); err != nil {
			return err
		}
	}
	requests, err := s.Stop()
	if err != nil {
		return err
	}
	webapp.Tell(r, requests, func(q *webapp.Request) (label.State, string) { return label.StateUpload, q.Path }, label.Upload)
	return nil
}

// send makes new files on the client, uploads and compares them.
func send(ctx context.Context, r *lab.Run, s *webapp.Server, kind string, command lab.Command, round int) error {
	files := make(map[string]string)
	form := r.Param("form")
	command.Args = append(command.Args, form)
	script := "set -e\n" // of what has no option for several files
	curl := "curl -sSf"
	for i := range r.ParamInt("files") {
		name := fmt.Sprintf("%d-%d.bin", round, i)
		files[name] = lab.Random(int(float64(r.ParamInt("size"))*1000*(.6+.8*r.Rand().Float64())), r.Rand())
		url := s.URL("/files/" + name)
		command.Args = append(command.Args, name, url)
		script += fmt.Sprintf("wget -qO- --method=PUT --body-file=%s %s\n", name, url)
		if i > 0 {
			curl += " --next -sSf"
		}
		curl += map[string]string{"put": " -T " + name, "multipart": " -F comment=weekly -F file=@" + name}[form] + " " + url
	}
	if kind == "curl" || kind == "wget" {
		command = lab.Command{Args: []string{"sh", "-c", map[string]string{"curl": curl, "wget": script}[kind]}}
	}
	client, server := r.Host("client"), s.Host
	if err := client.WriteFiles("", files); err != nil {
		return err
	}
	if _, err := client.Run(ctx, command); err != nil {
		return err
	}
	for name, want := range files {
		if got, err := server.Read(name); err != nil || string(got) != want {
			return fmt.Errorf("%s came as %d other bytes: %v", name, len(got), err)
		}
	}
	return nil
}

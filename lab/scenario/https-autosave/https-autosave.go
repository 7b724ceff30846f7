// Package httpsautosave is somebody who writes in a web application.
package httpsautosave

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/typist"
	"tyto/lab/webapp"
)

// Scenario writes a mail, whose draft is saved by itself.
var Scenario = lab.Scenario{
	Name:     "https-autosave",
	Doc:      "A person writes a mail in a web application, which saves the whole draft whenever the fingers rest. Uploads that grow, at human times: the benign twin of slow exfiltration.",
	Labels:   []label.Label{label.Poll},
	Twin:     "exfil-https",
	Hosts:    []string{"client", "server"},
	Variants: webapp.Variants("go", "requests"),
	Params: []lab.Param{
		{Name: "words", Doc: "in a paragraph, at least", Values: []string{"12", "30", "60"}},
		{Name: "paragraphs", Doc: "of the mail", Values: []string{"1", "2", "4"}},
		{Name: "rest", Doc: "without a key, before the draft is saved", Values: []string{"0.5s", "1s", "2s", "3s"}},
		{Name: "most", Doc: "time from a change to its save", Values: []string{"3s", "10s", "30s"}},
		{Name: "port", Doc: "of the server", Values: []string{"443", "443", "443", "8443"}},
	},
	Limit:    12 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": webapp.KeepFiles, "client": webapp.Autosave},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client := r.Host("client")
	kind, front, _ := strings.Cut(r.Variant(), "-")
	s, err := webapp.Start(ctx, r, r.Host("server"), webapp.Options{
		Kind: front, Name: "mail.corp.example", Port: r.ParamInt("port"), Program: "server", Clients: []*lab.Host{client},
	})
	if err != nil {
		return err
	}
	command, err := webapp.Client(r, client, kind, webapp.AutosavePython)
	if err != nil {
		return err
	}
	draft := fmt.Sprintf("draft-%06d.txt", r.Rand().IntN(1000000))
	command.Args = append(command.Args, s.URL("/mail/drafts/"+draft), r.Param("rest"), r.Param("most"))
	t, err := client.Terminal(ctx, command, "100x30")
	if err != nil {
		return err
	}
	if _, err := t.Expect(ctx, regexp.MustCompile("ready")); err != nil {
		return err
	}
	var want string
	for i := range r.ParamInt("paragraphs") {
		paragraph := typist.Prose(r.ParamInt("words"), r.Rand())
		if i > 0 {
			paragraph = "\n\n" + paragraph
		}
		if err := r.Think(ctx, r.Rand()); err != nil {
			return err
		}
		if err := t.Type(ctx, r.Typist(), paragraph); err != nil {
			return err
		}
		want += paragraph
	}
	if err := t.Type(ctx, r.Typist(), "\x04"); err != nil {
		return err
	}
	if err := t.Wait(ctx); err != nil {
		return err
	}
	if got, err := s.Host.Read(draft); err != nil || string(got) != want {
		return fmt.Errorf("the draft is %q, want %q: %v", got, want, err)
	}
	requests, err := s.Stop()
	if err != nil {
		return err
	}
	webapp.Tell(r, requests, func(q *webapp.Request) (label.State, string) { return label.StateExchange, "save " + draft }, label.Poll)
	return nil
}

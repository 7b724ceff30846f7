// Package sshpipe is archives and images that go through a login's standard
// input or output.
package sshpipe

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/transfer"
)

// Scenario packs files through ssh, up or down, and compares what arrived.
var Scenario = lab.Scenario{
	Name:       "ssh-pipe",
	Doc:        "tar, dd or cat is piped through ssh, for a backup or to steal data. Teaches bulk without a file protocol's messages.",
	Labels:     []label.Label{label.Upload, label.Download, label.Exfiltration},
	Techniques: []string{"T1048.002", "T1560.001"},
	Twin:       "scp-upload",
	Hosts:      []string{"client", "server"},
	Variants:   transfer.Variants(nil, "openssh-openssh", "openssh-dropbear", "openssh-tinyssh", "dropbear-openssh", "dropbear-dropbear", "putty-openssh"),
	Params: transfer.Params(
		lab.Param{Name: "tool", Doc: "that reads or packs", Values: []string{"tar", "tgz", "dd", "cat"}},
		lab.Param{Name: "direction", Doc: "of the data", Values: []string{"up", "down"}},
		lab.Param{Name: "purpose", Doc: "of the copy, which nothing else depends on", Values: []string{"backup", "exfiltration"}},
		lab.Param{Name: "size", Doc: "of the data in kB, about", Values: []string{"2", "60", "600", "5000"}},
		lab.Param{Name: "rounds", Doc: "logins, one after the other", Values: []string{"1", "1", "2", "3"}},
	),
	Limit: 8 * time.Minute,
	Run:   run,
}

// tools are what reads and what writes; dd and cat move one image.
var tools = map[string][2]string{
	"tar": {"tar -C data -cf - .", "tar -C copy -xf -"},
	"tgz": {"tar -C data -czf - .", "tar -C copy -xzf -"},
	"dd":  {"dd if=data/image bs=64k status=none", "dd of=copy/image bs=64k status=none"},
	"cat": {"cat data/image", "cat >copy/image"},
}

func run(ctx context.Context, r *lab.Run) error {
	s, err := transfer.Start(ctx, r)
	if err != nil {
		return err
	}
	for round := range r.ParamInt("rounds") {
		if round > 0 {
			if err := s.Pause(ctx); err != nil {
				return err
			}
		}
		if err := pipe(ctx, s); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	return nil
}

// pipe makes new data, pipes and compares them.
func pipe(ctx context.Context, s *transfer.Site) error {
	r, tool := s.Run, s.Run.Param("tool")
	files := transfer.Files(1+r.Rand().IntN(12), r.ParamInt("size")*1000, r.Rand())
	if tool == "dd" || tool == "cat" {
		files = map[string]string{"image": transfer.Content(r.ParamInt("size")*1000, r.Rand())}
	}
	reader, writer := tools[tool][0], tools[tool][1]
	var err error
	p, state, kind := "", label.StateUpload, label.Upload
	login := "'" + strings.Join(s.Login(nil).Args, "' '") + "'"
	if r.Param("direction") == "up" {
		p = reader + " | " + login + " '" + writer + "'"
		err = prepare(ctx, s, files, nil)
	} else {
		p = login + " '" + reader + "' </dev/null | " + writer
		state, kind = label.StateDownload, label.Download
		err = prepare(ctx, s, nil, files)
	}
	if err != nil {
		return err
	}
	c, err := s.Client.Start(ctx, lab.Command{Env: s.Env(), Args: []string{"bash", "-o", "pipefail", "-c", p}})
	if err != nil {
		return err
	}
	r.Label(lab.Of(c), kind)
	if r.Param("purpose") == "exfiltration" {
		r.Label(lab.Of(c), label.Exfiltration)
	}
	// What goes up is on its way before the login shell has begun.
	began, err := s.LoggedIn(ctx, c)
	if err != nil {
		return err
	}
	session, err := s.Finished(ctx, c)
	if err != nil {
		return err
	}
	r.Span(lab.Of(c), began, session.Over, state, tool)
	if state == label.StateUpload {
		return transfer.Same(s.Host, s.Home+"/copy", files)
	}
	return transfer.Same(s.Client, s.Client.Dir()+"/copy", files)
}

// prepare makes the directories of both sides anew, with their data.
func prepare(ctx context.Context, s *transfer.Site, local, remote map[string]string) error {
	for host, dir := range map[*lab.Host]string{s.Client: s.Client.Dir(), s.Host: s.Home} {
		if _, err := host.Run(ctx, lab.Command{Dir: dir, Args: []string{"sh", "-c", "rm -rf data copy && mkdir data copy"}}); err != nil {
			return err
		}
	}
	if err := s.Client.WriteFiles("data", local); err != nil {
		return err
	}
	return s.WriteHome(ctx, "data", remote)
}

// Package rsyncssh is directories that rsync makes equal over SSH.
package rsyncssh

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/transfer"
)

// Scenario copies a directory, then changes it and copies again.
var Scenario = lab.Scenario{
	Name:       "rsync-ssh",
	Doc:        "rsync pushes or pulls a directory over SSH: a first copy, then small updates. Teaches lists and checksums beside bulk.",
	Labels:     []label.Label{label.Sync, label.Upload, label.Download},
	Techniques: []string{"T1048.002", "T1105"},
	Twin:       "scp-upload",
	Hosts:      []string{"client", "server"},
	Variants: transfer.Variants([]string{"rsync"}, "openssh-openssh", "openssh-dropbear", "openssh-tinyssh",
		"dropbear-openssh", "dropbear-dropbear", "putty-openssh"),
	Params: transfer.Params(
		lab.Param{Name: "direction", Doc: "of the copy", Values: []string{"push", "pull"}},
		lab.Param{Name: "size", Doc: "of the directory in kB, about", Values: []string{"20", "200", "2000"}},
		lab.Param{Name: "files", Doc: "in it", Values: []string{"2", "15", "80"}},
		lab.Param{Name: "updates", Doc: "after the first copy", Values: []string{"1", "2", "4"}},
		lab.Param{Name: "options", Doc: "of rsync", Values: []string{"-a", "-az", "-ac"}},
	),
	Limit: 8 * time.Minute,
	Run:   run,
}

func run(ctx context.Context, r *lab.Run) error {
	s, err := transfer.Start(ctx, r)
	if err != nil {
		return err
	}
	r.Installed(s.Client, "rsync")
	files := transfer.Files(r.ParamInt("files"), r.ParamInt("size")*1000, r.Rand())
	old := ""
	for round := range 1 + r.ParamInt("updates") {
		if round > 0 {
			if err := s.Pause(ctx); err != nil {
				return err
			}
			old = transfer.Change(files, r.Rand())
		}
		if err := copyTree(ctx, s, files, old); err != nil {
			return fmt.Errorf("copy %d: %w", round, err)
		}
	}
	return nil
}

// stamped runs rsync and puts the time before each line that it prints.
const stamped = `rsync "$@" | while read -r line; do echo "$EPOCHREALTIME $line"; done; exit ${PIPESTATUS[0]}`

// copyTree puts the files where they come from, runs rsync and compares.
func copyTree(ctx context.Context, s *transfer.Site, files map[string]string, old string) error {
	r := s.Run
	local, remote := "tree/", s.Target()+":tree/"
	from, to, target, state, kind := local, remote, s.Host, label.StateUpload, label.Upload
	source, dir, other := s.Client, s.Client.Dir()+"/tree", s.Home+"/tree"
	if r.Param("direction") == "pull" {
		from, to, target, state, kind = to, from, source, label.StateDownload, label.Download
		source, dir, other = s.Host, other, dir
	}
	err := source.WriteFiles(dir, files)
	if err == nil && old != "" {
		_, err = source.Run(ctx, lab.Command{Args: []string{"rm", "-f", dir + "/" + old}})
	}
	if err != nil {
		return err
	}
	args := []string{"bash", "-c", stamped, "rsync", r.Param("options"), "--no-owner", "--no-group", "--delete", "--outbuf=L", "--stats", "--out-format=%i %n", "-e", s.Shell(), from, to}
	p, err := s.Client.Start(ctx, lab.Command{Env: s.Env(), Args: args})
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.Sync)
	session, err := s.Ended(ctx, p)
	if err != nil {
		return err
	}
	began, sent := session.Over, 0
	for line := range strings.Lines(p.Output()) {
		f := strings.Fields(line)
		switch {
		case len(f) == 3 && f[1][1:] != "" && f[1][1] == 'f' && began == session.Over:
			if began, err = transfer.ParseTime(f[0]); err != nil {
				return err
			}
		case len(f) == 5 && f[1] == "Literal":
			if sent, err = strconv.Atoi(strings.ReplaceAll(f[3], ",", "")); err != nil {
				return err
			}
		}
	}
	if sent <= transfer.Small {
		began = session.Over
	} else {
		r.Label(lab.Of(p), kind)
		r.Span(lab.Of(p), began, session.Over, state, fmt.Sprint(sent, " bytes"))
	}
	r.Span(lab.Of(p), session.T0, began, label.StateExchange, "lists and checksums")
	if old != "" {
		if _, err := target.Read(other + "/" + old); err == nil {
			return fmt.Errorf("%s was not removed", old)
		}
	}
	return transfer.Same(target, other, files)
}

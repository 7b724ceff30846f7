// Package sftpsession is an SFTP session, of a person or a batch.
package sftpsession

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/transfer"
)

// Scenario puts and gets files in one session.
var Scenario = lab.Scenario{
	Name:       "sftp-session",
	Doc:        "Files go up and down in an SFTP session that a person types or a batch runs. Teaches transfers in both directions with pauses.",
	Labels:     []label.Label{label.Upload, label.Download},
	Techniques: []string{"T1105", "T1570"},
	Twin:       "sshfs",
	Hosts:      []string{"client", "server"},
	Variants: slices.Concat(
		transfer.Variants([]string{"sftp", sftpServer}, "openssh-openssh", "openssh-dropbear", "dropbear-openssh"),
		transfer.Variants([]string{"psftp", sftpServer}, "putty-openssh", "putty-dropbear"),
		transfer.Variants([]string{sftpServer}, "paramiko-openssh"),
	),
	Params: transfer.Params(
		lab.Param{Name: "mode", Doc: "who gives the commands; always a batch with paramiko and dropbear", Values: []string{"interactive", "batch"}},
		lab.Param{Name: "direction", Doc: "of the files", Values: []string{"up", "down", "both"}},
		lab.Param{Name: "commands", Doc: "that move a file", Values: []string{"1", "3", "6"}},
		lab.Param{Name: "size", Doc: "of a file in kB, about", Values: []string{"1", "20", "150", "1500"}},
	),
	Limit: 8 * time.Minute,
	Run:   run,
}

const sftpServer = "/usr/lib/sftp-server@openssh-sftp-server"

func run(ctx context.Context, r *lab.Run) error {
	s, err := transfer.Start(ctx, r)
	if err != nil {
		return err
	}
	if s.Kind == "paramiko" || s.Kind == "dropbear" {
		r.SetParam("mode", "batch")
	}
	var lines []transfer.Line
	var labels []label.Label
	put, get := make(map[string]string), make(map[string]string)
	for i := range r.ParamInt("commands") {
		if r.Rand().IntN(3) == 0 {
			lines = append(lines, transfer.Line{Text: "ls files", Want: `old\.txt`})
		}
		name := fmt.Sprint(i, "-", transfer.Name(r.Rand()))
		content := transfer.Content(r.ParamInt("size")*1000, r.Rand())
		up := r.Param("direction") == "up" || r.Param("direction") == "both" && r.Rand().IntN(2) == 0
		if up {
			put[name], labels = content, append(labels, label.Upload)
			lines = append(lines, transfer.Line{Text: "put " + name + " files/" + name})
		} else {
			get[name], labels = content, append(labels, label.Download)
			lines = append(lines, transfer.Line{Text: "get files/" + name + " " + name})
		}
	}
	if err := s.WriteHome(ctx, "files", map[string]string{"old.txt": "the oldest file\n"}); err != nil {
		return err
	}
	if err := s.WriteHome(ctx, "files", get); err != nil {
		return err
	}
	if err := s.Client.WriteFiles("", put); err != nil {
		return err
	}
	p, err := s.SFTP(ctx, lines, r.Param("mode") == "batch")
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), labels...)
	told, err := s.Ended(ctx, p)
	if err != nil {
		return err
	}
	s.Tell(p, told)
	if err := transfer.Same(s.Host, s.Home+"/files", put); err != nil {
		return err
	}
	return transfer.Same(s.Client, s.Client.Dir(), get)
}

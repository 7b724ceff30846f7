// Package sshfs is a directory of an SSH server that is mounted and worked in.
package sshfs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/transfer"
)

// Scenario mounts the account's files and lists, reads, writes and searches
// them.
var Scenario = lab.Scenario{
	Name:       "sshfs",
	Doc:        "A directory is mounted with sshfs and worked in: lists, reads, copies both ways, edits. Teaches file operations among bulk.",
	Labels:     []label.Label{label.Mount},
	Techniques: []string{"T1039", "T1021.004"},
	Twin:       "sftp-session",
	Hosts:      []string{"client", "server"},
	Variants: transfer.Variants([]string{"sshfs", "fusermount3@fuse3", "/dev/fuse@fuse3", "/usr/lib/sftp-server@openssh-sftp-server"},
		"openssh-openssh", "openssh-dropbear", "dropbear-openssh", "dropbear-dropbear", "putty-openssh"),
	Params: transfer.Params(
		lab.Param{Name: "files", Doc: "in the directory", Values: []string{"3", "12", "40"}},
		lab.Param{Name: "size", Doc: "of one in kB, about", Values: []string{"2", "20", "150"}},
		lab.Param{Name: "tasks", Doc: "one after the other", Values: []string{"3", "6", "12"}},
		lab.Param{Name: "cache", Doc: "of attributes and lists", Values: []string{"yes", "yes", "no"}},
	),
	Limit: 8 * time.Minute,
	Run:   run,
}

func run(ctx context.Context, r *lab.Run) error {
	s, err := transfer.Start(ctx, r)
	if err != nil {
		return err
	}
	r.Installed(s.Client, "sshfs")
	files := transfer.Files(r.ParamInt("files"), r.ParamInt("files")*r.ParamInt("size")*1000, r.Rand())
	if err := errors.Join(s.WriteHome(ctx, "files", files), s.Client.Write("mnt/.keep", "", 0o644), s.Client.Write("mine/.keep", "", 0o644)); err != nil {
		return err
	}
	args := []string{"sshfs", "-f", "-o", "dir_cache=" + r.Param("cache")}
	p, err := s.Client.Start(ctx, lab.Command{Env: s.Env(), Args: append(args, s.SSHFS("files", s.Client.Dir()+"/mnt")...)})
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.Mount)
	if err := s.Mounted(ctx, p, "mnt"); err != nil {
		return err
	}
	for range r.ParamInt("tasks") {
		if err := errors.Join(s.Pause(ctx), task(ctx, s, p, files)); err != nil {
			return err
		}
	}
	if _, err := s.Client.Run(ctx, lab.Command{Args: []string{"fusermount3", "-u", "mnt"}}); err != nil {
		return err
	}
	session, err := s.Ended(ctx, p)
	if err != nil {
		return err
	}
	s.Tell(p, session) // of all that was read and written
	return transfer.Same(s.Host, s.Home+"/files", files)
}

// task does one thing there, and keeps files as the server's must be. What is
// no transfer of content is told here.
func task(ctx context.Context, s *transfer.Site, p *lab.Process, files map[string]string) error {
	r, rng := s.Run, s.Run.Rand()
	names := slices.Sorted(maps.Keys(files))
	name := names[rng.IntN(len(names))]
	script, want, quick := "", "", true
	switch rng.IntN(7) {
	case 0:
		script, want = "ls -l mnt", name
	case 1:
		script, want = "find mnt -type f -size -4000 | wc -l", fmt.Sprint(len(files))
	case 2:
		line := transfer.Name(rng)
		script = "echo " + line + " >>mnt/" + name
		files[name] += line + "\n"
	case 3:
		script = "mv mnt/" + name + " mnt/old-" + name
		files["old-"+name] = files[name]
		delete(files, name)
	case 4:
		script, want, quick = "sha256sum mnt/"+name, transfer.Sum(files[name]), false
	case 5:
		script, want, quick = "cp mnt/"+name+" mine/ && sha256sum mine/"+name, transfer.Sum(files[name]), false
	case 6:
		name = fmt.Sprint("new", len(files), "-", transfer.Name(rng))
		files[name] = transfer.Content(r.ParamInt("size")*1000, rng)
		if err := s.Client.Write("mine/"+name, files[name], 0o644); err != nil {
			return err
		}
		script, quick = "cp mine/"+name+" mnt/", false
	}
	began := r.Now()
	out, err := s.Client.Run(ctx, lab.Command{Args: []string{"sh", "-c", script}})
	if err != nil {
		return err
	}
	if !strings.Contains(string(out), want) {
		return fmt.Errorf("%s printed %q, not %s", script, out, want)
	}
	if quick {
		r.Span(lab.Of(p), began, r.Now(), label.StateExchange, script)
	}
	return nil
}

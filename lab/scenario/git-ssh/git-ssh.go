// Package gitssh is a repository that is cloned, fetched and pushed over SSH.
package gitssh

import (
	"context"
	"fmt"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/transfer"
)

// Scenario clones a repository, then fetches what others did and pushes.
var Scenario = lab.Scenario{
	Name:       "git-ssh",
	Doc:        "A repository is cloned, fetched and pushed over SSH. Teaches negotiation and packs, beside plain copies.",
	Labels:     []label.Label{label.Sync, label.Upload, label.Download},
	Techniques: []string{"T1213.003"},
	Twin:       "scp-download",
	Hosts:      []string{"client", "server"},
	Variants: transfer.Variants([]string{"git"}, "openssh-openssh", "openssh-dropbear", "openssh-tinyssh", "dropbear-openssh",
		"dropbear-dropbear", "putty-openssh"),
	Params: transfer.Params(
		lab.Param{Name: "size", Doc: "of the repository in kB, about", Values: []string{"10", "100", "1500"}},
		lab.Param{Name: "commits", Doc: "in it", Values: []string{"1", "6", "25"}},
		lab.Param{Name: "change", Doc: "of a later commit in kB, about", Values: []string{"1", "10", "300"}},
		lab.Param{Name: "rounds", Doc: "of fetch or push", Values: []string{"1", "3", "6"}},
	),
	Limit: 8 * time.Minute,
	Run:   run,
}

func run(ctx context.Context, r *lab.Run) error {
	s, err := transfer.Start(ctx, r)
	if err != nil {
		return err
	}
	r.Installed(s.Client, "git")
	theirs := transfer.Repository{Host: s.Host, User: s.User, Dir: s.Home + "/work"}
	ours := transfer.Repository{Host: s.Client, Dir: s.Client.Dir() + "/work"}
	size, err := theirs.Fill(ctx, r, r.ParamInt("commits"), r.ParamInt("size")*1000)
	if err != nil {
		return err
	}
	if err := git(ctx, s, "clone", size, "clone", "-q", s.Target()+":repo.git", "work"); err != nil {
		return err
	}
	for range r.ParamInt("rounds") {
		if err := s.Pause(ctx); err != nil {
			return err
		}
		switch r.Rand().IntN(5) {
		case 0: // nothing is new
			err = git(ctx, s, "fetch", 0, "-C", "work", "fetch", "-q")
		case 1, 2:
			if size, err = theirs.Commit(ctx, r, r.ParamInt("change")*1000); err != nil {
				return err
			}
			if err = theirs.Do(ctx, "git push -q origin HEAD:main"); err == nil {
				err = git(ctx, s, "fetch", size, "-C", "work", "pull", "-q", "--ff-only")
			}
		default:
			if size, err = ours.Commit(ctx, r, r.ParamInt("change")*1000); err != nil {
				return err
			}
			if err = git(ctx, s, "push", size, "-C", "work", "push", "-q", "origin", "HEAD:main"); err == nil {
				err = theirs.Do(ctx, "git pull -q --ff-only origin main")
			}
		}
		if err != nil {
			return err
		}
		if a, b := ours.Head(ctx), theirs.Head(ctx); a == "" || a != b {
			return fmt.Errorf("the client is at %q and the server at %q", a, b)
		}
	}
	return ours.Do(ctx, "git fsck --strict && git diff --quiet HEAD")
}

// git runs git on the client; what moves about size bytes of content. It tells
// the pack apart by git's own trace.
func git(ctx context.Context, s *transfer.Site, what string, size int, args ...string) error {
	const trace = "/tmp/git-trace"
	variant := map[bool]string{true: "ssh", false: "simple"}[s.Kind == "openssh"]
	env := append(s.Env(), "GIT_SSH_COMMAND="+s.Shell(), "GIT_SSH_VARIANT="+variant, "GIT_TRACE_PACKET="+trace, "TZ=UTC")
	if _, err := s.Client.Run(ctx, lab.Command{Args: []string{"rm", "-f", trace}}); err != nil {
		return err
	}
	p, err := s.Client.Start(ctx, lab.Command{Args: append([]string{"git"}, args...), Env: env})
	if err != nil {
		return err
	}
	r, sel := s.Run, lab.Of(p)
	session, err := s.Ended(ctx, p)
	if err != nil {
		return err
	}
	data, err := s.Client.Read(trace)
	if err != nil {
		return err
	}
	pack, err := transfer.PackAt(string(data), session.T0, session.Over)
	if err != nil {
		return err
	}
	r.Span(sel, session.T0, pack, label.StateExchange, what+": negotiation")
	state, kind := label.StateDownload, label.Download
	if what == "push" {
		state, kind = label.StateUpload, label.Upload
	}
	if size <= transfer.Small {
		state, kind = label.StateExchange, label.Sync
	}
	r.Label(sel, label.Sync, kind)
	r.Span(sel, pack, session.Over, state, what+": pack")
	return nil
}

package transfer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
)

// Repository is a working copy of git on a host.
type Repository struct {
	Host *lab.Host
	User string // whose it is; root's if empty
	Dir  string
}

// Do runs a script in it; the directory is made first.
func (w Repository) Do(ctx context.Context, script string) error {
	_, err := w.out(ctx, script)
	return err
}

func (w Repository) out(ctx context.Context, script string) (string, error) {
	const identity = "export GIT_AUTHOR_NAME=dev GIT_AUTHOR_EMAIL=dev@corp.example GIT_COMMITTER_NAME=dev GIT_COMMITTER_EMAIL=dev@corp.example; "
	out, err := w.Host.Run(ctx, lab.Command{User: w.User, Args: []string{"sh", "-c", identity + "mkdir -p " + w.Dir + " && cd " + w.Dir + " && " + script}})
	return strings.TrimSpace(string(out)), err
}

// Fill makes the bare repository repo.git beside it, and commits there: about
// size bytes together. It returns how many they are.
func (w Repository) Fill(ctx context.Context, r *lab.Run, commits, size int) (all int, err error) {
	if err := w.Do(ctx, "cd .. && git init -q --bare -b main repo.git && git clone -q repo.git work 2>&1"); err != nil {
		return 0, err
	}
	for range commits {
		n, err := w.Commit(ctx, r, size/commits)
		if err != nil {
			return 0, err
		}
		all += n
	}
	return all, w.Do(ctx, "git push -q origin HEAD:main")
}

// Commit commits a new file, or more of an old one, of about size bytes and
// returns how many they are.
func (w Repository) Commit(ctx context.Context, r *lab.Run, size int) (int, error) {
	name, content := Name(r.Rand()), Content(size, r.Rand())
	if err := w.Host.Write("/tmp/content", content, 0o644); err != nil {
		return 0, err
	}
	return len(content), w.Do(ctx, "cat /tmp/content >>"+name+" && git add . && git commit -q -m 'Change "+name+"'")
}

// Head is the commit it is at, empty if there is none.
func (w Repository) Head(ctx context.Context) string {
	out, _ := w.out(ctx, "git rev-parse HEAD")
	return out
}

// PackAt finds, in git's trace of packets, when the client had said all before
// the pack; that is otherwise if it said no such thing. The trace's times are
// UTC, and near another time.
func PackAt(trace string, near, otherwise label.Time) (pack label.Time, err error) {
	pack = otherwise
	for line := range strings.Lines(trace) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		done := f[4] == "done" && (f[3] == "fetch>" || f[3] == "fetch-pack>" || f[3] == "clone>")
		if f[3] == "push>" || done {
			if pack, err = clock(f[0], near); err != nil {
				return 0, err
			}
		}
	}
	return pack, nil
}

// clock is the time of day in UTC as git traces it, on the day of another time
// or the next.
func clock(text string, near label.Time) (label.Time, error) {
	t, err := time.Parse("15:04:05.000000", text)
	if err != nil {
		return 0, fmt.Errorf("git's trace: %w", err)
	}
	day := near.Time().UTC().Truncate(24 * time.Hour)
	at := day.Add(t.Sub(t.Truncate(24 * time.Hour)))
	if at.Before(near.Time().Add(-12 * time.Hour)) {
		at = at.Add(24 * time.Hour)
	}
	return label.Time(at.UnixNano()), nil
}

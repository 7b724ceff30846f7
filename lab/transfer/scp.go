package transfer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"tyto/lab"
	"tyto/lab/label"
)

// ParamsSCP are the parameters of CopySCP.
func ParamsSCP() []lab.Param {
	return Params(
		lab.Param{Name: "size", Doc: "of all files of a copy in kB, about", Values: []string{"1", "30", "400", "3000"}},
		lab.Param{Name: "files", Doc: "in one copy; 12 are a directory", Values: []string{"1", "1", "3", "12"}},
		lab.Param{Name: "rounds", Doc: "logins, one after the other", Values: []string{"1", "2", "4"}},
		lab.Param{Name: "protocol", Doc: "of the copy; always the old one with dropbear", Values: []string{"sftp", "scp"}},
		lab.Param{Name: "limit", Doc: "in kbit/s; none with PuTTY", Values: []string{"none", "none", "none", "3000"}},
	)
}

// VariantsSCP are the variants of CopySCP.
func VariantsSCP() []lab.Variant {
	return slices.Concat(
		Variants([]string{"scp", "/usr/lib/sftp-server@openssh-sftp-server"}, "openssh-openssh", "openssh-dropbear", "dropbear-openssh", "dropbear-dropbear"),
		Variants([]string{"pscp", "/usr/lib/sftp-server@openssh-sftp-server"}, "putty-openssh", "putty-dropbear"),
	)
}

// CopySCP copies files with scp in rounds, up to the server or down from it,
// and compares them.
func CopySCP(ctx context.Context, r *lab.Run, state label.State) error {
	s, err := Start(ctx, r)
	if err != nil {
		return err
	}
	program := "scp"
	switch s.Kind {
	case "dropbear":
		r.SetParam("protocol", "scp")
	case "putty":
		r.SetParam("limit", "none")
		program = "pscp"
	}
	r.Installed(s.Client, program)
	kind := map[label.State]label.Label{label.StateUpload: label.Upload, label.StateDownload: label.Download}[state]
	for round := range r.ParamInt("rounds") {
		if round > 0 {
			if err := s.Pause(ctx); err != nil {
				return err
			}
		}
		dir := fmt.Sprint("d", round)
		files := Files(r.ParamInt("files"), r.ParamInt("size")*1000, r.Rand())
		if err := s.prepare(ctx, dir, files, state); err != nil {
			return err
		}
		p, err := s.Client.Start(ctx, s.scp(dir, slices.Sorted(maps.Keys(files)), state))
		if err != nil {
			return err
		}
		r.Label(lab.Of(p), kind)
		session, err := s.Ended(ctx, p)
		if err != nil {
			return err
		}
		if r.Param("protocol") == "sftp" {
			s.Tell(p, session)
		} else {
			r.Span(lab.Of(p), session.T0, session.Over, state, dir)
		}
		to, base := s.Host, s.Home+"/"
		if state == label.StateDownload {
			to, base = s.Client, s.Client.Dir()+"/"
		}
		if err := Same(to, base+dir, files); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the files where they come from, and the directory where they
// go unless it is copied as a whole.
func (s *Site) prepare(ctx context.Context, dir string, files map[string]string, state label.State) error {
	target := map[string]string{".keep": ""}
	if len(files) > 3 {
		target = nil
	}
	if state == label.StateDownload {
		if err := s.Client.WriteFiles(dir, target); err != nil {
			return err
		}
		return s.WriteHome(ctx, dir, files)
	}
	if err := s.Client.WriteFiles(dir, files); err != nil {
		return err
	}
	return s.WriteHome(ctx, dir, target)
}

// scp is the command that copies the files of a directory, or all of it.
func (s *Site) scp(dir string, names []string, state label.State) lab.Command {
	var args []string
	old := s.Run.Param("protocol") == "scp"
	if s.Kind == "putty" {
		args = append([]string{"pscp", "-q", "-" + s.Run.Param("protocol")}, s.PuTTY()...)
	} else {
		args = append([]string{"scp", "-q"}, s.OpenSSH()...)
		if old {
			args = append(args, "-O")
		}
		if limit := s.Run.Param("limit"); limit != "none" {
			args = append(args, "-l", limit)
		}
	}
	from, to := "", s.Target()+":"
	if state == label.StateDownload {
		from, to = to, ""
	}
	if len(names) > 3 {
		return lab.Command{Env: s.Env(), Args: append(args, "-r", from+dir, to+".")}
	}
	for _, name := range names {
		args = append(args, from+dir+"/"+name)
	}
	return lab.Command{Env: s.Env(), Args: append(args, to+dir)}
}

// LimitSCP is how long a run of CopySCP may take.
const LimitSCP = 8 * time.Minute

package auto

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/net/webdav"

	"tyto/lab"
	"tyto/lab/webapp"
)

// ServeWebDAV is a program of a scenario that shares its directory "share" by
// WebDAV. Its arguments are those of webapp.Serve.
func ServeWebDAV(ctx context.Context, args []string) error {
	return webapp.Serve(ctx, args, &webdav.Handler{FileSystem: webdav.Dir("share"), LockSystem: webdav.NewMemLS()})
}

// Operation is something that is done with a share: "list" a directory, "get"
// or "put" a file by its own name, "mkdir", "move" a file to another name,
// "delete".
type Operation struct {
	Step // its pause is before the operation; what else it has is not looked at
	Do   string
	Name string
	To   string // of "move"
}

const listProperties = `<?xml version="1.0"?><propfind xmlns="DAV:"><prop><getcontentlength/><getlastmodified/><resourcetype/></prop></propfind>`

// request makes the request of an operation for Take. The file "list.xml" has
// what a list asks for, which Properties writes.
func (o Operation) request(s *webapp.Server) Step {
	step := Step{Pause: o.Pause, URL: s.URL("/" + o.Name)}
	switch o.Do {
	case "list":
		step.Method, step.File, step.Header = "PROPFIND", "list.xml", map[string]string{"Depth": "1", "Content-Type": "application/xml"}
	case "put":
		step.Method, step.File = http.MethodPut, o.Name
	case "mkdir":
		step.Method = "MKCOL"
	case "move":
		step.Method, step.Header = "MOVE", map[string]string{"Destination": s.URL("/" + o.To)}
	case "delete":
		step.Method = http.MethodDelete
	default:
		step.Method = http.MethodGet
	}
	return step
}

// Properties writes the file that lists need to a host.
func Properties(h *lab.Host) error { return h.Write("list.xml", listProperties, 0o644) }

// cadaver is the command of an interactive client that is told the operations
// at their times. What it gets goes to the directory "got".
func cadaver(s *webapp.Server, all []Operation) lab.Command {
	var b strings.Builder
	for _, o := range all {
		line := map[string]string{"list": "ls " + o.Name, "get": "get " + o.Name + " got/" + o.Name, "put": "put " + o.Name, "mkdir": "mkcol " + o.Name, "move": "move " + o.Name + " " + o.To, "delete": "delete " + o.Name}[o.Do]
		fmt.Fprintf(&b, "sleep %.3f; echo %s; ", o.Pause.Seconds(), line)
	}
	return lab.Command{Args: []string{"sh", "-c", "mkdir -p got; (" + b.String() + "sleep 1; echo quit) | cadaver " + s.URL("/")}}
}

// rclone is the command of a copying tool for each operation at its time.
func rclone(s *webapp.Server, all []Operation) lab.Command {
	b := "set -e; mkdir -p got; "
	for _, o := range all {
		line := map[string]string{"list": "lsl --max-depth 1 :webdav:" + o.Name, "get": "copyto :webdav:" + o.Name + " got/" + o.Name, "put": "copyto " + o.Name + " :webdav:" + o.Name, "mkdir": "mkdir :webdav:" + o.Name, "move": "moveto :webdav:" + o.Name + " :webdav:" + o.To, "delete": "deletefile :webdav:" + o.Name}[o.Do]
		b += fmt.Sprintf("sleep %.3f; rclone -q %s; ", o.Pause.Seconds(), line)
	}
	return lab.Command{Args: []string{"sh", "-c", b}, Env: []string{"RCLONE_WEBDAV_URL=" + s.URL("/"), "RCLONE_WEBDAV_VENDOR=other", "RCLONE_CONFIG=rclone.conf"}}
}

// UseShare lets a client on the host "client" do the operations: "cadaver",
// "rclone", or one of those of Take. What it gets is in the directory "got" then.
func UseShare(ctx context.Context, r *lab.Run, s *webapp.Server, kind string, all []Operation) error {
	client := r.Host("client")
	if kind == "cadaver" || kind == "rclone" {
		command := map[string]func(*webapp.Server, []Operation) lab.Command{"cadaver": cadaver, "rclone": rclone}[kind](s, all)
		r.Installed(client, kind)
		_, err := client.Run(ctx, command)
		return err
	}
	var steps []Step
	for _, o := range all {
		steps = append(steps, o.request(s))
	}
	answers, err := Take(ctx, r, client, kind, steps)
	for i, a := range answers {
		if a.Status/100 != 2 {
			err = errors.Join(err, fmt.Errorf("%s %s was answered with %d", steps[i].Method, steps[i].URL, a.Status))
		} else if all[i].Do == "get" {
			err = errors.Join(err, client.Write("got/"+all[i].Name, a.Body, 0o644))
		}
	}
	return err
}

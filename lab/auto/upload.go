package auto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Uploader puts files into a store with a client: "rclone", "s3cmd", "restic",
// or one of those of Take.
type Uploader struct {
	Store  *webapp.Server
	Client *lab.Host
	Kind   string
	Bucket string
	Part   int           // bytes of a part of Take's clients; rclone and s3cmd have 5 MiB
	Pause  time.Duration // of Take's clients between parts, about
}

// StartStore starts a store, of which front is the web server, and returns an uploader.
func StartStore(ctx context.Context, r *lab.Run, kind, front, name string) (*Uploader, error) {
	client := r.Host("client")
	s, err := webapp.Start(ctx, r, r.Host("server"), webapp.Options{
		Kind: front, Name: name, HTTP1: r.Param("http") == "1", Program: "store", Clients: []*lab.Host{client},
	})
	if err != nil {
		return nil, err
	}
	r.Note("the object store is the lab's own")
	return &Uploader{Store: s, Client: client, Kind: kind, Bucket: fmt.Sprintf("b%06d", r.Rand().IntN(1e6)), Part: 5 << 20}, nil
}

// Put uploads files by name from a directory of the client, where it writes them
// first.
func (u *Uploader) Put(ctx context.Context, r *lab.Run, dir string, files map[string]string) error {
	contents := make(map[string]string)
	for name, text := range files {
		contents[dir+"/"+name] = text
	}
	if err := u.Client.WriteFiles("", contents); err != nil {
		return err
	}
	switch u.Kind {
	case "rclone", "s3cmd", "restic":
		r.Installed(u.Client, u.Kind)
		if _, err := u.Client.Run(ctx, u.command(dir, slices.Sorted(maps.Keys(contents)))); err != nil {
			return err
		}
	default:
		for _, file := range slices.Sorted(maps.Keys(contents)) {
			if err := u.inParts(ctx, r, file, contents[file]); err != nil {
				return err
			}
		}
	}
	if u.Kind == "restic" {
		return nil // Snapshots tells
	}
	for file, want := range contents {
		if got, err := u.Store.Host.Read(ObjectFile(u.Bucket + "/" + file)); err != nil || string(got) != want {
			return fmt.Errorf("%s came as %d other bytes: %w", file, len(got), err)
		}
	}
	return nil
}

// Password and keys that the store does not look at.
var credentials = []string{
	"RCLONE_S3_ACCESS_KEY_ID=AKIAEXAMPLE", "RCLONE_S3_SECRET_ACCESS_KEY=example", "RCLONE_S3_PROVIDER=Other", "RCLONE_S3_NO_CHECK_BUCKET=true",
	"RCLONE_S3_CHUNK_SIZE=5Mi", "RCLONE_S3_UPLOAD_CUTOFF=5Mi", "RCLONE_CONFIG=rclone.conf", "RCLONE_NO_UPDATE_MODTIME=true",
	"AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=example", "RESTIC_PASSWORD=example", "RESTIC_CACHE_DIR=cache", "HOME=/root",
}

func (u *Uploader) command(dir string, files []string) lab.Command {
	c := lab.Command{Env: append(credentials[:len(credentials):len(credentials)], "RCLONE_S3_ENDPOINT="+u.Store.URL(""))}
	switch u.Kind {
	case "rclone":
		c.Args = []string{"rclone", "copy", "-q", dir, ":s3:" + u.Bucket + "/" + dir}
	case "s3cmd":
		c.Args = append(append([]string{"s3cmd", "-c", "/dev/null", "-q", "--host=" + u.Store.Authority(), "--host-bucket=" + u.Store.Authority(), "--access_key=AKIAEXAMPLE",
			"--secret_key=example", "--region=us-east-1", "--multipart-chunk-size-mb=5", "--no-mime-magic", "put"}, files...), "s3://"+u.Bucket+"/"+dir+"/")
	default:
		c.Args = u.restic("backup", "-q", dir)
	}
	return c
}

func (u *Uploader) restic(args ...string) []string {
	return append([]string{"restic", "-r", "s3:" + u.Store.URL("/"+u.Bucket), "-o", "s3.bucket-lookup=path"}, args...)
}

// Init makes a repository for restic.
func (u *Uploader) Init(ctx context.Context) error {
	_, err := u.Client.Run(ctx, lab.Command{Args: u.restic("init", "-q"), Env: credentials})
	return err
}

// Snapshots is how many there are in restic's repository.
func (u *Uploader) Snapshots(ctx context.Context) (int, error) {
	out, err := u.Client.Run(ctx, lab.Command{Args: u.restic("snapshots", "--json"), Env: credentials})
	if err != nil {
		return 0, err
	}
	var all []struct{}
	if err := json.Unmarshal(out, &all); err != nil {
		return 0, fmt.Errorf("restic says %q: %w", out, err)
	}
	return len(all), nil
}

// inParts uploads a file in parts, as S3 has it.
func (u *Uploader) inParts(ctx context.Context, r *lab.Run, file, content string) error {
	url := u.Store.URL("/" + u.Bucket + "/" + file)
	id := UploadID(u.Bucket + "/" + file)
	steps := []Step{{Method: http.MethodPost, URL: url + "?uploads", Header: map[string]string{"Content-Length": "0"}}}
	list := "<CompleteMultipartUpload>"
	for n := 1; len(content) > 0; n++ {
		part := content[:min(len(content), u.Part)]
		content = content[len(part):]
		name := fmt.Sprintf("%s.%03d", strings.ReplaceAll(file, "/", "_"), n)
		if err := u.Client.Write(name, part, 0o644); err != nil {
			return err
		}
		steps = append(steps, Step{
			Pause: time.Duration(float64(u.Pause) * (.5 + r.Rand().Float64())), Method: http.MethodPut, URL: fmt.Sprintf("%s?partNumber=%d&uploadId=%s", url, n, id), File: name,
		})
		list += fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", n, tagOf([]byte(part)))
	}
	if err := u.Client.Write("complete.xml", list+"</CompleteMultipartUpload>", 0o644); err != nil {
		return err
	}
	steps = append(steps, Step{Method: http.MethodPost, URL: url + "?uploadId=" + id, File: "complete.xml"})
	answers, err := Take(ctx, r, u.Client, u.Kind, steps)
	for _, a := range answers {
		if a.Status != http.StatusOK {
			err = errors.Join(err, fmt.Errorf("the store says %d %s", a.Status, a.Body))
		}
	}
	return err
}

// Tell ends the store, and tells its requests with labels of their flows.
func (u *Uploader) Tell(r *lab.Run, labels ...label.Label) error {
	requests, err := u.Store.Stop()
	if err != nil {
		return err
	}
	r.Label(lab.Service(u.Store.Host, "tcp", 443), labels...) // some connections are never used
	webapp.Tell(r, requests, func(q *webapp.Request) (label.State, string) {
		path, _, _ := strings.Cut(q.Path, "?")
		if q.Method == http.MethodPut && strings.Count(path, "/") > 1 {
			return label.StateUpload, path
		}
		return label.StateExchange, q.Method + " " + path
	}, labels...)
	return nil
}

// Package backupupload is a machine that backs itself up.
package backupupload

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/label"
	"tyto/lab/typist"
	"tyto/lab/webapp"
)

// Scenario uploads a machine's files to an object store, and again what changed.
var Scenario = lab.Scenario{
	Name:     "backup-upload",
	Doc:      "A machine backs up its files to an object store, as a whole and then what has changed, with a backup program, a copying tool, or archives in parts. The benign twin of exfiltration to the cloud.",
	Labels:   []label.Label{label.Upload},
	Twin:     "exfil-cloud",
	Hosts:    []string{"client", "server"},
	Variants: webapp.Variants("restic", "rclone", "s3cmd", "curl", "requests"),
	Params: []lab.Param{
		auto.Connections(),
		{Name: "size", Doc: "of the files in kB together, about", Values: []string{"200", "900", "3000", "6000"}},
		{Name: "files", Doc: "that there are at first; one archive with curl and requests", Values: []string{"3", "10", "30"}},
		{Name: "rounds", Doc: "backups, each of what is new", Values: []string{"1", "2", "3"}},
		{Name: "part", Doc: "kB in one request of curl and requests; rclone and s3cmd have 5 MiB", Values: []string{"64", "256", "1024", "5120"}},
		{Name: "http", Doc: "highest version", Values: []string{"1", "2"}},
		{Name: "name", Doc: "of the store", Values: []string{"s3.eu-central.cloud.example", "backup.corp.example", "objects.share.example"}},
	},
	Limit:    7 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"store": auto.Store, "client": auto.Steps},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	kind, front, _ := strings.Cut(r.Variant(), "-")
	archives := kind == "curl" || kind == "requests"
	size, count := r.ParamInt("size"), r.ParamInt("files")
	if archives {
		count = 1
	}
	if most := 40 * r.ParamInt("part"); archives && size > most { // so that there are not too many connections
		size = most
	}
	r.SetParam("size", fmt.Sprint(size))
	r.SetParam("files", fmt.Sprint(count))
	u, err := auto.StartStore(ctx, r, kind, front, r.Param("name"))
	if err != nil {
		return err
	}
	u.Part = r.ParamInt("part") << 10
	if kind == "restic" {
		if err := u.Init(ctx); err != nil {
			return err
		}
	}
	for round := range r.ParamInt("rounds") {
		if round > 0 {
			if err := r.Sleep(ctx, time.Duration((2+8*r.Rand().Float64())*float64(time.Second))); err != nil {
				return err
			}
			size, count = size/3, max(1, count/3)
		}
		files := make(map[string]string)
		for i := range count {
			n := int(float64(size) * 1000 / float64(count) * (.5 + r.Rand().Float64()))
			text := lab.Random(n, r.Rand())
			if i%2 == 1 { // half of the files are texts
				text = strings.Repeat(typist.Prose(300, r.Rand()), 1+n/2000)
			}
			files[fmt.Sprintf("file%d-%d.dat", round, i)] = text
		}
		if err := u.Put(ctx, r, "data", files); err != nil {
			return err
		}
	}
	if kind == "restic" {
		if n, err := u.Snapshots(ctx); err != nil || n != r.ParamInt("rounds") {
			return fmt.Errorf("%d snapshots, want %s: %w", n, r.Param("rounds"), err)
		}
	}
	return u.Tell(r, label.Upload)
}

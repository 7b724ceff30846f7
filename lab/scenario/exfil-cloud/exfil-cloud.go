// Package exfilcloud is stolen data that go to an object store.
package exfilcloud

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario uploads an archive to an object store, in parts.
var Scenario = lab.Scenario{
	Name:       "exfil-cloud",
	Doc:        "An archive of stolen files goes to an object store in the cloud, whole or in parts, with the tools that backups use. Teaches that an upload alone does not tell what it is for.",
	Labels:     []label.Label{label.Upload, label.Exfiltration},
	Techniques: []string{"T1567.002", "T1560", "T1074", "T1030"},
	Twin:       "backup-upload",
	Hosts:      []string{"client", "server"},
	Variants:   webapp.Variants("go", "requests", "curl", "rclone", "s3cmd"),
	Params: []lab.Param{
		auto.Connections(),
		{Name: "size", Doc: "of the archives in kB together, about", Values: []string{"200", "900", "3000", "7000"}},
		{Name: "archives", Doc: "into which the files are put", Values: []string{"1", "1", "3"}},
		{Name: "part", Doc: "kB in one request; 5 MiB with rclone and s3cmd", Values: []string{"64", "256", "1024", "5120"}},
		{Name: "pause", Doc: "between two parts, about", Values: []string{"0s", "0s", "300ms", "1500ms"}},
		{Name: "http", Doc: "highest version", Values: []string{"1", "2"}},
		{Name: "name", Doc: "of the store", Values: []string{"s3.eu-central.cloud.example", "storage.blob.example.net", "objects.share.example"}},
	},
	Limit:    7 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"store": auto.Store, "client": auto.Steps},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	kind, front, _ := strings.Cut(r.Variant(), "-")
	if kind == "rclone" || kind == "s3cmd" {
		r.SetParam("part", "5120")
		r.SetParam("pause", "0s")
	}
	size, most := r.ParamInt("size"), 40*r.ParamInt("part") // so that there are not too many connections
	if size > most {
		size = most
		r.SetParam("size", fmt.Sprint(size))
	}
	u, err := auto.StartStore(ctx, r, kind, front, r.Param("name"))
	if err != nil {
		return err
	}
	u.Part = r.ParamInt("part") << 10
	if u.Pause, err = time.ParseDuration(r.Param("pause")); err != nil {
		return err
	}
	files := make(map[string]string)
	for range r.ParamInt("archives") {
		n := float64(size) * 1000 / float64(r.ParamInt("archives")) * (.7 + .6*r.Rand().Float64())
		files[fmt.Sprintf("%08x.7z", r.Rand().Uint32())] = lab.Random(int(n), r.Rand())
	}
	if err := u.Put(ctx, r, "out", files); err != nil {
		return err
	}
	return u.Tell(r, label.Upload, label.Exfiltration)
}

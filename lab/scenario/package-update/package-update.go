// Package packageupdate is a package manager that fetches from a repository.
package packageupdate

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario gets the index of a repository, then some packages.
var Scenario = lab.Scenario{
	Name:   "package-update",
	Doc:    "apt or pip gets the index of a repository and then packages, over HTTPS. Exchanges and downloads of a machine on its own: the benign twin of an agent that fetches its tools.",
	Labels: []label.Label{label.Download},
	Twin:   "c2-https",
	Hosts:  []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "apt-nginx", Needs: []string{"apt-get@apt", "nginx", "openssl"}}, {Name: "apt-go", Needs: []string{"apt-get@apt", "openssl"}},
		{Name: "pip-nginx", Needs: []string{"/usr/bin/python3", "py:pip", "nginx", "openssl"}}, {Name: "pip-go", Needs: []string{"/usr/bin/python3", "py:pip", "openssl"}},
	},
	Params: []lab.Param{
		{Name: "packages", Doc: "that are fetched", Values: []string{"1", "3", "8"}},
		{Name: "size", Doc: "of a package in kB, about", Values: []string{"10", "100", "600"}},
		{Name: "http", Doc: "highest version", Values: []string{"2", "1"}},
		{Name: "port", Doc: "of the server", Values: []string{"443", "443", "443", "8443"}},
	},
	Limit:    6 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": webapp.ServeFiles},
	Run:      run,
}

// apt has nothing but the lab's repository: the host's /etc is its own.
const apt = `set -e
rm -rf /etc/apt /var/lib/apt/lists; mkdir -p /etc/apt /var/lib/apt/lists/partial
echo "deb [trusted=yes] $0/debian stable main" >/etc/apt/sources.list
apt-get -o APT::Sandbox::User=root -q update
apt-get -o APT::Sandbox::User=root -q download "$@"
`

func run(ctx context.Context, r *lab.Run) error {
	client := r.Host("client")
	kind, front, _ := strings.Cut(r.Variant(), "-")
	s, err := webapp.Start(ctx, r, r.Host("server"), webapp.Options{
		Kind: front, Name: "packages.example", Port: r.ParamInt("port"), HTTP1: r.Param("http") == "1", Program: "server", Clients: []*lab.Host{client}, Args: []string{"repository"},
	})
	if err != nil {
		return err
	}
	repository := webapp.NewRepository(kind, r.ParamInt("packages"), r.ParamInt("size")*1000, r.Rand())
	if err := s.Host.WriteFiles("repository", repository.Files); err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(repository.Packages))
	args := append([]string{"sh", "-c", apt, s.URL("")}, names...)
	program := "apt-get@apt"
	if kind == "pip" {
		args = append(strings.Fields("/usr/bin/python3 -m pip download -q --no-deps --no-cache-dir --disable-pip-version-check --cert /etc/ssl/certs/lab.pem --index-url "+s.URL("/simple/")), names...)
		program = "py:pip"
	}
	r.Installed(client, program)
	if _, err := client.Run(ctx, lab.Command{Args: args}); err != nil {
		return err
	}
	for _, name := range names {
		file := repository.Packages[name]
		if got, err := client.Read(path.Base(file)); err != nil || string(got) != repository.Files[file] {
			return fmt.Errorf("%s came as %d other bytes: %v", name, len(got), err)
		}
	}
	requests, err := s.Stop()
	if err != nil {
		return err
	}
	webapp.Tell(r, requests, func(q *webapp.Request) (label.State, string) {
		if _, isFile := repository.Files[strings.TrimPrefix(q.Path, "/")]; isFile {
			return label.StateDownload, q.Path
		}
		return label.StateExchange, q.Path
	}, label.Download)
	return nil
}

// Package ftptransfer is files that go by FTP.
package ftptransfer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/desk"
	"tyto/lab/label"
	"tyto/lab/sshmore"
)

// Scenario moves files up or down by FTP, in the clear or inside TLS.
var Scenario = lab.Scenario{
	Name:       "ftp-transfer",
	Doc:        "Files go up and down by FTP or FTPS: commands in one connection, each file in another. Teaches transfers that are whole sessions, and a session that only talks of them.",
	Labels:     []label.Label{label.Upload, label.Download},
	Techniques: []string{"T1048.003", "T1105"},
	Twin:       "scp-upload",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{variant("curl", "vsftpd"), variant("lftp", "vsftpd"), variant("curl", "pyftpdlib"), variant("lftp", "pyftpdlib")},
	Params: []lab.Param{
		{Name: "tls", Doc: "none, asked for by AUTH TLS, or from the start", Values: []string{"none", "none", "explicit", "implicit"}},
		{Name: "port", Doc: "of the server", Values: []string{"21", "21", "2121"}},
		{Name: "size", Doc: "of a file in kB, about", Values: []string{"5", "100", "1500"}},
		{Name: "files", Doc: "in a session", Values: []string{"1", "2", "4"}},
		{Name: "sessions", Doc: "one after the other", Values: []string{"1", "2", "3"}},
	},
	Limit: 10 * time.Minute,
	Run:   run,
}

var servers = map[string][]string{"vsftpd": {"vsftpd"}, "pyftpdlib": {"/usr/bin/python3", "py:pyftpdlib", "py:OpenSSL@python3-openssl"}}

func variant(client, server string) lab.Variant {
	return lab.Variant{Name: client + "-" + server, Needs: append(servers[server], client, "openssl", "ss")}
}

func run(ctx context.Context, r *lab.Run) error {
	client, kind, _ := strings.Cut(r.Variant(), "-")
	f, err := desk.StartFTP(ctx, r, kind)
	if err != nil {
		return err
	}
	r.Installed(r.Host("client"), client)
	for s := range r.ParamInt("sessions") {
		if s > 0 {
			if err := r.Think(ctx, r.Rand()); err != nil {
				return err
			}
		}
		var names []string
		for i := range r.ParamInt("files") {
			names = append(names, fmt.Sprintf("%s-%d-%d.%s", sshmore.Pick(r.Rand(), "report", "export", "img", "backup", "data"), s, i, sshmore.Pick(r.Rand(), "pdf", "zip", "csv", "jpg")))
		}
		if err := f.Move(ctx, r, client, names, r.Rand().IntN(2) == 0); err != nil {
			return err
		}
	}
	return nil
}

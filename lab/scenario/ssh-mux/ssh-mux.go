// Package sshmux is a shell and transfers at once in one SSH connection.
package sshmux

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
)

// Scenario works at a prompt while files go through the same connection.
var Scenario = lab.Scenario{
	Name:       "ssh-mux",
	Doc:        "A person types in a shell while files are copied in the same connection (ControlMaster). Teaches that a session may be several things at once.",
	Labels:     []label.Label{label.Shell, label.Upload, label.Download},
	Techniques: []string{"T1021.004", "T1570", "T1105"},
	Twin:       "ssh-shell",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		variant("scp", "openssh"), variant("scp", "dropbear"), variant("sftp", "openssh"), variant("sftp", "dropbear"), variant("cat", "openssh"), variant("cat", "dropbear"),
	},
	Params: []lab.Param{
		sshmore.Port, sshmore.Role, sshmore.Terminal,
		{Name: "commands", Doc: "at least so many", Values: []string{"4", "8", "12"}},
		{Name: "direction", Doc: "of the files", Values: []string{"up", "down", "both"}},
		{Name: "size", Doc: "of a file in kB, about", Values: []string{"20", "200", "1500"}},
		{Name: "files", Doc: "one after the other", Values: []string{"1", "2", "4"}},
	},
	Limit: 10 * time.Minute,
	Run:   run,
}

func variant(tool, server string) lab.Variant {
	return lab.Variant{Name: tool + "-" + server, Needs: append(ssh.Needs("openssh", server), "scp", "sftp", "/usr/lib/openssh/sftp-server@openssh-sftp-server")}
}

const control = "/root/.ssh/control"

func run(ctx context.Context, r *lab.Run) error {
	tool, kind, _ := strings.Cut(r.Variant(), "-")
	d, err := sshmore.NewDesk(ctx, r, r.Host("server"), ssh.Options{Kind: kind, Port: r.ParamInt("port")})
	if err != nil {
		return err
	}
	c, err := sshmore.NewClient(ctx, r, r.Host("client"), "openssh", d)
	if err != nil {
		return err
	}
	args := c.Args(ssh.Login{Server: d.Server, User: d.User, Options: []string{"-M", "-S", control}})
	t, err := c.Host.Terminal(ctx, lab.Command{Args: args}, r.Param("terminal"))
	if err != nil {
		return err
	}
	sel := lab.Of(t.Process)
	r.Label(sel, label.Shell)
	handshake := r.Segment(sel, label.StateHandshake, "key")
	ready := make(chan struct{})
	work := func(ctx context.Context) error {
		script := lab.Script{Role: sshmore.RoleOf(r), Count: r.ParamInt("commands"), Ready: func() { handshake(); close(ready) }}
		return lab.Shell(ctx, r, t, sel, script)
	}
	transfers := func(ctx context.Context) error {
		select {
		case <-ready:
		case <-ctx.Done():
			return ctx.Err()
		}
		rng := r.NewRand("transfers")
		for i := range r.ParamInt("files") {
			if err := r.Think(ctx, rng); err != nil {
				return err
			}
			up := r.Param("direction") == "up" || r.Param("direction") == "both" && i%2 == 0
			data := lab.Random(int(float64(r.ParamInt("size"))*1000*(.6+.8*rng.Float64())), rng)
			if err := transfer(ctx, r, d, tool, sel, fmt.Sprintf("file%d.bin", i), data, up); err != nil {
				return err
			}
		}
		return nil
	}
	if err := lab.Together(ctx, work, transfers); err != nil {
		return err
	}
	return lab.Leave(ctx, r, t, sel)
}

// transfer copies one file by the master's connection and compares it.
func transfer(ctx context.Context, r *lab.Run, d *sshmore.Desk, tool string, sel lab.Selector, name, data string, up bool) error {
	client, far := r.Host("client"), "/tmp/"+name // d.User may write there
	target := d.User + "@" + d.Host.Addr().String()
	from, to, state, kind := d.Host, client, label.StateDownload, label.Download
	lines := map[string]string{
		"scp": "scp -q -o ControlPath=%[1]s %[2]s:%[3]s %[4]s", "sftp": "sftp -q -o ControlPath=%[1]s %[2]s:%[3]s %[4]s",
		"cat": "ssh -S %[1]s %[2]s cat %[3]s >%[4]s",
	}
	source, goal := far, name
	if up {
		from, to, state, kind = client, d.Host, label.StateUpload, label.Upload
		lines = map[string]string{
			"scp": "scp -q -o ControlPath=%[1]s %[4]s %[2]s:%[3]s", "sftp": "echo put %[4]s %[3]s | sftp -q -b - -o ControlPath=%[1]s %[2]s",
			"cat": "ssh -S %[1]s %[2]s 'cat >%[3]s' <%[4]s",
		}
		source, goal = name, far
	}
	if err := from.Write(source, data, 0o644); err != nil {
		return err
	}
	r.Label(sel, kind)
	end := r.Segment(sel, state, name)
	if _, err := client.Run(ctx, lab.Command{Args: []string{"sh", "-c", fmt.Sprintf(lines[tool], control, target, far, name)}}); err != nil {
		return err
	}
	end()
	if got, err := to.Read(goal); err != nil || string(got) != data {
		return fmt.Errorf("%s came as %d other bytes: %v", name, len(got), err)
	}
	return nil
}

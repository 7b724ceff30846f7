package sshmore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/typist"
)

// Forms of Ansible's files.
const (
	inventory = "server ansible_host=%s ansible_port=%d ansible_user=%s ansible_python_interpreter=/usr/bin/python3\n"
	settings  = `[defaults]
host_key_checking = False
retry_files_enabled = False
[ssh_connection]
transfer_method = sftp
sftp_executable = %s/copy
ssh_args = -o ControlMaster=auto -o ControlPersist=%ds
control_path_dir = /root/.ansible/cp
`
	// copier notes when a copy began and ended.
	copier = "#!/bin/sh\ndate +%%s%%N >>%[1]s/copies\nsftp \"$@\"\nstatus=$?\ndate +%%s%%N >>%[1]s/copies\nexit $status\n"
	task   = "    - name: task %d\n      command:\n        argv: [sh, -c, %q]\n"
)

// report is what Ansible's json callback writes.
type report struct {
	Plays []struct {
		Tasks []struct {
			Hosts map[string]struct{ Stdout string }
			Task  struct {
				Name     string
				Duration struct{ Start, End time.Time }
			}
		}
	}
}

// Playbook lets Ansible on a host, which has OpenSSH's client and may log in at
// the desk, run commands there: each is a small program that is copied over and
// run. Its one connection lasts a while longer.
func Playbook(ctx context.Context, r *lab.Run, h *lab.Host, d *Desk, commands []typist.Command) error {
	book := fmt.Sprintf("- hosts: all\n  gather_facts: %t\n  tasks:\n", r.Rand().IntN(2) == 0)
	for i, c := range commands {
		book += fmt.Sprintf(task, i, c.Text)
	}
	err := h.WriteFiles(h.Dir(), map[string]string{
		"inventory":   fmt.Sprintf(inventory, d.Host.Addr(), d.Port, d.User),
		"ansible.cfg": fmt.Sprintf(settings, h.Dir(), 5+r.Rand().IntN(12)),
		"book.yaml":   book,
	})
	if err := errors.Join(err, h.Write("copy", fmt.Sprintf(copier, h.Dir()), 0o755)); err != nil {
		return err
	}
	r.Installed(h, "ansible-playbook@ansible-core")
	p, err := h.Start(ctx, lab.Command{
		Args: []string{"ansible-playbook", "-i", "inventory", "book.yaml"},
		Env:  []string{"LC_ALL=C.UTF-8", "ANSIBLE_STDOUT_CALLBACK=json", "ANSIBLE_LOCALHOST_WARNING=False"},
	})
	if err != nil {
		return err
	}
	sel := lab.Of(p)
	r.Label(sel, label.Command)
	began, err := d.Accepted(ctx, r)
	if err != nil {
		return err
	}
	r.Span(sel, p.Started(), began, label.StateHandshake, "")
	if err := p.Wait(ctx); err != nil {
		return err
	}
	over := r.Now()
	var answer report
	if err := json.Unmarshal([]byte(p.Output()), &answer); err != nil {
		return fmt.Errorf("ansible: %w\n%s", err, p.Output())
	}
	done := 0
	for _, play := range answer.Plays {
		for _, t := range play.Tasks {
			var n int
			detail := t.Task.Name
			if k, _ := fmt.Sscanf(t.Task.Name, "task %d", &n); k == 1 && n < len(commands) {
				detail = commands[n].Text
				if err := Check(commands[n], t.Hosts["server"].Stdout+"\n"); err != nil {
					return err
				}
				done++
			}
			start, end := label.Time(t.Task.Duration.Start.UnixNano()), label.Time(t.Task.Duration.End.UnixNano())
			r.Span(sel, max(start, began), end, label.StateExchange, detail)
		}
	}
	if done != len(commands) {
		return fmt.Errorf("ansible ran %d of %d commands", done, len(commands))
	}
	if err := copies(r, h, sel); err != nil {
		return err
	}
	gone, err := d.Gone(ctx, r)
	r.Span(sel, over, gone, label.StateIdle, "")
	return err
}

// copies tells the uploads among the tasks.
func copies(r *lab.Run, h *lab.Host, sel lab.Selector) error {
	data, err := h.Read("copies")
	if err != nil {
		return err
	}
	var times []label.Time
	for _, f := range strings.Fields(string(data)) {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return err
		}
		times = append(times, label.Time(n))
	}
	if len(times) == 0 || len(times)%2 != 0 {
		return fmt.Errorf("ansible began or ended %d copies", len(times))
	}
	for i := 0; i < len(times); i += 2 {
		r.Span(sel, times[i], times[i+1], label.StateUpload, "program of a task")
	}
	return nil
}

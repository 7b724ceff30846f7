// Package sshbruteforce is a program that guesses SSH passwords.
package sshbruteforce

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/sshmore"
)

// Scenario guesses the passwords of a user, or one password of many users, in
// vain or with success in the end.
var Scenario = lab.Scenario{
	Name:       "ssh-bruteforce",
	Doc:        "A program guesses SSH passwords, of one user or of many, in vain or until one is right. Teaches guessing, and the one guess that succeeds.",
	Labels:     []label.Label{label.BruteForce},
	Techniques: []string{"T1110.001", "T1110.003"},
	Twin:       "ssh-wrong-password",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		variant("hydra", "openssh", "hydra"), variant("hydra", "dropbear", "hydra"), variant("medusa", "openssh", "medusa"), variant("medusa", "dropbear", "medusa"),
		variant("ncrack", "openssh", "ncrack"), // it never ends with dropbear, which closes after each refusal
		variant("paramiko", "openssh", "py:paramiko"), variant("paramiko", "dropbear", "py:paramiko"), variant("sshpass", "openssh", "sshpass"), variant("sshpass", "dropbear", "sshpass"),
	},
	Params: []lab.Param{
		sshmore.Port,
		{Name: "guesses", Doc: "passwords, or users where one password is tried for many", Values: []string{"6", "15", "40"}},
		{Name: "spray", Doc: "whether one password is tried for many users; never with medusa", Values: []string{"no", "no", "yes"}},
		{Name: "success", Doc: "whether the last guess is right", Values: []string{"no", "yes"}},
		{Name: "tasks", Doc: "connections at the same time; one with paramiko and sshpass", Values: []string{"1", "2", "4"}},
		{Name: "pause", Doc: "seconds between guesses of paramiko and sshpass, at most", Values: []string{"0", "1", "3"}},
	},
	Limit: 6 * time.Minute,
	Run:   run,
}

func variant(tool, server string, needs ...string) lab.Variant {
	return lab.Variant{Name: tool + "-" + server, Needs: append(ssh.Needs("openssh", server), needs...)}
}

//go:embed guess.py
var guessProgram string

// tools are the command lines; %[1]s is the address, %[2]s the port, %[3]s the
// number of tasks, %[4]s the pause.
var tools = map[string]string{
	"hydra":    "hydra -I -f -V -t %[3]s -L users -P passwords -s %[2]s ssh://%[1]s",
	"medusa":   "medusa -M ssh -h %[1]s -n %[2]s -t %[3]s -U users -P passwords -f -b -R 1",
	"ncrack":   "ncrack -v --passwords-first -f -T4 -g CL=%[3]s,at=3 -U users -P passwords ssh://%[1]s:%[2]s",
	"paramiko": "/usr/bin/python3 guess.py %[1]s %[2]s paramiko %[4]s",
	"sshpass":  "/usr/bin/python3 guess.py %[1]s %[2]s ssh %[4]s",
}

// find is the line in which one of the tools tells of a password.
var find = regexp.MustCompile(`(?m)^.*(\] host: |ACCOUNT FOUND: |/tcp ssh: '|found ).*$`)

func run(ctx context.Context, r *lab.Run) error {
	tool, serverKind, _ := strings.Cut(r.Variant(), "-")
	server, client := r.Host("server"), r.Host("client")
	if tool == "paramiko" || tool == "sshpass" {
		r.SetParam("tasks", "1")
	}
	if tool == "medusa" {
		r.SetParam("spray", "no")
	}
	d, err := sshmore.NewDesk(ctx, r, server, ssh.Options{Kind: serverKind, Port: r.ParamInt("port"), Config: map[string][]string{"openssh": {"PerSourceMaxStartups none"}}[serverKind]})
	if err != nil {
		return err
	}
	n, success := r.ParamInt("guesses"), r.Param("success") == "yes"
	users, passwords := []string{d.User}, make([]string, n)
	for i := range passwords {
		passwords[i] = fmt.Sprintf("%s%c", sshmore.Password(r.Rand()), 'a'+i%26) // never the right one
	}
	if success {
		passwords[n-1] = d.Password
	}
	if r.Param("spray") == "yes" {
		users, passwords = append(sshmore.Users(n-1, d.User, r.Rand()), d.User), passwords[n-1:]
	}
	files := map[string]string{"users": strings.Join(users, "\n") + "\n", "passwords": strings.Join(passwords, "\n") + "\n", "guess.py": guessProgram}
	if err := client.WriteFiles(client.Dir(), files); err != nil {
		return err
	}
	r.Installed(client, cmp.Or(map[string]string{"paramiko": "py:paramiko", "sshpass": "ssh"}[tool], tool))
	args := strings.Fields(fmt.Sprintf(tools[tool], server.Addr(), r.Param("port"), r.Param("tasks"), r.Param("pause")))
	p, err := client.Start(ctx, lab.Command{Args: args})
	if err != nil {
		return err
	}
	r.Label(lab.Of(p), label.BruteForce)
	end := r.Segment(lab.Of(p), label.StateProbe, fmt.Sprintf("%d guesses, the last one right: %s", n, r.Param("success")))
	if err := p.Wait(ctx); lab.Status(err) < 0 {
		return err
	}
	end()
	if found := strings.Contains(strings.Join(find.FindAllString(p.Output(), -1), "\n"), d.Password); found != success {
		return fmt.Errorf("%s found the password: %t, want %t\n%s", tool, found, success, p.Output())
	}
	accepted, refused := d.Verdicts()
	if accepted > 0 != success || refused < n/2 {
		return fmt.Errorf("the server accepted %d and refused %d of %d guesses\n%s", accepted, refused, n, p.Output())
	}
	return nil
}

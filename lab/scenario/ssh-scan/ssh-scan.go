// Package sshscan is a look at what SSH servers there are and what they offer.
package sshscan

import (
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

// Scenario looks at SSH servers of three kinds: their versions, keys,
// algorithms or ways to log in.
var Scenario = lab.Scenario{
	Name:       "ssh-scan",
	Doc:        "A scanner looks at SSH servers: banners, host keys, algorithms, ways to log in. Teaches looks at a service apart from refused and short logins.",
	Labels:     []label.Label{label.Scan},
	Techniques: []string{"T1046", "T1595.001"},
	Twin:       "ssh-wrong-password",
	Hosts:      []string{"client", "openssh", "dropbear", "tinyssh"},
	Variants: []lab.Variant{
		variant("banner", "python3"), variant("banner-nmap", "nmap"), variant("keys-keyscan", "ssh-keyscan"),
		variant("algorithms-nmap", "nmap"), variant("algorithms-audit", "ssh-audit"),
		variant("methods-ssh", "ssh"), variant("methods-nmap", "nmap"), variant("methods-paramiko", "py:paramiko"),
	},
	Params: []lab.Param{
		sshmore.Port,
		{Name: "targets", Doc: "servers of the three, or of two where the tool does not know tinyssh, in an order that is drawn", Values: []string{"1", "2", "3"}},
		{Name: "rounds", Doc: "of the scan", Values: []string{"1", "2", "5"}},
		{Name: "pause", Doc: "between servers, about", Values: []string{"0s", "300ms", "3s"}},
	},
	Limit: 4 * time.Minute,
	Run:   run,
}

func variant(name string, needs ...string) lab.Variant {
	needs = append(needs, ssh.Needs("openssh", "dropbear")...)
	needs = append(needs, ssh.Needs("openssh", "tinyssh")...)
	return lab.Variant{Name: name, Needs: append(needs, "sshd")}
}

//go:embed scan.py
var scanProgram string

// tools are the programs.
var tools = map[string]struct {
	line string // in which HOST, PORT and USER are filled in
	old  bool   // it has no algorithm that tinyssh knows
}{
	"banner":           {"/usr/bin/python3 scan.py banner HOST PORT", false},
	"banner-nmap":      {"nmap -Pn -n -sV -p PORT HOST", false},
	"keys-keyscan":     {"ssh-keyscan -T 20 -p PORT HOST", false},
	"algorithms-nmap":  {"nmap -Pn -n -p PORT --script +ssh2-enum-algos HOST", false},
	"algorithms-audit": {"ssh-audit -4 -n -t 20 -p PORT HOST", false},
	"methods-ssh":      {"ssh -v -p PORT -o StrictHostKeyChecking=no -o PreferredAuthentications=none USER@HOST", false},
	"methods-nmap":     {"nmap -Pn -n -p PORT --script +ssh-auth-methods --script-args ssh.user=USER HOST", true},
	"methods-paramiko": {"/usr/bin/python3 scan.py methods HOST PORT USER", true},
}

// finds are what the kinds of scan must print.
var finds = map[string]*regexp.Regexp{
	"banner":     regexp.MustCompile(`(?i)(OpenSSH|dropbear|tinyssh)`),
	"keys":       regexp.MustCompile(`ssh-ed25519`),
	"algorithms": regexp.MustCompile(`curve25519-sha256`),
	"methods":    regexp.MustCompile(`(?i)publickey`),
}

func run(ctx context.Context, r *lab.Run) error {
	client := r.Host("client")
	kinds := []string{"openssh", "dropbear", "tinyssh"}
	if tools[r.Variant()].old {
		kinds = kinds[:2]
	}
	r.Rand().Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	kinds = kinds[:min(len(kinds), r.ParamInt("targets"))]
	r.SetParam("targets", fmt.Sprint(len(kinds)))
	for _, k := range kinds {
		if _, err := ssh.Start(ctx, r, r.Host(k), ssh.Options{Kind: k, Port: r.ParamInt("port")}); err != nil {
			return err
		}
	}
	if err := client.Write("scan.py", scanProgram, 0o644); err != nil {
		return err
	}
	kind, tool, _ := strings.Cut(r.Variant(), "-")
	r.Installed(client, map[string]string{"": "python3", "keyscan": "ssh-keyscan", "audit": "ssh-audit", "paramiko": "py:paramiko", "nmap": "nmap", "ssh": "ssh"}[tool])
	pause, err := time.ParseDuration(r.Param("pause"))
	if err != nil {
		return err
	}
	for i := range r.ParamInt("rounds") * len(kinds) {
		if i > 0 && pause > 0 {
			if err := r.Sleep(ctx, time.Duration(float64(pause)*(.6+.8*r.Rand().Float64()))); err != nil {
				return err
			}
		}
		target := r.Host(kinds[i%len(kinds)])
		line := strings.NewReplacer("HOST", target.Addr().String(), "PORT", r.Param("port"), "USER", sshmore.Users(1, "", r.Rand())[0]).Replace(tools[r.Variant()].line)
		p, err := client.Start(ctx, lab.Command{Args: strings.Fields(line)})
		if err != nil {
			return err
		}
		r.Label(lab.Of(p), label.Scan)
		end := r.Segment(lab.Of(p), label.StateProbe, kind)
		// Some end with a status that says what they think of the server.
		if err := p.Wait(ctx); lab.Status(err) < 0 {
			return err
		}
		end()
		if !finds[kind].MatchString(p.Output()) {
			return fmt.Errorf("%s printed of %s\n%s", line, target.Name(), p.Output())
		}
	}
	return nil
}

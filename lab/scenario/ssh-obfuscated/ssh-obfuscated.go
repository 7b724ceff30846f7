// Package sshobfuscated is a person at a prompt whose SSH client hides when
// keys are pressed.
package sshobfuscated

import (
	"context"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/desk"
	"tyto/lab/label"
	"tyto/lab/sshmore"
)

// Scenario works at a prompt as ssh-shell does, with a client that sends at the
// ticks of a clock and chaff when nothing was typed.
var Scenario = lab.Scenario{
	Name:       "ssh-obfuscated",
	Doc:        "A person works in an SSH shell with the keystroke timing obfuscation of OpenSSH 9.5 and later: keys leave on a grid of 20 ms, and chaff that looks like keys is sent for a second or more after the last. Teaches keystrokes without the rhythm of fingers; with an old server there is the grid, but no chaff.",
	Labels:     []label.Label{label.Shell},
	Techniques: []string{"T1021.004", "T1059.004"},
	Twin:       "ssh-shell",
	Hosts:      []string{"client", "server"},
	Variants:   []lab.Variant{variant("go"), variant("openssh", "sshd"), variant("dropbear", "dropbear")},
	Params: []lab.Param{
		sshmore.Port, sshmore.Role, sshmore.Terminal,
		{Name: "auth", Doc: "how they log in", Values: []string{"key", "password"}},
		{Name: "commands", Doc: "at least so many", Values: []string{"4", "8", "14"}},
		{Name: "release", Doc: "of OpenSSH that the client behaves like: before 9.8 chaff goes out with keys, too", Values: []string{"9.6", "9.9", "10.0"}},
		{Name: "interval", Doc: "between ticks in milliseconds", Values: []string{"20", "20", "20", "20", "40"}},
		{Name: "cipher", Doc: "of the session", Values: []string{"chacha20-poly1305@openssh.com", "chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr"}},
	},
	Programs: desk.SSHPrograms(),
	Limit:    12 * time.Minute,
	Run:      run,
}

func variant(server string, needs ...string) lab.Variant {
	return lab.Variant{Name: "go-" + server, Needs: append(needs, "ssh-keygen", "setpriv@util-linux", "ss", "ps")}
}

var banners = map[string]string{
	"9.6": "SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.5", "9.9": "SSH-2.0-OpenSSH_9.9p1", "10.0": "SSH-2.0-OpenSSH_10.0p2 Debian-7",
}

func run(ctx context.Context, r *lab.Run) error {
	client, kind := r.Host("client"), strings.TrimPrefix(r.Variant(), "go-")
	if kind == "dropbear" && strings.HasPrefix(r.Param("cipher"), "aes128-gcm") {
		r.SetParam("cipher", "aes256-ctr") // it has no GCM
	}
	public, err := desk.NewKey(ctx, client)
	if err != nil {
		return err
	}
	d, err := desk.SSHDesk(ctx, r, r.Host("server"), kind, r.ParamInt("port"), "")
	if err != nil {
		return err
	}
	if kind != "go" {
		if err := d.Allow(ctx, public); err != nil {
			return err
		}
	}
	r.Note("the client is the lab's own and does as OpenSSH " + r.Param("release") + " does; chaff is a message of the same size as OpenSSH's")
	t, err := desk.SSHLogin{
		Banner: banners[r.Param("release")], Cipher: r.Param("cipher"), Chaff: kind == "go",
		Interval: time.Duration(r.ParamInt("interval")) * time.Millisecond, Always: r.Param("release") == "9.6",
	}.Start(ctx, r, client, d, r.Param("terminal"))
	if err != nil {
		return err
	}
	sel := lab.Of(t.Process)
	r.Label(sel, label.Shell)
	if r.Param("auth") == "password" {
		if err := sshmore.TypePassword(ctx, r, t, d.Password); err != nil {
			return err
		}
	}
	return sshmore.Work(ctx, r, t, sel, r.ParamInt("commands"), func() {
		r.Span(sel, t.Started(), r.Now(), label.StateHandshake, r.Param("auth"))
	})
}

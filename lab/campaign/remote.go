package campaign

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/typist"
	"tyto/lab/winrpc"
)

// Windows lets machines be administered remotely as those with Windows are.
func (c *Campaign) Windows(names ...string) error {
	for _, name := range names {
		s, err := winrpc.Start(c.ctx, c.run, c.run.Host(name), winrpc.Options{DCOM: true, WinRM: &winrpc.DefaultWinRM})
		if err != nil {
			return err
		}
		c.remote[name] = s
	}
	return nil
}

// Execute types the line that lets commands be run on a machine, from the
// client or from a machine that was got at before, and looks what came back.
// The client that runs them is started for the line, not by it.
func (c *Campaign) Execute(from, name, way, technique string) {
	out := fmt.Sprintf("%s-%d.out", name, len(c.steps))
	line := fmt.Sprintf("(until [ -s %s ]; do sleep .1; done) & echo go=$((3*3))", out)
	server, host := c.remote[name], c.run.Host(from)
	act := func() error {
		work := winrpc.Work{Way: way, Commands: server.Draw(1+c.run.Rand().IntN(3), c.run.Rand()), Pause: time.Second}
		session, err := server.Run(c.ctx, host, work)
		if err != nil {
			return err
		}
		session.Tell(label.RemoteExecution, label.Command)
		var said []string
		for _, p := range session.Processes {
			said = append(said, p.Output())
		}
		return c.Client.Write(filepath.Join("/root", out), strings.Join(said, "\n")+"\nfinished\n", 0o644)
	}
	c.steps = append(c.steps, Step{Command: typist.Command{Text: line, Want: "go=9", Technique: technique}, Act: act})
	c.Do("tail -15 "+out, "finished", "")
}

// ByRemote goes to one machine, and from there to another, by ways of remote
// administration, and then by SSH to where the data is.
func ByRemote(first, second, technique string) Path {
	return func(c *Campaign) error {
		if err := errors.Join(c.Enable("db"), c.Windows("files", "app"), c.Plant("db")); err != nil {
			return err
		}
		c.Do("cd", "", "")
		c.Look()
		c.Sweep(445, 135, 5985)
		c.Execute("client", "files", first, technique)
		c.Execute("files", "app", second, technique)
		c.Enter("db")
		c.Collect()
		c.Back()
		c.Send()
		c.Clean()
		return nil
	}
}

// Variants are those of a scenario with ByRemote: named by the first way.
func Variants(ways ...string) []lab.Variant {
	all := winrpc.Variants(ways...)
	for i := range all {
		all[i].Needs = append(all[i].Needs, Needs()...)
	}
	return all
}

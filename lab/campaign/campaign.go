// Package campaign is what scenarios of many steps share: a network of several
// machines with its background traffic, somebody who controls one of them from
// outside, and steps from there to others. The same steps are an intrusion or an
// administrator's work: who controls, and what goes where in the end, is what
// differs.
package campaign

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"tyto/lab"
	"tyto/lab/c2"
	"tyto/lab/label"
	"tyto/lab/pki"
	"tyto/lab/typist"
	"tyto/lab/winrpc"
)

// Hosts and Near are the machines of every campaign: the first three are
// outside or between, the others are inside beside "client".
var (
	Hosts = []string{"client", "server", "cloud", "dns", "app", "db", "files"}
	Near  = []string{"dns", "app", "db", "files"}
)

// Params are the knobs of every campaign.
func Params(hostile bool) []lab.Param {
	var control []lab.Param
	if hostile {
		control = []lab.Param{{Name: "control", Doc: "of the first machine: a reverse shell in TLS or bare, or a reverse SSH tunnel", Values: []string{"tls", "plain", "tunnel"}}}
	}
	return slices.Concat(control, c2.ShellParams()[1:], []lab.Param{c2.PortParam(),
		{Name: "size", Doc: "of what is collected, in kB, about", Values: []string{"80", "300", "1200"}},
		{Name: "name", Doc: "of the store outside", Values: []string{"files.share.example", "backup.cloud.example", "transfer.example.org", "storage.example.net"}},
		{Name: "noise", Doc: "seconds between two things that a machine does by itself, about", Values: []string{"3", "6", "12"}}})
}

// Needs are the programs of every campaign, for lab.Variant.Needs.
func Needs(more ...string) []string {
	return append(more, "socat", "openssl", "unbound", "curl", "bash", "ssh", "scp", "sshd", "ssh-keygen", "ps", "ss", "tar", "ip", "find", "getent")
}

// Campaign is a person's way through the network.
type Campaign struct {
	Client, Server *lab.Host
	Hostile        bool

	ctx    context.Context
	run    *lab.Run
	steps  []Step
	typed  []lab.Selector // flows that carry what is typed, beside the control's
	where  []*place       // machines on whose prompts the person is, the outermost first
	places map[string]*place
	remote map[string]*winrpc.Server
	secret string // what is collected: the content of secretFile
	bag    string // the archive with it, on the machine where the person is
	cloud  string // name of the store outside
}

// place is a machine and who one is there.
type place struct {
	host *lab.Host
	user string
}

// Step is one line that is typed, and what the flows it makes are.
type Step struct {
	typist.Command
	Made  lab.Selector // flows that it makes, if State is set
	State label.State  // what they do, from Enter to the next prompt
	Act   func() error // called when the prompt is there again; the next step waits for it
}

// New makes the network ready: names, accounts, servers, background traffic.
func New(ctx context.Context, r *lab.Run, hostile bool) (*Campaign, error) {
	c := &Campaign{Client: r.Host("client"), Server: r.Host("server"), Hostile: hostile, ctx: ctx, run: r, places: make(map[string]*place), remote: make(map[string]*winrpc.Server), cloud: r.Param("name")}
	c.where = []*place{{host: c.Client, user: "root"}}
	c.places["client"] = c.where[0]
	c.secret = lab.Random(1000*r.ParamInt("size"), r.Rand())
	if err := c.outside(); err != nil {
		return nil, err
	}
	return c, c.Client.WriteFiles("", typist.Intruder.Files())
}

// inside are the machines of the network.
func (c *Campaign) inside() (hosts []*lab.Host) {
	for _, name := range append([]string{"client"}, Near...) {
		hosts = append(hosts, c.run.Host(name))
	}
	return hosts
}

// updates is the name that machines ask by themselves.
const updates = "updates.example.net"

// outside starts the store outside, the name server, and what machines do by
// themselves.
func (c *Campaign) outside() error {
	r, cloud := c.run, c.run.Host("cloud")
	authority, err := pki.New(r, "Lab Root R1")
	if err != nil {
		return err
	}
	cert, err := authority.Issue("ecdsa", c.cloud, updates)
	if err != nil {
		return err
	}
	names := map[string]netip.Addr{c.cloud: cloud.Addr(), updates: cloud.Addr()}
	for _, h := range c.inside() {
		names[h.Name()+".corp.example"] = h.Addr()
	}
	if err := errors.Join(cert.Write(cloud, "server"), authority.Trust(c.ctx, c.inside()...), c2.Zone(c.ctx, r, r.Host("dns"), names)); err != nil {
		return err
	}
	if _, err := cloud.Start(c.ctx, lab.Command{Program: "store"}); err != nil {
		return err
	}
	if err := cloud.WaitListen(c.ctx, "tcp", 443); err != nil {
		return err
	}
	for _, h := range c.inside() {
		if err := h.Write("/etc/resolv.conf", "nameserver "+r.Host("dns").Addr().String()+"\nsearch corp.example\n", 0o644); err != nil {
			return err
		}
		p, err := h.Start(c.ctx, lab.Command{Program: "habits", Args: []string{updates, r.Param("noise"), fmt.Sprint(r.Rand().Uint32())}})
		if err != nil {
			return err
		}
		r.Label(lab.Of(p).And(lab.Service(cloud, "tcp", 443)), label.Poll)
	}
	return nil
}

// Do adds a step that is over when its output has want in it.
func (c *Campaign) Do(text, want, technique string) {
	c.steps = append(c.steps, Step{Command: typist.Command{Text: text, Want: want, Technique: technique}})
}

// Make is Do for a line that makes flows of its own.
func (c *Campaign) Make(text, want, technique string, made lab.Selector, s label.State) {
	c.steps = append(c.steps, Step{Command: typist.Command{Text: text, Want: want, Technique: technique}, Made: made, State: s})
}

// here is where the person is.
func (c *Campaign) here() *place { return c.where[len(c.where)-1] }

// Play lets the person work: it opens the control, types all steps and ends.
func (c *Campaign) Play(open func(*Campaign) (*Control, error)) error {
	control, err := open(c)
	if err != nil {
		return err
	}
	sel := control.Flows
	for _, hop := range c.typed {
		sel = sel.Or(hop)
	}
	for i, s := range c.steps {
		script := lab.Script{Commands: []typist.Command{s.Command}, Prompted: i > 0}
		if i == 0 {
			script.Ready = control.Ready
		}
		t0 := c.run.Now()
		if err := lab.Shell(c.ctx, c.run, control.Terminal, sel, script); err != nil {
			return err
		}
		if s.State != label.StateUnknown {
			c.run.Span(s.Made, t0, c.run.Now(), s.State, s.Text)
		}
		if s.Act != nil {
			if err := s.Act(); err != nil {
				return fmt.Errorf("%s: %w", s.Text, err)
			}
		}
	}
	if err := lab.Leave(c.ctx, c.run, control.Terminal, sel); err != nil {
		return err
	}
	return control.Close()
}

package ad

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/transfer"
)

// Protection is the knob of how SMB's messages are protected.
var Protection = lab.Param{Name: "protection", Doc: "of SMB's messages", Values: []string{"none", "signed", "encrypted"}}

// ProtectionConfig are the lines of [global] for a value of Protection.
func ProtectionConfig(protection string) []string {
	return map[string][]string{
		"none":      {"server signing = auto", "server smb encrypt = off"},
		"signed":    {"server signing = mandatory", "server smb encrypt = off"},
		"encrypted": {"server signing = mandatory", "server smb encrypt = required"},
	}[protection]
}

// Login is how somebody proves who they are to a file server: with a ticket if
// Env has one (not with impacket), else with the NT hash of the password if there is one, else with
// the password.
type Login struct {
	User, Password, Hash string
	Env                  []string
}

// Step is one thing done with the files of a share: "list", "get", "put",
// "rename" (to To), "delete" or "mkdir". Names are relative to the errand's
// directory, those of "put" on the station, too.
type Step struct {
	Op   string `json:"op"`
	Name string `json:"name"`
	To   string `json:"to"`
	Size int    `json:"size"` // of what is moved
}

// Errand is what somebody does with the files of a share of the domain
// controller.
type Errand struct {
	Share string
	Dir   string // in the share, may be empty
	Steps []Step
	// Remote and Local are the contents of files that are there at first, in the
	// directory and on the station.
	Remote, Local map[string]string
}

// NewErrand draws an errand in a directory with files of about size bytes
// together: lists of it, and reads, writes, renames and deletes.
func NewErrand(share string, files, steps, size int, rng *rand.Rand) *Errand {
	e := &Errand{
		Share: share, Dir: []string{"Projects", "Reports", "Public", "Contracts"}[rng.IntN(4)],
		Remote: transfer.Files(files, size, rng), Local: transfer.Files(steps, size, rng),
	}
	names, fresh := sorted(e.Remote), sorted(e.Local)
	e.Steps = []Step{{Op: "list"}}
	for range steps {
		switch n := rng.IntN(8); {
		case n < 3 || len(names) < 2:
			e.get(names[rng.IntN(len(names))])
		case n < 5:
			e.put("new-" + fresh[0])
			e.Local["new-"+fresh[0]] = e.Local[fresh[0]]
			fresh = fresh[1:]
		case n < 6:
			i := rng.IntN(len(names))
			e.Steps = append(e.Steps, Step{Op: "rename", Name: names[i], To: "old-" + names[i]})
			names = slices.Delete(names, i, i+1)
		case n < 7:
			i := rng.IntN(len(names))
			e.Steps = append(e.Steps, Step{Op: "delete", Name: names[i]})
			names = slices.Delete(names, i, i+1)
		default:
			e.Steps = append(e.Steps, Step{Op: "list"})
		}
	}
	e.get(names[0])
	last := "new-" + fresh[len(fresh)-1]
	e.Local[last] = e.Local[fresh[len(fresh)-1]]
	e.put(last)
	for i := range e.Steps {
		s := &e.Steps[i]
		s.Size = len(map[string]string{"get": e.Remote[s.Name], "put": e.Local[s.Name]}[s.Op])
	}
	return e
}

func (e *Errand) get(name string) { e.Steps = append(e.Steps, Step{Op: "get", Name: name}) }
func (e *Errand) put(name string) { e.Steps = append(e.Steps, Step{Op: "put", Name: name}) }

// State is what a step looks like.
func (s Step) State() label.State {
	switch {
	case s.Size <= transfer.Small:
		return label.StateExchange
	case s.Op == "get":
		return label.StateDownload
	}
	return label.StateUpload
}

// Labels are what the session is about: a share in use, and files that are
// moved.
func (e *Errand) Labels() []label.Label {
	labels := []label.Label{label.Mount}
	for op, l := range map[string]label.Label{"get": label.Download, "put": label.Upload} {
		if slices.ContainsFunc(e.Steps, func(s Step) bool { return s.Op == op }) {
			labels = append(labels, l)
		}
	}
	slices.Sort(labels)
	return labels
}

// Prepare writes the files that are there at first.
func (e *Errand) Prepare(ctx context.Context, s *Station) error {
	dir := e.path()
	err := errors.Join(s.Domain.DC.WriteFiles(dir, e.Remote), s.WriteFiles(s.Dir(), e.Local))
	if err != nil {
		return err
	}
	_, err = s.Domain.DC.Run(ctx, lab.Command{Args: []string{"sh", "-c", `mkdir -p "$1" && chmod -R 777 "$0"`, Path(e.Share), dir}})
	return err
}

func (e *Errand) path() string { return strings.TrimSuffix(Path(e.Share)+"/"+e.Dir, "/") }

// Run does the errand from a station with a tool, "smbclient" at which a person
// types or "impacket", and checks that all of it was done. pause is about how
// many seconds impacket rests between steps.
func (e *Errand) Run(ctx context.Context, s *Station, tool string, l Login, pause float64) (err error) {
	if err := e.Prepare(ctx, s); err != nil {
		return err
	}
	if tool == "smbclient" {
		err = e.smbclient(ctx, s, l)
	} else {
		err = e.impacket(ctx, s, l, pause)
	}
	if err != nil {
		return err
	}
	return e.check(s)
}

// Smbclient is the command line of smbclient, which asks for the password
// unless there is a ticket or a hash.
func (s *Station) Smbclient(share, protection string, l Login, more ...string) lab.Command {
	mode := map[string]string{"none": "off", "signed": "sign", "encrypted": "encrypt"}[protection]
	args := []string{"smbclient", "//" + s.Domain.Name(s.Domain.DC) + "/" + share, "--client-protection=" + mode}
	switch {
	case l.Env != nil:
		args = append(args, "--use-kerberos=required", "--use-krb5-ccache="+strings.TrimPrefix(l.Env[0], "KRB5CCNAME="))
	case l.Hash != "":
		args = append(args, "--use-kerberos=off", "--pw-nt-hash", "-U", s.Domain.NetBIOS+`\`+l.User+"%"+l.Hash)
	default:
		args = append(args, "--use-kerberos=off", "-U", s.Domain.NetBIOS+`\`+l.User)
	}
	return lab.Command{Args: append(args, more...), Env: l.Env}
}

// smbPrompt is smbclient's.
var smbPrompt = regexp.MustCompile(`smb: \\[^>\n]*> $`)

func (e *Errand) smbclient(ctx context.Context, s *Station, l Login) error {
	r := s.Domain.run
	r.Installed(s.Host, "smbclient")
	t, err := s.Terminal(ctx, s.Smbclient(e.Share, r.Param(Protection.Name), l), "100x30")
	if err != nil {
		return err
	}
	sel := lab.Of(t.Process).And(lab.Service(s.Domain.DC, "tcp", 445))
	r.Label(sel, e.Labels()...)
	began := t.Started()
	if l.Env == nil && l.Hash == "" {
		if _, err := t.Expect(ctx, regexp.MustCompile(`assword.*: ?$`)); err != nil {
			return err
		}
		if err := t.Type(ctx, r.Typist(), l.Password+"\n"); err != nil {
			return err
		}
		keys := t.KeyTimes()
		began = keys[len(keys)-1]
	}
	if _, err := t.Expect(ctx, smbPrompt); err != nil {
		return err
	}
	r.Span(sel, began, r.Now(), label.StateHandshake, "login of "+l.User)
	if err := transfer.Console(ctx, r, t, sel, smbPrompt, e.lines(), r.NewRand("smbclient")); err != nil {
		return err
	}
	return transfer.Quit(ctx, r, t, "exit", r.NewRand("quit"))
}

// lines are the steps in smbclient's language.
func (e *Errand) lines() (lines []transfer.Line) {
	if e.Dir != "" {
		lines = append(lines, transfer.Line{Text: "cd " + e.Dir, State: label.StateExchange})
	}
	for _, s := range e.Steps {
		l := transfer.Line{State: s.State()}
		switch s.Op {
		case "list":
			l.Text, l.Want = "ls", "blocks available"
		case "get":
			l.Text, l.Want = "get "+s.Name, "getting file"
		case "put":
			l.Text, l.Want = "put "+s.Name, "putting file"
		case "rename":
			l.Text = "rename " + s.Name + " " + s.To
		case "delete":
			l.Text = "del " + s.Name
		default:
			l.Text = s.Op + " " + s.Name
		}
		lines = append(lines, l)
	}
	return lines
}

//go:embed errand.py
var errandProgram string

func (e *Errand) impacket(ctx context.Context, s *Station, l Login, pause float64) error {
	r := s.Domain.run
	r.Installed(s.Host, "py:impacket")
	work, err := json.Marshal(map[string]any{
		"server": s.Domain.Name(s.Domain.DC), "domain": s.Domain.NetBIOS, "share": e.Share, "dir": e.Dir, "steps": e.Steps, "pause": pause,
		"user": l.User, "password": l.Password, "hash": l.Hash, "small": transfer.Small,
	})
	if err != nil {
		return err
	}
	c, err := s.Python(errandProgram, nil, string(work))
	if err != nil {
		return err
	}
	p, _, err := s.RunAndTell(ctx, c)
	if err != nil {
		return err
	}
	r.Label(lab.Of(p).And(lab.Service(s.Domain.DC, "tcp", 445)), e.Labels()...)
	return nil
}

// check holds the files on both sides against the steps.
func (e *Errand) check(s *Station) error {
	want := make(map[string]string)
	for name, content := range e.Remote {
		want[name] = content
	}
	for _, step := range e.Steps {
		switch step.Op {
		case "get":
			got, err := s.Read(step.Name)
			if err != nil || string(got) != e.Remote[step.Name] {
				return errors.Join(fmt.Errorf("%s came otherwise: %d bytes, want %d", step.Name, len(got), step.Size), err)
			}
		case "put":
			want[step.Name] = e.Local[step.Name]
		case "rename":
			want[step.To] = want[step.Name]
			delete(want, step.Name)
		case "delete":
			delete(want, step.Name)
		}
	}
	return transfer.Same(s.Domain.DC, e.path(), want)
}

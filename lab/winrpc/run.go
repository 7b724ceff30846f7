package winrpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
	"tyto/lab/label"
)

// Command is a command line for a server.
type Command struct {
	Line string
	Want *regexp.Regexp // matches what it must print; nothing that Line has
}

// Work is commands that are run on a server from another host.
type Work struct {
	Way      string // one of Ways
	Commands []Command
	Pause    time.Duration // between commands, about
	Size     int           // bytes of a program that is copied, about; 90 kB if 0
	Poll     time.Duration // between looks whether a file is there; 500 ms if 0
	Rand     *rand.Rand    // Run.Rand's if nil
}

// way is how commands get to a server.
type way struct {
	needs   []string
	program string   // of Python, in the host's folder client or absolute
	args    []string // {target} is DOMAIN/USER:PASSWORD@ADDRESS
	each    bool     // a program for each command, which is the last argument
	image   bool     // a program is copied to the server
	note    string
	blind   bool // the output stays on the server
	net     bool // Samba's clients do it
	// transport is for WinRM: "ntlm" or "basic" with pywinrm, or "curl"; tls
	// says that it is HTTPS.
	transport string
	tls       bool
}

const examples = "/usr/share/doc/python3-impacket/examples/"

// ways are the clients that there are.
var ways = map[string]way{
	"psexec":       {program: "exec.py", args: []string{"service-pipes"}, image: true, note: "the client is the lab's own, with impacket"},
	"service-file": {program: "exec.py", args: []string{"service-file"}, image: true, note: "the client is the lab's own, with impacket"},
	"task":         {program: "exec.py", args: []string{"task"}, note: "the client is the lab's own, with impacket"},
	"smbexec":      {program: examples + "smbexec.py", args: []string{"{target}"}},
	"atexec":       {program: examples + "atexec.py", args: []string{"{target}"}, each: true},
	"wmiexec":      {program: examples + "wmiexec.py", args: []string{"{target}"}},
	"net-service":  {net: true, image: true, needs: []string{"smbclient", "net@samba-common-bin"}},
	"net-command":  {net: true, needs: []string{"smbclient", "net@samba-common-bin"}},
	"winrm-ntlm":   {transport: "ntlm", needs: []string{"py:winrm"}},
	"winrm-tls":    {transport: "ntlm", tls: true, needs: []string{"py:winrm"}},
	"winrm-basic":  {transport: "basic", tls: true, needs: []string{"py:winrm"}},
	"winrm-curl":   {transport: "curl", tls: true, needs: []string{"curl"}},
	"wmi":          {program: "exec.py", args: []string{"wmi"}, blind: true, note: "the client is the lab's own, with impacket"},
	"mmc20":        {program: examples + "dcomexec.py", args: []string{"-object", "MMC20", "{target}"}},
	"shellwindows": {program: examples + "dcomexec.py", args: []string{"-object", "ShellWindows", "{target}"}},
	"shellbrowser": {program: examples + "dcomexec.py", args: []string{"-object", "ShellBrowserWindow", "{target}"}},
}

// Session is work that was done.
type Session struct {
	Processes []*lab.Process
	output    string // what came back, beside what they printed
	spans     []span
	run       *lab.Run
}

// span is a segment of a flow.
type span struct {
	flow   lab.Selector
	t0, t1 label.Time
	state  label.State
	detail string
	// Addresses and ports, as a client in Python told them.
	local, remote string
}

// plan is what the clients read.
type plan struct {
	Address  string  `json:"address"`
	Domain   string  `json:"domain"`
	User     string  `json:"user"`
	Password string  `json:"password"`
	Commands [][]any `json:"commands"` // line and the pause before it in seconds
	Name     string  `json:"name"`     // of files and pipes
	Service  string  `json:"service"`  // or task
	Display  string  `json:"display"`
	Image    string  `json:"image"`
	Client   string  `json:"client"` // name of the client's computer
	Process  int     `json:"process"`
	Read     int     `json:"read"` // bytes of a pipe at once
	Poll     float64 `json:"poll"`
	List     int     `json:"list"` // processes that are listed, at most
	// These are for WinRM.
	URL       string `json:"url"`
	Transport string `json:"transport"`
	Operation int    `json:"operation"` // longest wait for output, in seconds
	Keep      bool   `json:"keep"`      // one shell for all commands
}

// Run runs commands on the server from another host, waits until they are done
// and checks what they printed.
func (s *Server) Run(ctx context.Context, from *lab.Host, w Work) (*Session, error) {
	how, ok := ways[w.Way]
	if !ok {
		return nil, fmt.Errorf("there is no way %q to run a command", w.Way)
	}
	if w.Rand == nil {
		w.Rand = s.run.Rand()
	}
	s.runs++
	base := fmt.Sprintf("%s-%s-%d", w.Way, strings.ToLower(s.Name), s.runs)
	p, err := s.prepare(from, how, w, base)
	if err != nil {
		return nil, err
	}
	if how.transport != "" {
		return s.runWeb(ctx, from, w, p, base)
	}
	if how.net {
		session, err := s.runNet(ctx, from, w, p)
		if err != nil {
			return nil, err
		}
		return session, session.check(w.Commands)
	}
	return s.runPython(ctx, from, w, p, base)
}

// runPython runs the commands by a client in Python.
func (s *Server) runPython(ctx context.Context, from *lab.Host, w Work, p plan, base string) (*Session, error) {
	session, how := &Session{run: s.run}, ways[w.Way]
	s.run.Software(from.Name(), "python3-impacket", lab.PackageVersion("python3-impacket"))
	args := s.traced(base, how.program, how.args...)
	commands := [][]string{args}
	if how.each {
		commands = nil
		for _, c := range w.Commands {
			commands = append(commands, append(args[:len(args):len(args)], c.Line))
		}
	}
	for i, args := range commands {
		if i > 0 {
			if err := s.run.Sleep(ctx, pause(w.Pause, w.Rand)); err != nil {
				return nil, err
			}
		}
		if _, err := session.python(ctx, s, from, base, args); err != nil {
			return nil, err
		}
	}
	if how.blind {
		if n := strings.Count(session.Processes[0].Output(), "return 0\n"); n != len(w.Commands) {
			return nil, fmt.Errorf("%d of %d processes were started\n%s", n, len(w.Commands), session.Processes[0].Output())
		}
		for i := range w.Commands {
			out, err := s.Host.Read(fmt.Sprintf("c/Windows/Temp/%s%d.log", p.Name, i+1))
			if err != nil {
				return nil, err
			}
			session.output += string(out)
		}
	}
	return session, errors.Join(session.check(w.Commands), session.read(from, base+".trace"))
}

// traced is the command line of a client in Python whose connections are told.
func (s *Server) traced(base, program string, args ...string) []string {
	if !strings.HasPrefix(program, "/") {
		program = "client/" + program
	}
	all := append([]string{"/usr/bin/python3", "client/traced.py", base + ".json", program}, args...)
	for i, a := range all {
		all[i] = strings.ReplaceAll(a, "{target}", fmt.Sprintf("%s/%s:%s@%s", s.Domain, s.User, s.Password, s.Host.Addr()))
	}
	return all
}

// python runs a client in Python.
func (x *Session) python(ctx context.Context, s *Server, from *lab.Host, base string, args []string) (*lab.Process, error) {
	p, err := from.Start(ctx, lab.Command{Args: args, Env: []string{"TRACE=" + base + ".trace", "PYTHONUNBUFFERED=1"}})
	if err != nil {
		return nil, err
	}
	x.Processes = append(x.Processes, p)
	if err := p.Wait(ctx); err != nil {
		return nil, fmt.Errorf("%w\n%s\nthe endpoint says %s", err, p.Output(), tail(s.Endpoint.Output()))
	}
	return p, nil
}

// prepare writes what a client needs to its host.
func (s *Server) prepare(from *lab.Host, how way, w Work, base string) (plan, error) {
	rng := w.Rand
	p := plan{
		Address: s.Host.Addr().String(), Domain: s.Domain, User: s.User, Password: s.Password, Name: word(5+rng.IntN(6), rng),
		Service: capital(word(4+rng.IntN(8), rng)), Display: capital(word(6, rng)) + " " + []string{"Service", "Update", "Helper", "Agent", "Host"}[rng.IntN(5)],
		Client: strings.ToUpper(word(6+rng.IntN(4), rng)), Process: 1000 + 4*rng.IntN(3000), Read: []int{1024, 4096, 65535}[rng.IntN(3)], List: rng.IntN(25), Poll: max(w.Poll, 200*time.Millisecond).Seconds(),
	}
	if how.transport != "" {
		p.URL, p.Transport, p.Operation, p.Keep = s.url(how), how.transport, 5+rng.IntN(40), rng.IntN(2) == 0
	}
	for i, c := range w.Commands {
		before := pause(w.Pause, rng)
		if i == 0 {
			before = 0
		}
		p.Commands = append(p.Commands, []any{c.Line, before.Seconds()})
	}
	var err error
	if how.image {
		if w.Size == 0 {
			w.Size = 90 << 10
		}
		p.Image = p.Name + ".exe"
		err = from.Write(p.Image, imageMagic+lab.Random(int(float64(w.Size)*(.7+.6*rng.Float64())), rng), 0o644)
	}
	if how.note != "" {
		s.run.Note(how.note)
	}
	data, jsonErr := json.Marshal(p)
	return p, errors.Join(err, jsonErr, copyFiles(from, client, "client"), from.Write(base+".json", string(data), 0o600))
}

// imageMagic is how a service program of the lab begins: the endpoint's
// image.py starts no other.
const imageMagic = "MZ\x90\x00lab service program\x00"

// pause draws how long somebody waits between two commands.
func pause(about time.Duration, rng *rand.Rand) time.Duration {
	return time.Duration(float64(about) * min(.2+rng.ExpFloat64(), 4))
}

func tail(text string) string {
	if len(text) > 4000 {
		return text[len(text)-4000:]
	}
	return text
}

// check looks for what the commands must have printed, in their order.
func (x *Session) check(commands []Command) error {
	var all strings.Builder
	for _, p := range x.Processes {
		all.WriteString(p.Output())
	}
	all.WriteString(x.output)
	rest := all.String()
	for _, c := range commands {
		at := c.Want.FindStringIndex(rest)
		if at == nil {
			return fmt.Errorf("%s printed no %s; what was printed is\n%s", c.Line, c.Want, all.String())
		}
		rest = rest[at[1]:]
	}
	return nil
}

// read reads what the clients told.
func (x *Session) read(h *lab.Host, name string) error {
	data, err := h.Read(name)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		var e c2.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return fmt.Errorf("a client's trace has %q", line)
		}
		flow, err1 := c2.Flow(e.Proto, e.Local, e.Remote)
		state, err2 := label.ParseState(e.State)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		x.spans = append(x.spans, span{flow, label.Time(e.T0), label.Time(e.T1), state, e.Detail, e.Local, e.Remote})
	}
	return nil
}

// Tell tells the segments of a session, and that all its flows are about the
// labels; those to which a program was copied are uploads, too.
func (x *Session) Tell(labels ...label.Label) {
	for _, p := range x.Processes {
		if len(labels) > 0 {
			x.run.Label(lab.Of(p), labels...)
		}
	}
	for _, s := range x.spans {
		x.run.Span(s.flow, s.t0, s.t1, s.state, s.detail)
		if s.state == label.StateUpload {
			x.run.Label(s.flow, label.Upload)
		}
	}
}

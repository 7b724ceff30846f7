package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/pki"
	"tyto/lab/ssh"
	"tyto/lab/typist"
	"tyto/lab/web"
)

// Forward logs in without a command, with options that forward something.
func (s *Site) Forward(ctx context.Context, options ...string) (*lab.Process, error) {
	if s.Kind == "putty" {
		// It listens on ::1, too, or not at all.
		const loopback = "echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6"
		if _, err := s.Client.Run(ctx, lab.Command{Args: []string{"sh", "-c", loopback}}); err != nil {
			return nil, err
		}
	}
	p, err := s.Client.Start(ctx, s.Login(append([]string{"-N"}, options...)))
	if err != nil {
		return nil, err
	}
	_, err = s.LoggedIn(ctx, p)
	return p, err
}

// Listen waits until a host listens where a forward begins.
func (s *Site) Listen(ctx context.Context, h *lab.Host, port int) error {
	return await(ctx, "forward", func() (bool, error) { return h.WaitListen(ctx, "tcp", port) == nil, ctx.Err() })
}

// Inner is a connection inside the flows of Outer.
type Inner struct {
	Site  *Site
	Outer lab.Selector
	From  *lab.Host // whose program connects to its end of the forward
	Via   []string  // arguments by which curl goes there
	To    string    // what it reaches, "tcp inner:443"
}

// tell tells the inner connection until end is called.
func (c Inner) tell(what string) (end func()) {
	return c.Site.Run.Segment(c.Outer, label.StateTunnel, c.To+" "+what)
}

// Web is a web site that can be reached at the name Domain.
type Web struct {
	pages []map[string]string // path of each part, the page itself is page.html
	big   string
}

// Domain is the name of the web site.
const Domain = "intra.corp.example"

// NeedsWeb are the programs of web sites and those who read them.
func NeedsWeb() []string { return append(web.Needs("nginx"), "curl") }

// Programs are for lab.Scenario.Programs of scenarios with a web site.
func Programs() map[string]func(context.Context, []string) error { return web.Programs() }

// StartWeb starts the web site on a host; readers trust its certificate.
func StartWeb(ctx context.Context, r *lab.Run, h *lab.Host, size int, readers ...*lab.Host) (*Web, error) {
	authority, err := pki.New(r, "Lab Root R1")
	if err != nil {
		return nil, err
	}
	cert, err := authority.Issue([]string{"ecdsa", "rsa"}[r.Rand().IntN(2)], Domain)
	if err != nil {
		return nil, err
	}
	if err := authority.Trust(ctx, readers...); err != nil {
		return nil, err
	}
	server, err := web.Start(ctx, r, h, []string{"nginx", "go"}[r.Rand().IntN(2)], cert)
	if err != nil {
		return nil, err
	}
	w := &Web{big: Content(size, r.Rand())}
	files := map[string]string{"big.bin": w.big}
	for i := range 5 {
		page := map[string]string{"page.html": Content(2000+r.Rand().IntN(30000), r.Rand())}
		for range r.Rand().IntN(9) {
			page[Name(r.Rand())] = Content(500<<r.Rand().IntN(8), r.Rand())
		}
		for name, content := range page {
			files[fmt.Sprint("p", i, "/", name)] = content
		}
		w.pages = append(w.pages, page)
	}
	return w, h.WriteFiles(server.Root, files)
}

// Use reads pages (kind "web") or fetches the large file ("download") some times
// with pauses, whose bulk goes as state says in the outer flow.
func (w *Web) Use(ctx context.Context, c Inner, kind string, times int, state label.State) error {
	for i := range times {
		if i > 0 {
			if err := c.Site.Pause(ctx); err != nil {
				return err
			}
		}
		err := error(nil)
		if kind == "web" {
			err = w.read(ctx, c)
		} else {
			err = w.download(ctx, c, state)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read loads one of the site's pages with all its parts, and compares them.
func (w *Web) read(ctx context.Context, c Inner) error {
	i := c.Site.Run.Rand().IntN(len(w.pages))
	page := w.pages[i]
	defer c.Site.Run.Segment(c.Outer, label.StateBrowse, fmt.Sprintf("%s page %d", c.To, i))()
	parts := slices.Sorted(maps.Keys(page))
	parts = slices.DeleteFunc(parts, func(n string) bool { return n == "page.html" })
	for _, names := range [][]string{{"page.html"}, parts} {
		want := make(map[string]string)
		for _, name := range names {
			want[name] = page[name]
		}
		if err := w.fetch(ctx, c, fmt.Sprint("p", i, "/"), want); err != nil {
			return err
		}
	}
	return nil
}

// download fetches the site's large file.
func (w *Web) download(ctx context.Context, c Inner, state label.State) error {
	defer c.Site.Run.Segment(c.Outer, state, c.To+" big.bin")()
	return w.fetch(ctx, c, "", map[string]string{"big.bin": w.big})
}

func (w *Web) fetch(ctx context.Context, c Inner, path string, want map[string]string) error {
	if len(want) == 0 {
		return nil
	}
	args := append([]string{"curl", "-sSf", "-Z", "--output-dir", "/tmp/web", "--create-dirs", "--remote-name-all"}, c.Via...)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		args = append(args, "https://"+Domain+"/"+path+name)
	}
	c.Site.Run.Installed(c.From, "curl")
	began := c.Site.Run.Now()
	opened, err := c.From.Run(ctx, lab.Command{Args: append(args, "-w", "%{num_connects}\n")})
	if err != nil {
		return err
	}
	connections := 0
	for n := range strings.FieldsSeq(string(opened)) {
		one, err := strconv.Atoi(n)
		if err != nil {
			return fmt.Errorf("curl tells of %q connections", n)
		}
		connections += one
	}
	detail := fmt.Sprintf("%s https, %d connections", c.To, connections)
	c.Site.Run.Span(c.Outer, began, c.Site.Run.Now(), label.StateTunnel, detail)
	return Same(c.From, "/tmp/web", want)
}

// Redis starts a database on a host.
func Redis(ctx context.Context, r *lab.Run, h *lab.Host) error {
	r.Installed(h, "redis-server")
	args := []string{"redis-server", "--port", "6379", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--dir", h.Dir(), "--daemonize", "no"}
	if _, err := h.Start(ctx, lab.Command{Args: args}); err != nil {
		return err
	}
	return h.WaitListen(ctx, "tcp", 6379)
}

// Query works in the database's shell, with count commands.
func Query(ctx context.Context, c Inner, port, count int) error {
	r, rng := c.Site.Run, c.Site.Run.NewRand("database")
	t, err := c.From.Terminal(ctx, lab.Command{Args: []string{"redis-cli", "-h", "127.0.0.1", "-p", fmt.Sprint(port)}, Env: []string{"TERM=dumb"}}, "100x30")
	if err != nil {
		return err
	}
	r.Installed(c.From, "redis-cli")
	defer c.tell("redis")()
	ready := r.Segment(c.Outer, label.StateExchange, c.To+" redis: the list of commands")
	if _, err := t.Expect(ctx, redisPrompt); err != nil {
		return err
	}
	ready()
	var lines []Line
	for i := range count {
		n := 10 + rng.IntN(1000)
		line := []Line{
			{Text: fmt.Sprintf("incrby count:%d %d", i, n), Want: fmt.Sprintf(`\(integer\) %d`, n)},
			{Text: fmt.Sprintf("eval \"local t={} for i=1,%d do t[i]='item-'..i*2 end return t\" 0", n), Want: fmt.Sprintf("item-%d\"", n*2)},
			{Text: "info", Want: "redis_version:"},
			{Text: "config get max*", Want: `maxmemory-policy"`},
			{Text: fmt.Sprintf("setrange text:%d %d x", i, n), Want: fmt.Sprintf(`\(integer\) %d`, n+1)},
		}[rng.IntN(5)]
		line.State = label.StateExchange
		lines = append(lines, line)
	}
	if err := Console(ctx, r, t, c.Outer, redisPrompt, lines, rng); err != nil {
		return err
	}
	return Quit(ctx, r, t, "quit", rng)
}

var redisPrompt = regexp.MustCompile(`127\.0\.0\.1:\d+> $`)

// Account starts an SSH server on a host, with an account for who has the
// client's key, and returns the options, with the name before the host, by
// which OpenSSH logs in there from elsewhere.
func (s *Site) Account(ctx context.Context, h *lab.Host) (options []string, err error) {
	const user = "anna"
	inner, err := ssh.Start(ctx, s.Run, h, ssh.Options{})
	if err != nil {
		return nil, err
	}
	err = errors.Join(h.AddUser(ctx, user, "not-used-"+user), h.WriteFiles("/home/"+user, typist.Developer.Files()),
		inner.Authorize(ctx, user, s.Key), s.Key.Trust(ctx, inner))
	if err != nil {
		return nil, err
	}
	_, err = h.Run(ctx, lab.Command{Args: []string{"chown", "-R", user + ":", "/home/" + user}})
	return []string{"-o", "HostKeyAlias=" + h.Addr().String(), "-i", "/root/.ssh/id_ed25519", "-l", user}, err
}

// Work logs in through the forward with a command line and works at the prompt.
func Work(ctx context.Context, c Inner, args []string, role string, count int) error {
	r := c.Site.Run
	parsed, err := typist.ParseRole(role)
	if err != nil {
		return err
	}
	r.Installed(c.From, "ssh")
	defer c.tell("ssh")()
	t, err := c.From.Terminal(ctx, lab.Command{Args: args}, []string{"80x24", "132x43"}[r.Rand().IntN(2)])
	if err != nil {
		return err
	}
	ready := r.Segment(c.Outer, label.StateExchange, c.To+" ssh: login")
	err = lab.Shell(ctx, r, t, c.Outer, lab.Script{Role: parsed, Count: count, Ready: ready})
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return lab.Leave(ctx, r, t, c.Outer)
}

// Gone ends the login of a forward, which must have lived until then.
func Gone(p *lab.Process) error {
	select {
	case <-p.Done():
		return fmt.Errorf("the forward has ended: %s", p.Output())
	default:
		p.Stop()
		return nil
	}
}

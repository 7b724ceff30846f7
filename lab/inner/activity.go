package inner

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/ssh"
	"tyto/lab/typist"
)

// activities are what can be at the same time; idle is for itself.
var activities = map[string]func(context.Context, *use) error{
	"browse": browse, "shell": shell, "upload": upload, "download": download, "stream": stream,
}

// transfer is one request of curl.
type transfer struct {
	path string
	want string // what must come back
	put  string // file on the client that is sent, if any
	size int
}

// curl makes the requests, one after the other in one process, and compares
// what came. It tells a segment of the state for each request, or one for all
// if joint says what they are together.
func (u *use) curl(ctx context.Context, state label.State, joint string, transfers []transfer, options ...string) error {
	base := fmt.Sprintf("%s://%s:%d", u.r.Param("scheme"), u.s.Name, u.s.Port)
	args := append([]string{"bash", "-c", clocked, "curl", "-sS", "--fail", "--fail-early", "-w", "%{stderr}\ntook %{time_pretransfer} %{time_total}\n"}, options...)
	if u.w.Addr != "" {
		args = append(args, "--connect-to", fmt.Sprintf("%s:%d:%s:%d", u.s.Name, u.s.Port, u.w.Addr, cmp.Or(u.w.Web, u.s.Port)))
	}
	if u.w.Proxy != "" {
		args = append(args, "--proxy", u.w.Proxy)
		if strings.HasPrefix(u.w.Proxy, "http:") && !(u.w.Forward && u.r.Param("scheme") == "http") {
			args = append(args, "--proxytunnel")
		}
	}
	if u.w.Login != "" {
		args = append(args, "--proxy-user", u.w.Login)
	}
	if u.w.Retry {
		args = append(args, "--retry", "3", "--retry-all-errors")
	}
	for i, t := range transfers {
		args = append(args, "-o", u.file(i))
		if t.put != "" {
			args = append(args, "-T", t.put)
		}
		args = append(args, base+t.path)
	}
	p, err := u.client.Start(ctx, lab.Command{Args: args, Env: []string{"LC_ALL=C"}})
	if err != nil {
		return err
	}
	u.label(p)
	if err := p.Wait(ctx); err != nil {
		return err
	}
	if err := u.tell(ctx, p, state, joint, transfers); err != nil {
		return err
	}
	for i, t := range transfers {
		if got, err := u.client.Read(u.file(i)); err != nil || string(got) != t.want {
			return fmt.Errorf("%s: %d other bytes came: %v", t.path, len(got), err)
		}
	}
	return nil
}

func (u *use) file(i int) string { return fmt.Sprintf("%s-%d.got", u.name, i) }

// label labels the outer flows of a program that has some of its own.
func (u *use) label(p *lab.Process) {
	if u.w.Each {
		u.r.Label(u.w.Outer(p), u.w.Labels...)
	}
}

// tell tells what a curl that has ended did, by its own clock: neither the
// program's start nor its end counts.
func (u *use) tell(ctx context.Context, p *lab.Process, state label.State, joint string, transfers []transfer) error {
	times := curlTimes(p)
	if len(times) != len(transfers) {
		return fmt.Errorf("curl told of %d transfers, not of %d:\n%s", len(times), len(transfers), p.Output())
	}
	// What is said by curl comes late on a busy machine; the server was asked
	// for the first when the connection was ready, not before.
	path, _, _ := strings.Cut(transfers[0].path, "?")
	asked, err := u.s.asked(ctx, path)
	if err != nil {
		return err
	}
	if late := times[0].ready - asked; late > 0 {
		for i, t := range times {
			times[i] = span{t.began - late, t.ready - late, t.over - late}
		}
	}
	sel, peer := u.w.Outer(p), fmt.Sprintf("tcp %s:%d", u.s.Name, u.s.Port)
	first, last := times[0].began, times[0].over
	for _, t := range times {
		first, last = min(first, t.began), max(last, t.over)
	}
	if u.w.Each {
		ready := times[0].ready
		if u.w.Early || u.w.accepts() && u.r.Param("scheme") == "http" {
			// The server was asked half a round trip after the request was
			// sent, and a little for jitter and the proxy's work.
			ready = max(ready, asked-label.Time(u.r.Profile().RTT.Duration()*5/8+2*time.Millisecond))
		}
		u.r.Span(sel, first, ready, label.StateHandshake, peer)
		first = ready
	}
	if joint != "" {
		u.r.Span(sel, first, last, state, peer+" "+joint)
		return nil
	}
	for i, t := range transfers {
		u.r.Span(sel, max(times[i].began, first), times[i].over, state, fmt.Sprintf("%s %s %d bytes", peer, t.path, t.size))
	}
	return nil
}

// span is when a transfer began, when its connection was ready and when it
// was over.
type span struct{ began, ready, over label.Time }

// clocked runs a program and puts the time before each line that it writes to
// standard error.
const clocked = `"$0" "$@" 2>&1 >/dev/null | while read -r line; do echo "$EPOCHREALTIME $line"; done; exit ${PIPESTATUS[0]}`

// curlTimes reads what curl told of each transfer when it was over.
func curlTimes(p *lab.Process) (all []span) {
	for line := range strings.Lines(p.Output()) {
		var over, ready, total float64
		if n, _ := fmt.Sscanf(line, "%f took %f %f", &over, &ready, &total); n == 3 {
			began := label.Time((over - total) * 1e9)
			all = append(all, span{began, began + label.Time(ready*1e9), label.Time(over * 1e9)})
		}
	}
	return all
}

// offer makes files on the server and returns the requests for them.
func (u *use) offer(prefix string, sizes ...int) (all []transfer, err error) {
	for i, n := range sizes {
		t := transfer{path: fmt.Sprintf("/%s-%d.bin", prefix, i), want: lab.Random(n, u.rng), size: n}
		if err := u.s.Host.Write("www"+t.path, t.want, 0o644); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// longestPause is how long a person thinks at most: some go for lunch.
const longestPause = 40 * time.Second

// rounds calls do again and again, with think time in between.
func (u *use) rounds(ctx context.Context, do func(round int) error) error {
	for round := range u.r.ParamInt("rounds") {
		if round > 0 {
			pause, cancel := context.WithTimeout(ctx, longestPause)
			u.r.Think(pause, u.rng)
			cancel()
			if err := u.r.Sleep(ctx, u.w.Linger); err != nil {
				return err
			}
		}
		if err := do(round); err != nil {
			return err
		}
	}
	return nil
}

// browse loads pages: some objects each, in one connection or in several.
func browse(ctx context.Context, u *use) error {
	return u.rounds(ctx, func(round int) error {
		sizes := []int{u.bytes(.05)}
		for range 2 + u.rng.IntN(10) {
			sizes = append(sizes, int(float64(u.bytes(.03))*math.Exp(u.rng.NormFloat64()/2)))
		}
		page, err := u.offer(fmt.Sprint("page-", round), sizes...)
		if err != nil {
			return err
		}
		var options []string
		if u.rng.IntN(2) == 0 && !u.w.Serial {
			options = []string{"-Z", "--parallel-max", "6"}
		}
		return u.curl(ctx, label.StateBrowse, fmt.Sprintf("page %d, %d objects", round, len(page)), page, options...)
	})
}

// download fetches files, some in one connection.
func download(ctx context.Context, u *use) error {
	return u.rounds(ctx, func(round int) error {
		sizes := []int{u.bytes(1)}
		if u.rng.IntN(3) == 0 {
			sizes = append(sizes, u.bytes(.3))
		}
		files, err := u.offer(fmt.Sprint("file-", round), sizes...)
		if err != nil {
			return err
		}
		return u.curl(ctx, u.w.outward(label.StateDownload), "", files)
	})
}

// upload sends files; the server answers with what it computed of each.
func upload(ctx context.Context, u *use) error {
	return u.rounds(ctx, func(round int) error {
		data := lab.Random(u.bytes(1), u.rng)
		t := transfer{path: fmt.Sprintf("/sent-%d.bin", round), want: fmt.Sprintf("%x\n", sha256.Sum256([]byte(data))), put: fmt.Sprintf("sent-%d.bin", round), size: len(data)}
		if err := u.client.Write(t.put, data, 0o644); err != nil {
			return err
		}
		return u.curl(ctx, u.w.outward(label.StateUpload), "", []transfer{t}, "-H", "Expect:")
	})
}

// stream plays media, live at a steady rate or in segments of a few seconds.
func stream(ctx context.Context, u *use) error {
	seconds := 8 + u.rng.IntN(15)
	if u.rng.IntN(2) == 0 {
		live, err := u.offer("live", u.bytes(1))
		if err != nil {
			return err
		}
		live[0].path += fmt.Sprintf("?pace=%ds", seconds)
		return u.curl(ctx, label.StateStream, "live", live)
	}
	every := 2 + u.rng.IntN(3)
	var sizes []int
	for range max(3, seconds/every) {
		sizes = append(sizes, u.bytes(float64(every)/float64(seconds)))
	}
	segments, err := u.offer("segment", sizes...)
	if err != nil {
		return err
	}
	return u.curl(ctx, label.StateStream, "segments", segments, "--rate", fmt.Sprintf("%d/m", 60/every))
}

// idle holds the tunnel open, with an inner connection that is not used where
// there would be no tunnel without; then it proves that the tunnel works.
func idle(ctx context.Context, u *use) error {
	d := time.Duration(12000+u.rng.IntN(33000)) * time.Millisecond
	if !u.w.Device {
		wait := transfer{path: fmt.Sprintf("/wait?for=%v", d), want: "waited\n"}
		return u.curl(ctx, label.StateIdle, "open, nothing is sent", []transfer{wait})
	}
	end := u.r.Segment(u.w.Outer(nil), label.StateIdle, "")
	if err := u.r.Sleep(ctx, d); err != nil {
		return err
	}
	end()
	hello, err := u.offer("hello", 500)
	if err != nil {
		return err
	}
	return u.curl(ctx, label.StateExchange, "", hello)
}

// shell works at a prompt over SSH.
func shell(ctx context.Context, u *use) error {
	c, s := u.s.login, u.s.ssh
	options := []string{"-o", "HostKeyAlias=" + s.Host.Addr().String(), "-o", "HostName=" + cmp.Or(u.w.Addr, u.s.Name), "-p", fmt.Sprint(cmp.Or(u.w.SSH, s.Port))}
	if u.w.Proxy != "" {
		via, err := url.Parse(u.w.Proxy)
		if err != nil {
			return err
		}
		options = append(options, "-o", u.throughProxy(via))
	}
	login := lab.Command{Args: c.Args(ssh.Login{Server: s, User: user, Options: options})}
	size := []string{"80x24", "132x43", "100x30"}[u.rng.IntN(3)]
	t, ready, err := u.login(ctx, login, size)
	for range 3 {
		if err == nil || !u.w.Retry || ctx.Err() != nil {
			break
		}
		t, ready, err = u.login(ctx, login, size)
	}
	if err != nil {
		return err
	}
	sel := u.w.Outer(t.Process)
	roles := typist.Roles()
	script := lab.Script{Role: roles[u.rng.IntN(len(roles))], Count: 2 * u.r.ParamInt("rounds"), Ready: ready}
	if u.w.Slow {
		for range script.Count {
			script.Commands = append(script.Commands, brief[u.rng.IntN(len(brief))])
		}
	}
	if err := lab.Shell(ctx, u.r, t, sel, script); err != nil {
		return err
	}
	return lab.Leave(ctx, u.r, t, sel)
}

// login starts a login and waits for its prompt; ready ends its segment.
func (u *use) login(ctx context.Context, login lab.Command, size string) (t *lab.Terminal, ready func(), err error) {
	if t, err = u.client.Terminal(ctx, login, size); err != nil {
		return nil, nil, err
	}
	u.label(t.Process)
	state := label.StateExchange
	if u.w.Each {
		state = label.StateHandshake
	}
	ready = u.r.Segment(u.w.Outer(t.Process), state, fmt.Sprintf("tcp %s:22 login", u.s.Name))
	// The login may take longer than a command.
	err = until(ctx, t.Process, loginTime, "no prompt came", func() bool { return lab.DefaultPrompt.MatchString(t.Output()) })
	if err != nil {
		ready()
		t.Stop()
	}
	return t, ready, err
}

// loginTime is how long a login through the slowest tunnel may take.
const loginTime = 2 * time.Minute

// brief are commands whose answers are short.
var brief = []typist.Command{
	{Text: "uptime", Want: "load average"}, {Text: "id", Want: "uid="}, {Text: "ls", Want: "README.md"}, {Text: "ls src", Want: "report.sh"},
	{Text: "date"}, {Text: "pwd", Want: "/home/"}, {Text: "uname -a", Want: "Linux"}, {Text: "wc -l src/*.sh", Want: "total"},
	{Text: "df -h .", Want: "Use%"}, {Text: "sh tests/run.sh", Want: "3 of 3 passed"}, {Text: "cat conf/app.conf", Want: "log_level = info"},
	{Text: "tail -2 logs/service.log"}, {Text: "ls -l conf", Want: "app.conf"}, {Text: "free -m", Want: "Swap:"}, {Text: "whoami"},
}

// throughProxy is the option with which ssh goes through a proxy.
func (u *use) throughProxy(via *url.URL) string {
	if u.w.Login == "" {
		kind := map[string]string{"socks5h": "5", "http": "connect"}[via.Scheme]
		return fmt.Sprintf("ProxyCommand=nc -X %s -x %s %%h %%p", kind, via.Host)
	}
	kind := map[string]string{"socks5h": "socks5", "http": "http"}[via.Scheme]
	return fmt.Sprintf("ProxyCommand=ncat --proxy-type %s --proxy %s --proxy-auth %s --proxy-dns remote %%h %%p", kind, via.Host, u.w.Login)
}

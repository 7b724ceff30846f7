package webapp

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"math/rand/v2"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/typist"
)

// Site is pages that a person reads one after the other.
type Site struct {
	Files   map[string]string // by path without the first slash
	Pages   []string          // paths
	Objects [][]string        // paths of what each page holds
}

// NewSite draws a site of pages that hold about so many objects, the images of
// at most that size. In a browser that runs scripts each page posts to /seen/N
// how many objects it loaded, and goes to the next after the time in reading,
// which has one for each page.
func NewSite(reading []time.Duration, objects, imageBytes int, rng *rand.Rand) *Site {
	s := &Site{Files: make(map[string]string)}
	shared := []string{"static/site.css", "static/site.js", "static/logo.png"}
	s.Files[shared[0]] = strings.Repeat("p { margin: 1em; color: #222 } ", 20+rng.IntN(300))
	s.Files[shared[1]] = strings.Repeat("function f() { return 1 } ", 20+rng.IntN(1500))
	s.Files[shared[2]] = picture(500+rng.IntN(8000), rng)
	for i, wait := range reading {
		page, all := fmt.Sprintf("p%d/", i), shared
		for j := range max(1, objects/2+rng.IntN(objects+1)) {
			name := fmt.Sprintf("%simage%d.png", page, j)
			s.Files[name] = picture(100+rng.IntN(imageBytes), rng)
			all = append(all[:len(all):len(all)], name)
		}
		html := fmt.Sprintf("<!doctype html><title>Page %d</title><link rel=stylesheet href=/%s><script src=/%s></script>\n", i, shared[0], shared[1])
		for _, name := range all[2:] {
			html += fmt.Sprintf("<img src=/%s>\n<p>%s</p>\n", name, typist.Prose(20+rng.IntN(60), rng))
		}
		next := ""
		if i+1 < len(reading) {
			next = fmt.Sprintf("setTimeout(() => { location = '/p%d/' }, %d)", i+1, wait.Milliseconds())
		}
		html += fmt.Sprintf("<script>addEventListener('load', () => { fetch('/seen/%d', {method: 'POST', body: 'objects ' + performance.getEntriesByType('resource').length}); %s })</script>\n", i, next)
		s.Files[page+"index.html"] = html
		s.Pages, s.Objects = append(s.Pages, page), append(s.Objects, all)
	}
	return s
}

// Read has Chromium on a host read all pages of the site, which a server with
// ServeFiles has: their scripts go on and tell what came.
func (s *Site) Read(ctx context.Context, h *lab.Host, server *Server) error {
	p, err := h.Start(ctx, lab.Command{Args: append(strings.Fields(chromium+" --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "+
		"--disable-sync --ignore-certificate-errors --remote-debugging-port=9222 --user-data-dir=profile"), server.URL("/"+s.Pages[0]))})
	if err != nil {
		return err
	}
	if err := Await(ctx, server.App, "post", len(s.Pages)); err != nil {
		return fmt.Errorf("%w; the browser says %s", err, p.Output())
	}
	for i, e := range Events(server.App) {
		if want := fmt.Sprintf("/seen/%d \"objects %d\"", i, len(s.Objects[i])); e.Text != want {
			return fmt.Errorf("the browser told %s, want %s", e.Text, want)
		}
	}
	p.Stop()
	return nil
}

// picture makes a PNG image of a little more than n bytes: a browser breaks off
// what it cannot read. All but a pixel is in a chunk that nobody knows.
func picture(n int, rng *rand.Rand) string {
	var b bytes.Buffer
	png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))) // a Buffer takes everything
	const header = 8 + 25                                 // signature and the chunk IHDR
	chunk := append(binary.BigEndian.AppendUint32(nil, uint32(n)), "raNd"+lab.Random(n, rng)...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	return b.String()[:header] + string(chunk) + b.String()[header:]
}

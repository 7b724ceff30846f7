package report

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// browser is a headless Chromium.
type browser struct{ program, profile string }

// findBrowser skips the test if there is none.
func findBrowser(t *testing.T) *browser {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		program, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		profile, err := os.MkdirTemp("", "report-browser-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(profile) }) // a browser that is ending may still write: what is left does not matter
		return &browser{program, profile}
	}
	t.Skip("there is no Chromium (apt-get install chromium)")
	return nil
}

// run opens a page at a width, dark or light, and returns what the browser
// printed, and what it logged.
func (b *browser) run(t *testing.T, file string, width string, flags ...string) (out, log string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
	defer cancel()
	args := append([]string{"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run", "--disable-extensions",
		"--enable-logging=stderr", "--user-data-dir=" + b.profile, "--window-size=" + width + ",1400"}, flags...)
	c := exec.CommandContext(ctx, b.program, append(args, "file://"+file)...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	c.WaitDelay = 5 * time.Second
	if err := c.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", b.program, err, tailOf(stderr.String()))
	}
	return stdout.String(), stderr.String()
}

func tailOf(s string) string { return s[max(len(s)-2000, 0):] }

// probe measures a page as it is laid out. It takes the place of the page's script,
// with its policy.
const probe = `
var seen = {};
document.querySelectorAll("main > section, header, footer, h1, h2, .case, svg.graph, .band, .ledger, .card, .tactic").forEach(function (e) {
  var r = e.getBoundingClientRect(), c = getComputedStyle(e);
  if (r.width < 20 || r.height < 8 || c.visibility !== "visible" || +c.opacity === 0) seen.hidden = (seen.hidden || []).concat(e.id || e.className.baseVal || e.className || e.tagName);
  if (r.right > innerWidth + 1 && !e.closest(".scroll")) seen.wide = (seen.wide || []).concat((e.id || e.className || e.tagName) + " " + r.right);
});
seen.sections = [].map.call(document.querySelectorAll("main > section"), function (e) { return e.id; });
seen.overflow = document.documentElement.scrollWidth - innerWidth;
var boxes = [].map.call(document.querySelectorAll(".node rect"), function (e) { return e.getBoundingClientRect(); });
seen.overlaps = 0;
boxes.forEach(function (a, i) { boxes.slice(i + 1).forEach(function (b) {
  if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom) seen.overlaps++;
}); });
seen.texts = 0;
document.querySelectorAll(".node").forEach(function (g) { var r = g.querySelector("rect").getBoundingClientRect();
  g.querySelectorAll("text").forEach(function (t) { var b = t.getBoundingClientRect(); if (b.left < r.left || b.right > r.right) seen.texts++; }); });
document.documentElement.setAttribute("data-probe", JSON.stringify(seen));
`

// measured is what probe found.
type measured struct {
	Hidden, Wide, Sections    []string
	Overflow, Overlaps, Texts int
}

var (
	scriptOf = regexp.MustCompile(`(?s)<script>.*</script>`)
	policyOf = regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`)
	probed   = regexp.MustCompile(`data-probe="([^"]*)"`)
)

// TestBrowser opens the page in a real browser: nothing is logged against it, all
// of it is to be seen, on a telephone as on a wide screen, and dark is dark.
func TestBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes seconds")
	}
	b := findBrowser(t)
	dir := t.TempDir()
	page := written(t, hostileNames(t))
	file, measure := filepath.Join(dir, "page.html"), filepath.Join(dir, "measure.html")
	changed := policyOf.ReplaceAllLiteralString(scriptOf.ReplaceAllLiteralString(page, "<script>"+probe+"</script>"), "")
	for name, text := range map[string]string{file: page, measure: changed} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	light, log := b.screenshot(t, file, filepath.Join(dir, "light.png"), "1280", "1")
	for line := range strings.Lines(log) {
		if strings.Contains(line, "CONSOLE") {
			t.Errorf("the browser's console: %s", line)
		}
	}
	dark := b.measure(t, measure, filepath.Join(dir, "dark.png"), "1280")
	b.measure(t, measure, filepath.Join(dir, "narrow.png"), "500") // the narrowest window there is
	if l, d := brightness(light), brightness(dark); l < 0.75 || d > 0.3 {
		t.Errorf("brightness %.2f in light and %.2f in dark", l, d)
	}
}

// hostileNames is the invented intrusion with names as long as they get.
func hostileNames(t *testing.T) *Input {
	in := invented(t)
	in.Distinct[0].Domain = strings.Repeat("a-very-long-label-", 12) + ".example"
	in.Devices[0].Users = []string{strings.Repeat("W", 64)}
	for i := range in.Cases[0].Path {
		in.Cases[0].Path[i].Account = strings.Repeat("W", 50)
	}
	in.Cases[0].Path[0].Domain = strings.Repeat("W", 60) + ".example"
	return in
}

// measure holds what probe finds at a width against what must be, and returns
// what the page looks like in the dark.
func (b *browser) measure(t *testing.T, file, shot, width string) image.Image {
	t.Helper()
	out, log := b.run(t, file, width, "--dump-dom", "--screenshot="+shot, "--blink-settings=preferredColorScheme=0")
	m := probed.FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("%s px: nothing was measured: %s", width, tailOf(out))
	}
	var got measured
	if err := json.Unmarshal([]byte(strings.ReplaceAll(m[1], "&quot;", `"`)), &got); err != nil {
		t.Fatal(err)
	}
	if want := "cases movement timeline evidence entities attack rest"; strings.Join(got.Sections, " ") != want {
		t.Errorf("%s px: sections %v, want %s", width, got.Sections, want)
	}
	if got.Hidden != nil || got.Wide != nil || got.Overflow > 0 || got.Overlaps > 0 || got.Texts > 0 {
		t.Errorf("%s px: hidden %v, beyond the edge %v, page too wide by %d px, %d boxes overlap, %d texts leave their box", width, got.Hidden, got.Wide, got.Overflow, got.Overlaps, got.Texts)
	}
	return picture(t, shot, log)
}

// screenshot returns what a page looks like, and the browser's log.
func (b *browser) screenshot(t *testing.T, file, shot, width, scheme string) (image.Image, string) {
	t.Helper()
	_, log := b.run(t, file, width, "--screenshot="+shot, "--blink-settings=preferredColorScheme="+scheme)
	return picture(t, shot, log), log
}

// picture reads a screenshot.
func picture(t *testing.T, shot, log string) image.Image {
	t.Helper()
	f, err := os.Open(shot)
	if err != nil {
		t.Fatalf("no screenshot: %v\n%s", err, tailOf(log))
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// brightness is the mean of an image, from 0 to 1.
func brightness(img image.Image) float64 {
	sum, n := 0.0, 0.0
	r := img.Bounds()
	for y := r.Min.Y; y < r.Max.Y; y += 7 {
		for x := r.Min.X; x < r.Max.X; x += 7 {
			red, green, blue, _ := img.At(x, y).RGBA()
			sum += float64(red+green+blue) / (3 * 0xffff)
			n++
		}
	}
	return sum / n
}

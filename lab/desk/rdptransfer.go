package desk

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"

	"tyto/lab"
	"tyto/lab/label"
)

// Exchange is a person's time on the desktop, which they see on a display: they
// move files by the clipboard, as the run's parameters say, and tell so as
// segments of the flows of sel.
func (d *Desktop) Exchange(ctx context.Context, r *lab.Run, sel lab.Selector, display *Display) error {
	hands, err := NewHands(ctx, r, display)
	if err != nil {
		return err
	}
	r.Keys(sel, hands.Keyboard)
	p := &person{r: r, sel: sel, desktop: d, display: display, hands: hands, rng: r.NewRand("person")}
	for i := range r.ParamInt("files") {
		if err := p.idle(ctx, r.Typist().Think(300, p.rng)); err != nil {
			return err
		}
		if p.rng.IntN(3) == 0 {
			if err := p.read(ctx); err != nil {
				return err
			}
		}
		up := r.Param("direction") == "up" || r.Param("direction") == "both" && i%2 == 0
		if err := p.copy(ctx, fmt.Sprintf("file%d.%s", i, []string{"b64", "txt", "asc"}[p.rng.IntN(3)]), up); err != nil {
			return err
		}
	}
	return nil
}

// copy moves a file, as text, by the clipboard that both sides share. It goes up
// if it comes from the client, who opened the session.
func (p *person) copy(ctx context.Context, name string, up bool) error {
	data := text(int(float64(p.r.ParamInt("file"))*1000*(.5+p.rng.Float64())), p.rng)
	if up {
		return p.up(ctx, name, data)
	}
	return p.down(ctx, name, data)
}

// up takes the clipboard on the client, and empties it into a file far away.
func (p *person) up(ctx context.Context, name, data string) error {
	if err := p.display.Host.Write(name, data, 0o644); err != nil {
		return err
	}
	if _, err := p.display.Host.Start(ctx, p.display.Command("xclip", "-quiet", "-selection", "clipboard", name)); err != nil {
		return err
	}
	if err := p.r.Think(ctx, p.rng); err != nil {
		return err
	}
	p.r.Label(p.sel, label.Upload)
	end := func() {}
	p.entered = func() { end = p.r.Segment(p.sel, label.StateUpload, name) }
	err := p.command(ctx, "xclip -o -selection clipboard >"+name, "typing")
	end()
	p.entered = nil
	if err != nil {
		return err
	}
	got, err := p.desktop.Host.Read("/home/" + p.desktop.User + "/" + name)
	return same(name, string(got), data, err)
}

// down takes it far away, and empties it on the client.
func (p *person) down(ctx context.Context, name, data string) error {
	if err := p.desktop.Host.Write("/home/"+p.desktop.User+"/"+name, data, 0o644); err != nil {
		return err
	}
	if err := p.command(ctx, "xclip -selection clipboard "+name, "typing"); err != nil {
		return err
	}
	if err := p.r.Think(ctx, p.rng); err != nil {
		return err
	}
	p.r.Label(p.sel, label.Download)
	end := p.r.Segment(p.sel, label.StateDownload, name)
	defer end()
	got, err := p.display.Host.Run(ctx, p.display.Command("xclip", "-o", "-selection", "clipboard"))
	return same(name, string(got), data, err)
}

// same compares texts; line ends may differ, and the clipboard of Windows ends
// with a NUL.
func same(name, got, want string, err error) error {
	if got = strings.NewReplacer("\r", "", "\x00", "").Replace(got); err != nil || strings.TrimSpace(got) != strings.TrimSpace(want) {
		return fmt.Errorf("%s: another text of %d bytes came, not the one of %d: %v", name, len(got), len(want), err)
	}
	return nil
}

// text is a binary file as text, of about n bytes.
func text(n int, rng *rand.Rand) string {
	const line = 76
	encoded := base64.StdEncoding.EncodeToString([]byte(lab.Random(n*3/4, rng)))
	var b strings.Builder
	for len(encoded) > line {
		b.WriteString(encoded[:line] + "\n")
		encoded = encoded[line:]
	}
	return b.String() + encoded + "\n"
}

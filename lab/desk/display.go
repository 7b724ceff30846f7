package desk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"tyto/lab"
)

// Display is a graphical screen of a host, without a device.
type Display struct {
	Host          *lab.Host
	Name          string // ":5"
	Width, Height int
}

// NewDisplay starts an X server on a host, with a screen of a size in pixels
// ("1280x800").
func NewDisplay(ctx context.Context, r *lab.Run, h *lab.Host, number int, size string) (*Display, error) {
	d := &Display{Host: h, Name: fmt.Sprint(":", number)}
	if _, err := fmt.Sscanf(size, "%dx%d", &d.Width, &d.Height); err != nil {
		return nil, fmt.Errorf("screen size %q, want one like 1280x800", size)
	}
	r.Installed(h, "Xvfb")
	if _, err := h.Start(ctx, lab.Command{Args: []string{"Xvfb", d.Name, "-screen", "0", size + "x24", "-nolisten", "tcp", "-ac", "-noreset"}}); err != nil {
		return nil, err
	}
	if err := d.Ready(ctx); err != nil {
		return nil, err
	}
	_, err := h.Run(ctx, d.Command("xset", "r", "rate", "3000", "10"))
	return d, err
}

// bare is openbox's configuration of a screen on which each window is all there
// is.
const bare = `<?xml version="1.0"?>
<openbox_config xmlns="http://openbox.org/3.4/rc">
<focus><focusNew>yes</focusNew><followMouse>no</followMouse></focus>
<applications><application class="*"><decor>no</decor><focus>yes</focus>
<position force="yes"><x>0</x><y>0</y></position></application></applications>
</openbox_config>
`

// Manage starts a window manager.
func (d *Display) Manage(ctx context.Context) error {
	if _, err := d.Host.Start(ctx, d.Command("openbox", "--sm-disable")); err != nil {
		return err
	}
	return d.managed(ctx)
}

// ManageBare starts one for viewers that wait to be given the keyboard: windows
// have no borders and are where the screen begins.
func (d *Display) ManageBare(ctx context.Context) error {
	if err := d.Host.Write("openbox.xml", bare, 0o644); err != nil {
		return err
	}
	if _, err := d.Host.Start(ctx, d.Command("openbox", "--sm-disable", "--config-file", d.Host.Dir()+"/openbox.xml")); err != nil {
		return err
	}
	return d.managed(ctx)
}

// managed waits until a window manager is there.
func (d *Display) managed(ctx context.Context) error {
	return Until(ctx, 20*time.Second, "openbox does not manage "+d.Name, func() bool {
		out, err := d.Host.Run(ctx, d.Command("xprop", "-root", "_NET_SUPPORTING_WM_CHECK"))
		return err == nil && bytes.Contains(out, []byte("window id"))
	})
}

// Ready waits until the display answers.
func (d *Display) Ready(ctx context.Context) error {
	return Until(ctx, 20*time.Second, "display "+d.Name+" does not answer", func() bool {
		_, err := d.Host.Run(ctx, d.Command("xset", "q"))
		return err == nil
	})
}

// Command is a program that uses the display.
func (d *Display) Command(args ...string) lab.Command {
	return lab.Command{Args: args, Env: []string{"DISPLAY=" + d.Name, "HOME=/root", "LC_ALL=C.UTF-8"}}
}

// Picture is what the display shows, in a form that only serves to be compared.
type Picture [sha256.Size]byte

// Picture looks at the display.
func (d *Display) Picture(ctx context.Context) (p Picture, err error) {
	out, err := d.Host.Run(ctx, d.Command("xwd", "-root", "-silent"))
	if err != nil {
		return p, err
	}
	return sha256.Sum256(out), nil
}

// Changes waits until the display shows something else than before.
func (d *Display) Changes(ctx context.Context, before Picture) error {
	var failed error
	err := Until(ctx, 30*time.Second, "the picture does not change", func() bool {
		now, err := d.Picture(ctx)
		failed = err
		return err != nil || now != before
	})
	if failed != nil {
		return failed
	}
	return err
}

// Colours counts the different values of bytes that the display shows: one or
// two mean that nothing is there.
func (d *Display) Colours(ctx context.Context) (n int, err error) {
	out, err := d.Host.Run(ctx, d.Command("xwd", "-root", "-silent"))
	if err != nil {
		return 0, err
	}
	for b := range 256 {
		if bytes.IndexByte(out[min(len(out), 4096):], byte(b)) >= 0 {
			n++
		}
	}
	return n, nil
}

// Appears waits until the display shows something.
func (d *Display) Appears(ctx context.Context) error {
	return Until(ctx, 60*time.Second, "nothing is on the screen", func() bool {
		n, err := d.Colours(ctx)
		return err == nil && n > 2
	})
}

// Settles waits until the display rests or a while has passed.
func (d *Display) Settles(ctx context.Context) error {
	var before Picture
	for range 12 {
		now, err := d.Picture(ctx)
		if err != nil || now == before {
			return err
		}
		before = now
		if err := pause(ctx, 700*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// Until waits until something is so, and says what is not so when it gives up.
func Until(ctx context.Context, most time.Duration, or string, is func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for !is() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", or, ctx.Err())
		case <-time.After(40 * time.Millisecond):
		}
	}
	return nil
}

// Package vncsession is a person who works on a remote desktop by VNC.
package vncsession

import (
	"context"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/desk"
	"tyto/lab/label"
)

// Scenario shows the desktop of another host, types, reads, moves windows and
// waits there, and leaves it.
var Scenario = lab.Scenario{
	Name:       "vnc-session",
	Doc:        "A person works on the desktop of another host by VNC, in the clear or inside TLS: types, reads, moves the pointer and windows, does nothing for a while. Teaches a screen in use whose client asks for each picture.",
	Labels:     []label.Label{label.Screen},
	Techniques: []string{"T1021.005"},
	Twin:       "rdp-session",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "tigervnc-tigervnc", Needs: desk.DesktopNeeds("xtigervncviewer@tigervnc-viewer", "vncpasswd@tigervnc-tools", "Xtigervnc")},
		{Name: "tigervnc-x11vnc", Needs: desk.DesktopNeeds("xtigervncviewer@tigervnc-viewer", "vncpasswd@tigervnc-tools", "x11vnc")},
	},
	Params: desk.VNCParams(),
	Limit:  12 * time.Minute,
	Run:    run,
}

func run(ctx context.Context, r *lab.Run) error {
	d, err := desk.NewDesktop(ctx, r, r.Host("server"))
	if err != nil {
		return err
	}
	if err := desk.StartVNC(ctx, r, d, strings.TrimPrefix(r.Variant(), "tigervnc-")); err != nil {
		return err
	}
	display, err := desk.NewDisplay(ctx, r, r.Host("client"), 5, r.Param("size"))
	if err != nil {
		return err
	}
	if err := display.ManageBare(ctx); err != nil {
		return err
	}
	p, err := desk.VNC(ctx, r, display, d)
	if err != nil {
		return err
	}
	if err := d.Work(ctx, r, lab.Of(p), display); err != nil {
		return err
	}
	p.Stop()
	return nil
}

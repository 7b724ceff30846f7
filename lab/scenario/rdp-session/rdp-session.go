// Package rdpsession is a person who works on a remote desktop by RDP.
package rdpsession

import (
	"context"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/desk"
	"tyto/lab/label"
)

// Scenario opens a desktop on another host, types, reads, moves windows and
// waits there, and leaves it.
var Scenario = lab.Scenario{
	Name:       "rdp-session",
	Doc:        "A person works on the desktop of another host by RDP: types, reads, moves the pointer and windows, does nothing for a while. Teaches a screen in use, with TLS and with RDP's own encryption.",
	Labels:     []label.Label{label.Screen},
	Techniques: []string{"T1021.001"},
	Twin:       "vnc-session",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "freerdp-xvnc", Needs: desk.DesktopNeeds("xfreerdp", "xrdp", "Xtigervnc")},
		{Name: "freerdp-xorg", Needs: desk.DesktopNeeds("xfreerdp", "xrdp", "/usr/lib/xorg/modules/libxorgxrdp.so@xorgxrdp", "/usr/lib/xorg/Xorg@xserver-xorg-core")},
		{Name: "freerdp-shadow", Needs: desk.DesktopNeeds("xfreerdp", "freerdp-shadow-cli")},
	},
	Params: desk.RDPParams(),
	Limit:  12 * time.Minute,
	Run:    run,
}

func run(ctx context.Context, r *lab.Run) error {
	d, err := desk.NewDesktop(ctx, r, r.Host("server"))
	if err != nil {
		return err
	}
	if err := desk.StartRDP(ctx, r, d, strings.TrimPrefix(r.Variant(), "freerdp-")); err != nil {
		return err
	}
	display, err := desk.NewDisplay(ctx, r, r.Host("client"), 5, r.Param("size"))
	if err != nil {
		return err
	}
	if err := display.ManageBare(ctx); err != nil {
		return err
	}
	p, err := desk.RDP(ctx, r, display, d)
	if err != nil {
		return err
	}
	if err := d.Work(ctx, r, lab.Of(p), display); err != nil {
		return err
	}
	p.Stop()
	return nil
}

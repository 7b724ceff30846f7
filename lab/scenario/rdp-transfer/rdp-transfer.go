// Package rdptransfer is files that go through a remote desktop.
package rdptransfer

import (
	"context"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/desk"
	"tyto/lab/label"
)

// Scenario opens a desktop on another host, and moves files as text by the
// clipboard that both sides share.
var Scenario = lab.Scenario{
	Name:       "rdp-transfer",
	Doc:        "A person moves files, as text, by the clipboard that an RDP session shares. Teaches bulk data inside a session whose rest is a screen in use.",
	Labels:     []label.Label{label.Screen, label.Upload, label.Download},
	Techniques: []string{"T1021.001", "T1570", "T1105"},
	Twin:       "rdp-session",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		{Name: "freerdp-xvnc", Needs: desk.DesktopNeeds("xfreerdp", "xrdp", "Xtigervnc", "xclip")},
		{Name: "freerdp-xorg", Needs: desk.DesktopNeeds("xfreerdp", "xrdp", "/usr/lib/xorg/modules/libxorgxrdp.so@xorgxrdp", "/usr/lib/xorg/Xorg@xserver-xorg-core", "xclip")},
	},
	Params: append(desk.RDPParams(),
		lab.Param{Name: "direction", Doc: "of the files", Values: []string{"up", "down", "both"}},
		lab.Param{Name: "files", Doc: "one after the other", Values: []string{"1", "2", "4"}},
		lab.Param{Name: "file", Doc: "size of one in kB, about", Values: []string{"10", "60", "250"}}),
	Limit: 12 * time.Minute,
	Run:   run,
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
	p, err := desk.RDP(ctx, r, display, d, "+clipboard")
	if err != nil {
		return err
	}
	if err := d.Exchange(ctx, r, lab.Of(p), display); err != nil {
		return err
	}
	p.Stop()
	return nil
}

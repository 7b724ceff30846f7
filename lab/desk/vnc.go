package desk

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/pki"
)

// VNCParams are the parameters of scenarios with VNC.
func VNCParams() []lab.Param {
	return append(DesktopParams(),
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"5900", "5901", "5901", "5999", "443"}},
		lab.Param{Name: "security", Doc: "none but a password, TLS without a certificate, TLS with one", Values: []string{"plain", "plain", "tls", "x509"}},
		lab.Param{Name: "encoding", Doc: "of the picture; auto is the viewer's choice by speed", Values: []string{"auto", "auto", "Tight", "ZRLE", "Hextile"}},
		lab.Param{Name: "quality", Doc: "of JPEG", Values: []string{"2", "6", "8"}},
	)
}

// securityTypes are TigerVNC's names.
var securityTypes = map[string]string{"plain": "VncAuth", "tls": "TLSVnc", "x509": "X509Vnc"}

const vncName = "desk.corp.example"

// StartVNC starts a VNC server that shows the desktop: "tigervnc", which is an
// X server itself, or "x11vnc", which shows one that is there already.
func StartVNC(ctx context.Context, r *lab.Run, d *Desktop, kind string) error {
	h := d.Host
	authority, err := pki.New(r, "Lab Desktops")
	if err != nil {
		return err
	}
	cert, err := authority.Issue([]string{"rsa", "ecdsa"}[r.Rand().IntN(2)], vncName)
	if err != nil {
		return err
	}
	err = errors.Join(cert.Write(h, "vnc"), h.Write("both.pem", cert.Chain+cert.Key, 0o600), r.Host("client").Write("ca.pem", authority.PEM, 0o644),
		r.Host("client").Names(map[string]*lab.Host{vncName: h}))
	if err != nil {
		return err
	}
	for _, on := range []*lab.Host{h, r.Host("client")} {
		const store = `printf '%s' "$0" | vncpasswd -f >vnc.passwd`
		if _, err := on.Run(ctx, lab.Command{Args: []string{"sh", "-c", store, d.Password}}); err != nil {
			return err
		}
	}
	start := startX11VNC
	if kind == "tigervnc" {
		start = startTigerVNC
	}
	display, err := start(ctx, r, d)
	if err != nil {
		return err
	}
	// x11vnc looks around for long on a busy machine.
	for range 4 {
		if err = h.WaitListen(ctx, "tcp", r.ParamInt("port")); err == nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, last(d.server()))
	}
	session, err := d.Start(ctx, display.Name)
	if err != nil {
		return err
	}
	return d.Up(ctx, session)
}

func startTigerVNC(ctx context.Context, r *lab.Run, d *Desktop) (*Display, error) {
	r.Installed(d.Host, "Xtigervnc")
	display := &Display{Host: d.Host, Name: ":7"}
	args := []string{"Xtigervnc", display.Name, "-rfbport", r.Param("port"), "-geometry", r.Param("size"), "-depth", "24", "-SecurityTypes", securityTypes[r.Param("security")],
		"-PasswordFile", "vnc.passwd", "-X509Cert", "vnc.pem", "-X509Key", "vnc.key", "-localhost=0", "-nolisten", "tcp", "-ac", "-AlwaysShared"}
	p, err := d.Host.Start(ctx, lab.Command{Args: args, Env: []string{"HOME=/root"}})
	if err != nil {
		return nil, err
	}
	d.server = p.Output
	return display, display.Ready(ctx)
}

func startX11VNC(ctx context.Context, r *lab.Run, d *Desktop) (*Display, error) {
	display, err := NewDisplay(ctx, r, d.Host, 7, r.Param("size"))
	if err != nil {
		return nil, err
	}
	r.Installed(d.Host, "x11vnc")
	if r.Param("security") == "tls" {
		r.SetParam("security", "x509") // viewers do not take the keys it makes without one
	}
	args := []string{"x11vnc", "-display", display.Name, "-rfbport", r.Param("port"), "-rfbauth", "vnc.passwd", "-forever", "-shared", "-noxrecord", "-repeat", "-o", "/dev/stderr"}
	switch r.Param("security") {
	case "x509":
		args = append(args, "-ssl", d.Host.Dir()+"/both.pem", "-vencrypt", "nodh:force")
	}
	p, err := d.Host.Start(ctx, display.Command(args...))
	if err != nil {
		return nil, err
	}
	d.server = p.Output
	return display, nil
}

// VNC starts TigerVNC's viewer on a display, and waits until it shows the
// desktop.
func VNC(ctx context.Context, r *lab.Run, display *Display, d *Desktop) (*lab.Process, error) {
	r.Installed(display.Host, "vncviewer")
	args := []string{"xtigervncviewer", "-SecurityTypes", securityTypes[r.Param("security")], "-PasswordFile", "vnc.passwd", "-X509CA", "ca.pem",
		"-geometry", r.Param("size") + "+0+0", "-RemoteResize=0", "-AlertOnFatalError=0", "-ReconnectOnError=0", "-QualityLevel", r.Param("quality"), "-Log", "*:stderr:30"}
	if e := r.Param("encoding"); e != "auto" {
		args = append(args, "-AutoSelect=0", "-PreferredEncoding", e)
	}
	p, err := display.Host.Start(ctx, display.Command(append(args, fmt.Sprintf("%s::%s", vncName, r.Param("port")))...))
	if err != nil {
		return nil, err
	}
	sel := lab.Of(p)
	r.Label(sel, label.Screen)
	handshake := r.Segment(sel, label.StateHandshake, strings.ToLower(securityTypes[r.Param("security")]))
	if err := display.Appears(ctx); err != nil {
		return nil, fmt.Errorf("%w\n%s\n%s", err, last(p.Output()), last(d.server()))
	}
	handshake()
	appears := r.Segment(sel, label.StateScreen, "desktop appears")
	defer appears()
	return p, display.Settles(ctx)
}

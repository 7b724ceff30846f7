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

// RDPParams are the parameters of scenarios with RDP beside those of a Desktop.
func RDPParams() []lab.Param {
	return append(DesktopParams(),
		lab.Param{Name: "port", Doc: "of the server", Values: []string{"3389", "3389", "3389", "33890", "443"}},
		lab.Param{Name: "security", Doc: "TLS, or RDP's own encryption", Values: []string{"tls", "tls", "rdp"}},
		lab.Param{Name: "level", Doc: "of xrdp's own encryption, where that is used", Values: []string{"none", "fips", "fips"}},
		lab.Param{Name: "depth", Doc: "bits of a pixel", Values: []string{"16", "24", "32"}},
		lab.Param{Name: "network", Doc: "that the client is told to expect", Values: []string{"modem", "broadband", "lan", "auto"}},
	)
}

// Forms of xrdp's files.
const (
	xrdpINI = `[Globals]
ini_version=1
fork=true
port=%d
tcp_nodelay=true
tcp_keepalive=true
security_layer=%s
crypt_level=%s
certificate=%s
key_file=%s
ssl_protocols=%s
autorun=%s
allow_channels=true
allow_multimon=false
bitmap_cache=%t
bitmap_compression=true
bulk_compression=%t
max_bpp=32
new_cursors=true
use_fastpath=both
[Logging]
LogFile=/run/xrdp.log
LogLevel=INFO
EnableSyslog=false
[Channels]
rdpdr=true
rdpsnd=false
drdynvc=true
cliprdr=true
rail=false
xrdpvr=false
[Xvnc]
name=Xvnc
lib=libvnc.so
username=ask
password=ask
ip=127.0.0.1
port=-1
delay_ms=500
[Xorg]
name=Xorg
lib=libxup.so
username=ask
password=ask
ip=127.0.0.1
port=-1
code=20
`
	sesmanINI = `[Globals]
ListenAddress=127.0.0.1
ListenPort=3350
EnableUserWindowManager=false
DefaultWindowManager=startwm.sh
[Security]
AllowRootLogin=false
MaxLoginRetry=4
[Sessions]
X11DisplayOffset=10
MaxSessions=5
Policy=Default
[Logging]
LogFile=/run/sesman.log
LogLevel=INFO
EnableSyslog=false
[Xorg]
param=/usr/lib/xorg/Xorg
param=-config
param=xrdp/xorg.conf
param=-noreset
param=-nolisten
param=tcp
[Xvnc]
param=Xtigervnc
param=-bs
param=-nolisten
param=tcp
param=-localhost
[Chansrv]
FuseMountName=thinclient_drives
FileUmask=077
[ChansrvLogging]
LogLevel=INFO
EnableSyslog=false
[SessionVariables]
LC_ALL=C.UTF-8
`
	rdpPAM = "auth required pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so\npassword required pam_deny.so\n"
)

// StartRDP starts an RDP server that gives the desktop's user their session: of
// kind "xvnc" or "xorg", in which xrdp shows a display of that, or "shadow",
// which is FreeRDP's server and shows one that is there already.
func StartRDP(ctx context.Context, r *lab.Run, d *Desktop, kind string) error {
	authority, err := pki.New(r, "Lab Desktops")
	if err != nil {
		return err
	}
	cert, err := authority.Issue("rsa", d.Host.Name()+".corp.example")
	if err != nil {
		return err
	}
	if err := cert.Write(d.Host, "rdp"); err != nil {
		return err
	}
	if kind == "shadow" {
		return startShadow(ctx, r, d)
	}
	return startXrdp(ctx, r, d, kind)
}

func startXrdp(ctx context.Context, r *lab.Run, d *Desktop, kind string) error {
	h, rng := d.Host, r.Rand()
	dir, backend := h.Dir(), map[string]string{"xvnc": "Xvnc", "xorg": "Xorg"}[kind]
	protocols := []string{"TLSv1.2, TLSv1.3", "TLSv1.2", "TLSv1.3"}[rng.IntN(3)]
	ini := fmt.Sprintf(xrdpINI, r.ParamInt("port"), r.Param("security"), r.Param("level"), dir+"/rdp.pem", dir+"/rdp.key", protocols, backend,
		rng.IntN(4) > 0, rng.IntN(2) == 0)
	const start = "#!/bin/sh\nexec \"$HOME/.session\"\n"
	err := errors.Join(h.Write("/etc/xrdp/xrdp.ini", ini, 0o644), h.Write("/etc/xrdp/sesman.ini", sesmanINI, 0o644), h.Write("/etc/pam.d/xrdp-sesman", rdpPAM, 0o644),
		h.Write("/etc/xrdp/startwm.sh", start, 0o755), h.Write("/etc/X11/Xwrapper.config", "allowed_users=anybody\nneeds_root_rights=no\n", 0o644))
	if err != nil {
		return err
	}
	if _, err := h.Run(ctx, lab.Command{Args: []string{"sh", "-c", "mkdir -p /run/xrdp /tmp/.X11-unix && chmod 1777 /tmp/.X11-unix && chmod 3777 /run/xrdp && xrdp-keygen xrdp /etc/xrdp/rsakeys.ini && chmod 644 rdp.key"}}); err != nil {
		return err
	}
	r.Installed(h, "xrdp")
	r.Installed(h, map[string]string{"xvnc": "Xtigervnc", "xorg": "/usr/lib/xorg/modules/libxorgxrdp.so@xorgxrdp"}[kind])
	if _, err := h.Start(ctx, lab.Command{Args: []string{"xrdp-sesman", "-n"}}); err != nil {
		return err
	}
	d.server = func() string {
		front, _ := h.Read("/run/xrdp.log")
		back, _ := h.Read("/run/sesman.log")
		return string(front) + string(back)
	}
	if err := h.WaitListen(ctx, "tcp", 3350); err != nil {
		return err
	}
	if _, err := h.Start(ctx, lab.Command{Args: []string{"xrdp", "-n"}}); err != nil {
		return err
	}
	return h.WaitListen(ctx, "tcp", r.ParamInt("port"))
}

func startShadow(ctx context.Context, r *lab.Run, d *Desktop) error {
	display, err := NewDisplay(ctx, r, d.Host, 7, r.Param("size"))
	if err != nil {
		return err
	}
	session, err := d.Start(ctx, display.Name)
	if err != nil {
		return err
	}
	d.server = session.Output
	if err := d.Up(ctx, session); err != nil {
		return err
	}
	r.Installed(d.Host, "freerdp-shadow-cli")
	c := display.Command("freerdp-shadow-cli", "/port:"+r.Param("port"), "/sec:"+r.Param("security"), "-auth")
	p, err := d.Host.Start(ctx, c)
	if err != nil {
		return err
	}
	d.server = p.Output
	return d.Host.WaitListen(ctx, "tcp", r.ParamInt("port"))
}

// RDP starts FreeRDP's client on a display, and waits until it shows the
// desktop.
func RDP(ctx context.Context, r *lab.Run, display *Display, d *Desktop, options ...string) (*lab.Process, error) {
	r.Installed(display.Host, "xfreerdp")
	args := append([]string{
		"xfreerdp", fmt.Sprintf("/v:%s:%s", d.Host.Addr(), r.Param("port")), "/u:" + d.User, "/p:" + d.Password, "/size:" + r.Param("size"),
		"/sec:" + r.Param("security"), "/cert-ignore", "/bpp:" + r.Param("depth"), "/network:" + r.Param("network"), "-decorations", "/log-level:INFO", "/timeout:60000",
	}, options...)
	p, err := display.Host.Start(ctx, display.Command(args...))
	if err != nil {
		return nil, err
	}
	sel := lab.Of(p)
	r.Label(sel, label.Screen)
	handshake := r.Segment(sel, label.StateHandshake, r.Param("security"))
	if err := d.Up(ctx, p); err != nil {
		return nil, err
	}
	handshake()
	appears := r.Segment(sel, label.StateScreen, "desktop appears")
	if err := errors.Join(display.Appears(ctx), display.Settles(ctx)); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, last(p.Output()))
	}
	appears()
	return p, nil
}

// last is the end of what a program wrote.
func last(out string) string { return strings.TrimSpace(out[max(0, len(out)-1500):]) }

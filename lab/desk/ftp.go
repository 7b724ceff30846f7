package desk

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/pki"
	"tyto/lab/sshmore"
)

// FTP is a server of that protocol and a user of it.
type FTP struct {
	Host           *lab.Host
	User, Password string
	Port, Data     int    // of connections for commands, and for data
	TLS            string // "none", "explicit" (AUTH TLS) or "implicit"
}

//go:embed ftpd.py
var ftpdPython string

const vsftpdConfig = `listen=YES
listen_ipv6=NO
background=NO
listen_port=%d
anonymous_enable=NO
local_enable=YES
write_enable=YES
pam_service_name=lab-ftp
secure_chroot_dir=/run/vsftpd/empty
seccomp_sandbox=NO
pasv_enable=YES
pasv_min_port=%d
pasv_max_port=%[2]d
rsa_cert_file=%s
rsa_private_key_file=%s
ssl_enable=%s
implicit_ssl=%s
require_ssl_reuse=NO
isolate=NO
isolate_network=NO
ssl_ciphers=HIGH
`

// StartFTP starts a server on the host "server": "vsftpd" or "pyftpdlib", which has
// no implicit TLS.
func StartFTP(ctx context.Context, r *lab.Run, kind string) (*FTP, error) {
	switch {
	case r.Variant() == "curl-pyftpdlib":
		r.SetParam("tls", "none") // they do not agree on when data connections begin TLS
	case kind == "pyftpdlib" && r.Param("tls") == "implicit":
		r.SetParam("tls", "explicit")
	}
	f := &FTP{
		Host: r.Host("server"), User: sshmore.Pick(r.Rand(), "mortiz", "upload", "archive", "webmaster"), Password: "pw" + Digits(7, r.Rand()),
		Port: r.ParamInt("port"), Data: 30000 + r.Rand().IntN(20000), TLS: r.Param("tls"),
	}
	if f.TLS == "implicit" {
		f.Port = 990
		r.SetParam("port", "990")
	}
	authority, err := pki.New(r, "Lab Files")
	if err != nil {
		return nil, err
	}
	cert, err := authority.Issue("rsa", "ftp.corp.example")
	if err != nil {
		return nil, err
	}
	err = errors.Join(Home(ctx, f.Host, f.User, f.Password), cert.Write(f.Host, "ftp"), f.Host.Write("/etc/pam.d/lab-ftp", loginPAM, 0o644),
		f.Host.Write("both.pem", cert.Key+cert.Chain, 0o600), f.Host.Write("/run/vsftpd/empty/.keep", "", 0o644))
	if err != nil {
		return nil, err
	}
	args := []string{"/usr/bin/python3", "ftpd.py", fmt.Sprint(f.Port), fmt.Sprint(f.Data), f.User, f.Password, "/home/" + f.User, f.TLS, "both.pem"}
	if err := f.Host.Write("ftpd.py", ftpdPython, 0o644); err != nil {
		return nil, err
	}
	if kind == "vsftpd" {
		yes := map[bool]string{true: "YES", false: "NO"}
		config := fmt.Sprintf(vsftpdConfig, f.Port, f.Data, f.Host.Dir()+"/ftp.pem", f.Host.Dir()+"/ftp.key", yes[f.TLS != "none"], yes[f.TLS == "implicit"])
		if err := f.Host.Write("vsftpd.conf", config, 0o644); err != nil {
			return nil, err
		}
		args = []string{"vsftpd", f.Host.Dir() + "/vsftpd.conf"}
	}
	r.Installed(f.Host, map[string]string{"vsftpd": "vsftpd", "pyftpdlib": "py:pyftpdlib"}[kind])
	p, err := f.Host.Start(ctx, lab.Command{Args: args})
	if err != nil {
		return nil, err
	}
	if err := f.Host.WaitListen(ctx, "tcp", f.Port); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, last(p.Output()))
	}
	return f, nil
}

// curl and lftp are command lines that move files, each of a session.
func (f *FTP) curl(names []string, up bool) []string {
	scheme := map[string]string{"none": "ftp", "explicit": "ftp", "implicit": "ftps"}[f.TLS]
	args := []string{"curl", "-v", "-sS", "--fail-early", "-k", "-u", f.User + ":" + f.Password}
	if f.TLS == "explicit" {
		args = append(args, "--ssl-reqd")
	}
	if f.TLS != "none" {
		// With 1.3 it resets data connections whose tickets it did not read.
		args = append(args, "--tls-max", "1.2")
	}
	for _, n := range names {
		url := fmt.Sprintf("%s://%s:%d/%s", scheme, f.Host.Addr(), f.Port, n)
		if up {
			args = append(args, "-T", n, url)
		} else {
			args = append(args, "-o", n, url)
		}
	}
	return args
}

func (f *FTP) lftp(names []string, up bool) []string {
	verb := map[bool]string{true: "put", false: "get"}[up]
	scheme := map[string]string{"none": "ftp", "explicit": "ftp", "implicit": "ftps"}[f.TLS]
	force := map[bool]string{true: "true", false: "false"}[f.TLS == "explicit"]
	script := "set cmd:fail-exit true; set ssl:verify-certificate no; set ftp:ssl-allow " + map[bool]string{true: "true", false: "false"}[f.TLS != "none"] +
		"; set ftp:ssl-force " + force + "; set ftp:ssl-protect-data true; set net:timeout 30; " + verb + " " + strings.Join(names, " ") + "; bye"
	return []string{"lftp", "-d", "-u", f.User + "," + f.Password, "-e", script, fmt.Sprintf("%s://%s:%d", scheme, f.Host.Addr(), f.Port)}
}

var ftpLoggedIn = regexp.MustCompile(`(<|<---) 230`)

// Move moves files in one session, and makes sure that they came. The control
// connection and those of the data are flows of their own.
func (f *FTP) Move(ctx context.Context, r *lab.Run, client string, names []string, up bool) error {
	from, to, l, state := f.Host, r.Host("client"), label.Download, label.StateDownload
	if up {
		from, to, l, state = to, from, label.Upload, label.StateUpload
	}
	home := map[*lab.Host]string{f.Host: "/home/" + f.User + "/", r.Host("client"): ""}
	content := make(map[string]string)
	for _, n := range names {
		content[n] = lab.Random(int(float64(r.ParamInt("size"))*1000*(.3+1.4*r.Rand().Float64())), r.Rand())
		if err := from.Write(home[from]+n, content[n], 0o644); err != nil {
			return err
		}
	}
	args := map[string]func([]string, bool) []string{"curl": f.curl, "lftp": f.lftp}[client](names, up)
	p, err := r.Host("client").Start(ctx, lab.Command{Args: args, Env: []string{"HOME=/root", "LC_ALL=C.UTF-8"}})
	if err != nil {
		return err
	}
	control, data := lab.Of(p).And(lab.Service(f.Host, "tcp", f.Port)), lab.Of(p).And(lab.Service(f.Host, "tcp", f.Data))
	r.Label(lab.Of(p), l)
	at, err := sshmore.Await(ctx, r, p, ftpLoggedIn, 1)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, last(p.Output()))
	}
	r.Span(control, p.Started(), at, label.StateHandshake, "password")
	exchange, moves := r.Segment(control, label.StateExchange, "commands"), r.Segment(data, state, strings.Join(names, " "))
	if err := p.Wait(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, last(p.Output()))
	}
	exchange()
	moves()
	for _, n := range names {
		// A server may still be writing what it has acknowledged.
		err := Until(ctx, 20*time.Second, n+": other bytes came", func() bool {
			got, err := to.Read(home[to] + n)
			return err == nil && string(got) == content[n]
		})
		if err != nil {
			return err
		}
	}
	return nil
}

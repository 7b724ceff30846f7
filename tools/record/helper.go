package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/sys/unix"
)

// helper runs one of the small programs that Debian lacks.
func helper(args []string) error {
	need := map[string]int{"serve-http3": 4, "get-http3": 4, "inetd": 3, "gre": 5}[args[0]]
	switch {
	case need == 0:
		return fmt.Errorf("there is no helper %q", args[0])
	case len(args) < need:
		return fmt.Errorf("helper %s: %d arguments are missing", args[0], need-len(args))
	}
	switch args[0] {
	case "serve-http3":
		return serveHTTP3(args[1], args[2], args[3])
	case "get-http3":
		return getHTTP3(args[1], args[2], args[3], args[4:])
	case "inetd":
		return inetd(args[1], args[2:])
	}
	return gre(args[1], args[2], args[3], args[4])
}

// serveHTTP3 serves a small page over QUIC.
func serveHTTP3(addr, cert, key string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "h3 page %s\n%s", r.URL.Path, strings.Repeat("stock list\n", 60))
	})
	return (&http3.Server{Addr: addr, Handler: mux}).ListenAndServeTLS(cert, key)
}

// getHTTP3 fetches paths from https://NAME over one QUIC connection to addr.
func getHTTP3(addr, name, ca string, paths []string) error {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return fmt.Errorf("read authority: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	t := &http3.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		Dial: func(ctx context.Context, _ string, tc *tls.Config, qc *quic.Config) (*quic.Conn, error) {
			return quic.DialAddr(ctx, addr, tc, qc)
		},
	}
	defer t.Close()
	client := &http.Client{Transport: t, Timeout: 30 * time.Second}
	for _, p := range paths {
		resp, err := client.Get("https://" + name + p)
		if err != nil {
			return fmt.Errorf("get %s: %w", p, err)
		}
		_, err = io.Copy(os.Stdout, resp.Body)
		resp.Body.Close()
		if err != nil {
			return fmt.Errorf("read %s: %w", p, err)
		}
		time.Sleep(700 * time.Millisecond)
	}
	return nil
}

// inetd runs a program for each connection, with the socket as its standard
// input and output.
func inetd(addr string, argv []string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		f, err := c.(*net.TCPConn).File()
		c.Close()
		if err != nil {
			return fmt.Errorf("socket: %w", err)
		}
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Stdin, cmd.Stdout = f, f
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("start %s: %w", argv[0], err)
		}
		f.Close()
		go cmd.Wait()
	}
}

// gre carries IPv4 between a TUN device and a GRE tunnel (RFC 2784, no
// options): the kernel of the machine need not know GRE.
func gre(name, local, remote, addr string) error {
	tun, err := openTUN(name)
	if err != nil {
		return err
	}
	for _, args := range [][]string{{"addr", "add", addr, "dev", name}, {"link", "set", name, "up", "mtu", "1476"}} {
		if err := output(exec.Command("ip", args...)); err != nil {
			return fmt.Errorf("set up %s: %w", name, err)
		}
	}
	conn, err := net.DialIP("ip4:47", &net.IPAddr{IP: net.ParseIP(local)}, &net.IPAddr{IP: net.ParseIP(remote)})
	if err != nil {
		return fmt.Errorf("open GRE socket: %w", err)
	}
	ended := make(chan error, 2)
	go func() {
		buf := make([]byte, 2048)
		buf[2], buf[3] = 0x08, 0x00 // protocol type: IPv4
		for {
			n, err := tun.Read(buf[4:])
			if err != nil {
				ended <- fmt.Errorf("read %s: %w", name, err)
				return
			}
			if buf[4]>>4 != 4 {
				continue
			}
			if _, err := conn.Write(buf[:n+4]); err != nil && !errors.Is(err, syscall.ENOBUFS) {
				ended <- fmt.Errorf("send: %w", err)
				return
			}
		}
	}()
	go func() {
		buf := make([]byte, 2048)
		for {
			n, _, err := conn.ReadFrom(buf) // without the IP header, unlike Read
			if err != nil {
				ended <- fmt.Errorf("receive: %w", err)
				return
			}
			if n > 4 && buf[0] == 0 && buf[2] == 0x08 && buf[3] == 0 {
				tun.Write(buf[4:n])
			}
		}
	}()
	return <-ended
}

func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	var req struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(req.name[:unix.IFNAMSIZ-1], name)
	req.flags = unix.IFF_TUN | unix.IFF_NO_PI
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETIFF, uintptr(unsafe.Pointer(&req))); errno != 0 {
		unix.Close(fd)
		return nil, fmt.Errorf("make %s: %w", name, errno)
	}
	return os.NewFile(uintptr(fd), "/dev/net/tun"), nil
}

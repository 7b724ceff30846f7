package anon

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
)

// half is a connection whose directions end one after the other.
type half interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// relay copies both ways until both sides have said all, and closes both.
func relay(a, b half) {
	var both sync.WaitGroup
	for _, way := range [][2]half{{a, b}, {b, a}} {
		both.Go(func() {
			from, to := way[0], way[1]
			if _, err := io.Copy(to, from); err != nil {
				from.Close()
				to.Close()
				return
			}
			to.CloseWrite() // it is closed below if that fails
		})
	}
	both.Wait()
	a.Close()
	b.Close()
}

// accept calls serve with each connection that comes, until ctx ends.
func accept(ctx context.Context, address string, serve func(*net.TCPConn)) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		go serve(c.(*net.TCPConn))
	}
}

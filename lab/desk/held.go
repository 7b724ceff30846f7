package desk

import (
	"net"
	"sync"
)

// heldConn is a connection whose output can be held back, to go out together.
type heldConn struct {
	net.Conn
	mu    sync.Mutex
	holds bool
	buf   []byte
}

func (c *heldConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.holds {
		c.buf = append(c.buf, p...)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// Waits is how many bytes are held back.
func (c *heldConn) Waits() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.buf)
}

// Release sends what is held back, and holds back what follows if hold is true.
func (c *heldConn) Release(hold bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holds = hold
	if len(c.buf) == 0 {
		return nil
	}
	_, err := c.Conn.Write(c.buf)
	c.buf = c.buf[:0]
	return err
}

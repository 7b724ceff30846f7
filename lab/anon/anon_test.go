package anon

import (
	"io"
	"math/rand/v2"
	"net"
	"regexp"
	"testing"
)

func TestUUID(t *testing.T) {
	version4 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		if id := uuid(rng); !version4.MatchString(id) {
			t.Fatalf("%s is no UUID of version 4", id)
		}
	}
}

// conns returns two ends of a TCP connection.
func conns(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); d.Close() })
	return c.(*net.TCPConn), d.(*net.TCPConn)
}

func TestRelayLetsTheOtherSideAnswer(t *testing.T) {
	client, left := conns(t)
	right, server := conns(t)
	done := make(chan bool)
	go func() {
		relay(left, right)
		close(done)
	}()
	io.WriteString(client, "question")
	client.CloseWrite()
	if got, err := io.ReadAll(server); err != nil || string(got) != "question" {
		t.Errorf("the server got %q: %v", got, err)
	}
	io.WriteString(server, "answer")
	server.Close()
	if got, err := io.ReadAll(client); err != nil || string(got) != "answer" {
		t.Errorf("the client got %q: %v", got, err)
	}
	<-done
}

package webapp

import (
	"archive/zip"
	"bufio"
	"bytes"
	"image/png"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"
)

// pair returns the two ends of a WebSocket connection.
func pair(t *testing.T) (client, server *Socket) {
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	return &Socket{conn: a, in: bufio.NewReader(a), client: true}, &Socket{conn: b, in: bufio.NewReader(b)}
}

// TestSocket sends messages of every form of length, both ways.
func TestSocket(t *testing.T) {
	client, server := pair(t)
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		want := bytes.Repeat([]byte("x"), n)
		for _, ends := range [][2]*Socket{{client, server}, {server, client}} {
			sent := make(chan error, 1)
			go func() { sent <- ends[0].Write(Binary, want) }()
			kind, got, err := ends[1].Read()
			if err != nil || kind != Binary || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes came as %d of kind %d: %v", n, len(got), kind, err)
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestSocketControl reads a message in two frames with a ping in between, and
// then the end.
func TestSocketControl(t *testing.T) {
	client, server := pair(t)
	go func() {
		// No final bit; ping; continuation with it; close.
		for _, frame := range []string{"\x01\x03abc", "\x89\x01p", "\x80\x02de", "\x88\x02\x03\xe8"} {
			io.WriteString(server.conn, frame)
		}
	}()
	answers := make(chan byte, 2)
	go func() {
		for range 2 {
			_, op, _, _ := server.frame()
			answers <- op
		}
	}()
	kind, got, err := client.Read()
	if err != nil || kind != Text || string(got) != "abcde" {
		t.Errorf("got %q of kind %d: %v", got, kind, err)
	}
	if _, _, err := client.Read(); err != io.EOF {
		t.Errorf("after close: %v, want EOF", err)
	}
	for _, want := range []byte{pong, closes} {
		if got := <-answers; got != want {
			t.Errorf("answered with %d, want %d", got, want)
		}
	}
}

// TestSocketLong refuses a frame that is too long, before it has come.
func TestSocketLong(t *testing.T) {
	client, server := pair(t)
	go io.WriteString(server.conn, "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff")
	if _, _, err := client.Read(); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("got %v", err)
	}
}

// TestAccept is the example of RFC 6455, section 1.3.
func TestAccept(t *testing.T) {
	if got, want := accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAddress(t *testing.T) {
	const name = "a.example"
	answer := query(name)
	answer[7] = 1
	answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 10, 1, 2, 3)
	if got, err := address(answer, len(name)); err != nil || got.String() != "10.1.2.3" {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := address(answer[:len(answer)-1], len(name)); err == nil {
		t.Error("a cut answer was read")
	}
	if _, err := address(query(name), len(name)); err == nil {
		t.Error("a question was read as an answer")
	}
}

// TestLine edits a text as it comes from a keyboard.
func TestLine(t *testing.T) {
	for _, c := range []struct {
		keep bool
		want string
	}{{false, "ab|c|"}, {true, "ab\nc|"}} {
		var got string
		Line{Changed: func(string) {}, Keep: c.keep}.Edit(strings.NewReader("ax\x7fb\rc"+map[bool]string{false: "\r", true: ""}[c.keep]+"\x04z"), func(s string) { got += s + "|" })
		if got != c.want {
			t.Errorf("keep %v: got %q, want %q", c.keep, got, c.want)
		}
	}
}

// TestSite has pictures that can be read, and every object it names.
func TestSite(t *testing.T) {
	s := NewSite(make([]time.Duration, 3), 10, 2000, rand.New(rand.NewPCG(1, 2)))
	for i, page := range s.Pages {
		html := s.Files[page+"index.html"]
		for _, name := range s.Objects[i] {
			if !strings.Contains(html, "/"+name+">") {
				t.Errorf("%s does not hold %s", page, name)
			}
			if !strings.HasSuffix(name, ".png") {
				continue
			}
			if _, err := png.Decode(strings.NewReader(s.Files[name])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestWheel unpacks a package of Python.
func TestWheel(t *testing.T) {
	w := wheel("fast", "content")
	z, err := zip.NewReader(strings.NewReader(w), int64(len(w)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open("fast/data.bin")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(f); err != nil || string(got) != "content" {
		t.Errorf("got %q, %v", got, err)
	}
}

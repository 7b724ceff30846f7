package icmp

import (
	"bytes"
	"strings"
	"testing"

	"tyto/internal/flowtest"
	"tyto/session"
)

// echoes returns a session of n echo requests and replies; data gives what the
// reply to request i carries.
func echoes(t *testing.T, n int, data func(i int, request []byte) []byte) flowtest.Conversation {
	t.Helper()
	c, err := flowtest.Parse("ip/1 10.0.0.1 > 10.0.0.2")
	if err != nil {
		t.Fatal(err)
	}
	c.Tuple.OrigPort = echoRequest
	for i := range n {
		request := bytes.Repeat([]byte{byte(i), 'q'}, 20+3*i)
		head := []byte{0, 7, 0, byte(i)}
		c.Steps = append(c.Steps, flowtest.Step{Dir: session.Orig, Data: append(head, request...)},
			flowtest.Step{Dir: session.Resp, Data: append(bytes.Clone(head), data(i, request)...)})
	}
	return c
}

func TestTunnel(t *testing.T) {
	out := flowtest.Run(echoes(t, 12, func(i int, _ []byte) []byte { return bytes.Repeat([]byte{'a', byte(i)}, 10+7*i) }), 0, Definition)
	if !strings.Contains(out, `observe tunnel "icmp"`) {
		t.Errorf("no tunnel:\n%s", out)
	}
}

// A ping of growing size looks alike, but its replies repeat the requests.
func TestPing(t *testing.T) {
	out := flowtest.Run(echoes(t, 40, func(_ int, request []byte) []byte { return request }), 0, Definition)
	if want := "session app=icmp service=icmp\n"; out != want {
		t.Errorf("got:\n%swant:\n%s", out, want)
	}
}

// So does a host that answers always the same.
func TestFixedReply(t *testing.T) {
	out := flowtest.Run(echoes(t, 40, func(int, []byte) []byte { return []byte("the same answer to all") }), 0, Definition)
	if strings.Contains(out, "tunnel") {
		t.Errorf("a tunnel:\n%s", out)
	}
}

func TestRedirect(t *testing.T) {
	c, _ := flowtest.Parse("ip/1 10.0.0.1 > 10.0.0.2\n> 0a000001")
	c.Tuple.OrigPort = redirect
	if out := flowtest.Run(c, 0, Definition); !strings.Contains(out, "anomaly icmp_redirect") {
		t.Errorf("no anomaly:\n%s", out)
	}
}

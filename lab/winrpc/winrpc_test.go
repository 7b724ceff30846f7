package winrpc

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"tyto/lab"
	"tyto/lab/label"
)

// server is one that is not started.
func server(seed uint64) *Server {
	rng := rand.New(rand.NewPCG(seed, 1))
	return &Server{Host: &lab.Host{}, Name: "SRV-ABC12", Domain: "CORP", User: "jlind.adm", folder: "zq7k4m2", note: "what nobody types", services: services(rng), rng: rng}
}

// TestWantNotTyped holds what commands must print against the commands: a text
// that the command has would be found in its echo.
func TestWantNotTyped(t *testing.T) {
	s, rng := server(1), rand.New(rand.NewPCG(1, 2))
	commands := append(s.Draw(99, rng), s.DrawScripts(200, rng)...)
	for _, c := range commands {
		if c.Want.MatchString(c.Line) {
			t.Errorf("%q matches %s", c.Line, c.Want)
		}
	}
	for _, task := range append(s.DrawServiceTasks(50, 5, rng), s.DrawRegistryTasks(50, 0, rng)...) {
		for _, args := range [][]string{task.Net, task.Impacket} {
			if line := strings.Join(args, " "); task.Want.String() != "" && task.Want.MatchString(line) {
				t.Errorf("%q matches %s", line, task.Want)
			}
		}
	}
}

func TestPowerShell(t *testing.T) {
	c := PowerShell("Get-Service | ö", `x`)
	data, err := base64.StdEncoding.DecodeString(c.Line[strings.LastIndex(c.Line, " ")+1:])
	if want := "G\x00e\x00t\x00-\x00S\x00e\x00r\x00v\x00i\x00c\x00e\x00 \x00|\x00 \x00\xf6\x00"; err != nil || string(data) != want {
		t.Errorf("%q: %v", data, err)
	}
}

func TestReceived(t *testing.T) {
	answers := `<s:Envelope xmlns:s="x" xmlns:rsp="y"><rsp:Stream Name="stdout">aGVsbG8g</rsp:Stream><rsp:State>bm8=</rsp:State></s:Envelope>` +
		`<s:Envelope xmlns:s="x" xmlns:rsp="y"><rsp:Stream Name="stdout">d29ybGQ=</rsp:Stream><rsp:Stream Name="stderr" End="true"></rsp:Stream></s:Envelope>`
	if got := received(answers); got != "hello world" {
		t.Errorf("%q", got)
	}
}

// TestEnvelope has messages that are XML, and identities of the form of GUIDs.
func TestEnvelope(t *testing.T) {
	id := guid(rand.New(rand.NewPCG(5, 5)))
	if !regexp.MustCompile(`^[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$`).MatchString(id) {
		t.Errorf("%s is no GUID", id)
	}
	var v struct{ XMLName xml.Name }
	if err := xml.Unmarshal(fmt.Appendf(nil, envelope, "https://x/", id, "y", "", ""), &v); err != nil {
		t.Error(err)
	}
}

func TestWebSpans(t *testing.T) {
	const told = `ready
! 1000000000 request 1010000000 10.0.0.1:4000 5985 900000000 Create
! 1050000000 request 1060000000 10.0.0.1:4000 5985 1010000000 Command
! 1050000000 ran 1060000000 "x"
! 1070000000 request 1500000000 10.0.0.1:4000 5985 1060000000 Receive
! 9000000000 request 9100000000 10.0.0.1:4000 5985 1500000000 Command
! 9500000000 request 9600000000 10.0.0.1:4001 5985 0 Delete
`
	const ms = label.Time(1000000)
	got, err := webSpans(told, netip.MustParseAddr("10.0.0.2"), 5*ms, []Command{{Line: "one"}, {Line: "two"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		t0, t1 label.Time
		state  label.State
		detail string
	}{
		{0, 965 * ms, label.StateHandshake, ""}, {965 * ms, 1015 * ms, label.StateExchange, ""}, {1015 * ms, 1505 * ms, label.StateExchange, "one"},
		{8965 * ms, 9105 * ms, label.StateExchange, "two"}, {0, 9465 * ms, label.StateHandshake, ""}, {9465 * ms, 9605 * ms, label.StateExchange, "two"},
	}
	if len(got) != len(want) {
		t.Fatalf("%d segments, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		if g := got[i]; g.t0 != w.t0 || g.t1 != w.t1 || g.state != w.state || g.detail != w.detail {
			t.Errorf("segment %d is %v-%v %v %q, want %+v", i, g.t0, g.t1, g.state, g.detail, w)
		}
	}
	if _, err := webSpans(told, netip.MustParseAddr("10.0.0.2"), 0, make([]Command, 3)); err == nil {
		t.Error("a command that did not come is no error")
	}
}

// TestServices draws service managers: names are unique, and what each machine
// has is there and runs.
func TestServices(t *testing.T) {
	for seed := range uint64(20) {
		seen := make(map[string]bool)
		for i, s := range services(rand.New(rand.NewPCG(seed, 3))) {
			if name := strings.ToLower(s.Name); seen[name] || i < common && !s.Running {
				t.Errorf("seed %d: %+v", seed, s)
			} else {
				seen[name] = true
			}
		}
		if !seen["spooler"] || !seen["remoteregistry"] {
			t.Errorf("seed %d lacks services", seed)
		}
	}
}

// TestBridged has an agent's first exchange begin when the session is there.
func TestBridged(t *testing.T) {
	told := `{"T0":1,"T1":9,"Proto":"tcp","Local":"127.0.0.1:4701","Remote":"127.0.0.1:55002","State":"checkin","Detail":""}` + "\n"
	got, err := bridged(told+strings.Replace(told, `"T0":1`, `"T0":8`, 1), span{t1: 5, local: "10.0.0.1:49172", remote: "10.0.0.2:445"})
	want := `{"T0":5,"T1":9,"Proto":"tcp","Local":"10.0.0.1:49172","Remote":"10.0.0.2:445","State":"checkin","Detail":""}` + "\n"
	if want += strings.Replace(want, `"T0":5`, `"T0":8`, 1); err != nil || got != want {
		t.Errorf("%s%v", got, err)
	}
	if _, err := bridged("oops\n", span{}); err == nil {
		t.Error("no event is no error")
	}
}

// TestEndpoint runs the tests of the endpoint, which are in Python.
func TestEndpoint(t *testing.T) {
	if !lab.Have("py:impacket") {
		t.Skip("needs Debian's python3-impacket")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "/usr/bin/python3", "-B", "testdata/endpoint_test.py")
	command.Env = append(os.Environ(), "PYTHONPATH=endpoint")
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

package lab

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"tyto/lab/label"
)

// testFlows are an SSH session behind a NAT, of which the sensor saw all, and a
// DNS lookup that it did not see.
func testFlows() (client, server *Host, flows []*flow) {
	client = &Host{name: "client", near: true, addr: inside.Addr()}
	server = &Host{name: "server", addr: outside.Addr()}
	ssh := &flow{proto: protoTCP, src: inside, dst: netip.AddrPortFrom(outside.Addr(), 22), outside: netip.AddrPortFrom(public, inside.Port()), from: client, to: server}
	ssh.owned(&owner{process: label.Process{Host: "client", PID: 12, Name: "ssh"}, line: []int{12, 10}, mark: "aa"})
	for _, at := range []label.Time{3e9, 1e9, 9e9} {
		ssh.seen(at)
	}
	dns := &flow{proto: protoUDP, src: inside, dst: netip.AddrPortFrom(outside.Addr(), 53), from: client, to: server}
	dns.owned(&owner{process: label.Process{Host: "client", PID: 13, Name: "dig"}, line: []int{13}, mark: "bb"})
	return client, server, []*flow{ssh, dns}
}

func TestAssemble(t *testing.T) {
	client, server, flows := testFlows()
	shell := &Process{host: client, pid: 10, mark: "zz", args: []string{"sh"}}
	term := &Terminal{keys: []label.Time{2e9, 4e9}}
	c := claims{
		labels: []labelClaim{{Of(shell), []label.Label{label.Shell}}, {Service(server, "udp", 53), []label.Label{label.Poll}}},
		spans: []*spanClaim{
			{sel: Service(server, "tcp", 22), Segment: label.Segment{T0: 1e9, T1: 2e9, State: label.StateHandshake}},
			{sel: From(client).And(Service(server, "tcp", 0)), Segment: label.Segment{T0: 5e9, State: label.StateIdle}, open: true},
		},
		keys: []keyClaim{{Of(shell), term}},
	}
	for _, sensor := range []string{"client", "core", "server"} {
		got, err := c.assemble(flows, sensor, 8e9)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 {
			t.Fatalf("%d flows, want the one that was seen", len(got))
		}
		f := got[0]
		src := inside
		if sensor != "client" {
			src = netip.AddrPortFrom(public, inside.Port())
		}
		if f.Proto != "tcp" || f.Src != src.Addr() || f.SrcPort != src.Port() || f.DstPort != 22 || f.T0 != 1e9 || f.T1 != 9e9 {
			t.Errorf("%s: the flow is %+v", sensor, f)
		}
		if f.Process == nil || f.Process.Name != "ssh" || len(f.Labels) != 1 || f.Labels[0] != label.Shell || len(f.Keys) != 2 {
			t.Errorf("%s: process %+v, labels %v, %d keys", sensor, f.Process, f.Labels, len(f.Keys))
		}
		if len(f.Segments) != 2 || f.Segments[1].T1 != 8e9 {
			t.Errorf("%s: segments %+v", sensor, f.Segments)
		}
	}
}

func TestAssembleRefuses(t *testing.T) {
	client, server, flows := testFlows()
	for _, x := range []struct {
		what string
		c    claims
		want string
	}{
		{"a label for no flow", claims{labels: []labelClaim{{Service(server, "tcp", 80), []label.Label{label.Browse}}}}, "there are no flows to server tcp port 80"},
		{"a segment for no flow", claims{spans: []*spanClaim{{sel: From(server), Segment: label.Segment{State: label.StateIdle}}}}, "there are no flows from server"},
		{"keys for no flow", claims{keys: []keyClaim{{Of(&Process{host: client, pid: 99, mark: "cc", args: []string{"nc", "-l"}}), &Terminal{}}}}, "flows of process 99 on client (nc -l)"},
		{"only an unseen flow has a label", claims{labels: []labelClaim{{Service(server, "udp", 53), []label.Label{label.Poll}}}}, "saw nothing that has a label"},
	} {
		if _, err := x.c.assemble(flows, "client", 1e10); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got %v, want %q", x.what, err, x.want)
		}
	}
}

func TestSelectors(t *testing.T) {
	client, server, flows := testFlows()
	ssh, dns := flows[0], flows[1]
	for _, x := range []struct {
		sel      Selector
		ssh, dns bool
	}{
		{Selector{}, true, true},
		{Of(&Process{host: client, mark: "bb"}), false, true},
		{Of(&Process{host: client, pid: 10, mark: "-"}), true, false},
		{Of(&Process{host: server, pid: 10, mark: "aa"}), false, false}, // another host's
		{Service(server, "tcp", 22), true, false},
		{Service(server, "tcp", 0), true, false},
		{Service(client, "tcp", 22), false, false},
		{From(client), true, true},
		{From(server), false, false},
		{From(client).And(Service(server, "udp", 53)), false, true},
	} {
		if got := x.sel.match(ssh); got != x.ssh {
			t.Errorf("%s: ssh %v", x.sel, got)
		}
		if got := x.sel.match(dns); got != x.dns {
			t.Errorf("%s: dns %v", x.sel, got)
		}
	}
}

// TestSockets reads lists in the kernel's form: a TCP connection, a listener,
// an IPv6 socket with a mapped address.
func TestSockets(t *testing.T) {
	if !littleEndian() {
		t.Skip("the lists are those of a little-endian machine")
	}
	const list = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0907A8C0:9C40 057100CB:01BB 01 00000000:00000000 02:000A7214 00000000  1000        0 81234 2 0000000000000000 20 4 30 10 -1
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0
   2: 0000000000000000FFFF00000907A8C0:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 777 1 0
   3: nonsense:16 00000000:0000 0A 0 0 0 0 0 1
   4: short
`
	got := parseSockets([]byte(list))
	want := []socket{
		{inside, outside, 1, 81234},
		{netip.MustParseAddrPort("0.0.0.0:22"), netip.MustParseAddrPort("0.0.0.0:0"), tcpListen, 12345},
		{netip.MustParseAddrPort("192.168.7.9:53"), netip.MustParseAddrPort("[::]:0"), 7, 777},
	}
	if len(got) != len(want) {
		t.Fatalf("got %d sockets, want %d: %+v", len(got), len(want), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("socket %d: got %+v, want %+v", i, got[i], want[i])
		}
	}
}

func littleEndian() bool {
	a, ok := parseSocketAddr("0100007F:0050")
	return ok && a == netip.MustParseAddrPort("127.0.0.1:80")
}

func TestTimeline(t *testing.T) {
	var q timeline[int]
	rng := seeded(1, "timeline")
	for i := range 5000 {
		q.add(label.Time(rng.IntN(50)), i)
		if rng.IntN(3) == 0 {
			q.take()
		}
	}
	last, lastValue := label.Time(-1), -1
	for q.len() > 0 {
		at, _ := q.next()
		v := q.take()
		if at < last || at == last && v < lastValue {
			t.Fatalf("%d at %d comes after %d at %d", v, at, lastValue, last)
		}
		last, lastValue = at, v
	}
}

func TestMemory(t *testing.T) {
	var m memory
	for _, n := range []int{60, smallFrame, smallFrame + 1, largeFrame, largeFrame + 1} {
		a := m.get(n)
		m.put(a)
		b := m.get(n)
		if len(b) != n || n <= largeFrame && &a[0] != &b[0] {
			t.Errorf("%d bytes: got %d, and not those that were put", n, len(b))
		}
	}
}

func TestRoutes(t *testing.T) {
	a, b, c := &Host{name: "a"}, &Host{name: "b"}, &Host{name: "c"}
	var r routes
	r.add(netip.MustParsePrefix("10.0.0.1/32"), a)
	r.add(netip.MustParsePrefix("10.0.0.0/8"), b)
	r.add(netip.MustParsePrefix("10.1.0.0/16"), c)
	for addr, want := range map[string]*Host{"10.0.0.1": a, "10.2.3.4": b, "10.1.2.3": c, "192.0.2.1": nil} {
		if got := r.to(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s goes to %v, want %v", addr, got, want)
		}
	}
}

func TestSleep(t *testing.T) {
	start := time.Now()
	if err := sleep(t.Context(), 5*time.Millisecond); err != nil || time.Since(start) < 5*time.Millisecond {
		t.Errorf("slept %v: %v", time.Since(start), err)
	}
}

func TestPlain(t *testing.T) {
	const screen = "\x1b]0;user@host: ~\x07\x1b[01;32muser@host\x1b[00m:~$ ls\r\n\x1b[?2004l\rREADME\r\n"
	if got, want := Plain([]byte(screen)), "user@host:~$ ls\nREADME\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for prompt, want := range map[string]bool{"user@host:~$ ": true, "# ": true, "\x1b[32m~\x1b[0m> \x1b[K": true, "100 $": false, "a $ b": false} {
		if got := DefaultPrompt.MatchString(prompt); got != want {
			t.Errorf("%q is a prompt: %v", prompt, got)
		}
	}
}

func TestTail(t *testing.T) {
	out := tail{limit: 10}
	for range 5 {
		out.Write([]byte("abcd"))
	}
	if got := string(out.bytes()); len(got) > 10 || !strings.HasSuffix("abcdabcdabcdabcdabcd", got) {
		t.Errorf("kept %q", got)
	}
	if data, end := out.since(18); string(data) != "cd" || end != 20 {
		t.Errorf("since 18: %q to %d", data, end)
	}
	if data, _ := out.since(0); string(data) != string(out.bytes()) {
		t.Errorf("since 0: %q", data)
	}
}

package icmpv6

import (
	"testing"

	"tyto/internal/flowtest"
)

// The type of a message is in the session's ports, which conversations on IP do
// not have.
func read(t *testing.T, orig, resp uint16, text string) string {
	t.Helper()
	c, err := flowtest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	c.Tuple.OrigPort, c.Tuple.RespPort = orig, resp
	return flowtest.Run(c, 0, Definition)
}

const end = "session app=icmpv6 service=icmp\n"

func TestNeighbor(t *testing.T) {
	got := read(t, neighborSolicitation, neighborAdvertisement, `ip/58 fe80::1 > fe80::2
> 00000000 fe800000000000000000000000000002 0101020000000001
< 60000000 fe800000000000000000000000000002 0201020000000002
< 60000000 fe800000000000000000000000000002 0201020000000002`)
	want := `observe hardware_mac "02:00:00:00:00:01" at fe80::1 (icmpv6)
observe hardware_mac "02:00:00:00:00:02" at fe80::2 (icmpv6)
` + end
	if got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

func TestRouter(t *testing.T) {
	text := `ip/58 fe80::1 > ff02::1
> 40800708 00000000 00000000 0101020000000001 0501000000 0005dc 0304 40c0 00278d00 00093a80 00000000 20010db8000000000000000000000000 1903 0000 00000708 20010db8000000000000000000000053
`
	got := read(t, routerAdvertisement, 133, text)
	want := `observe hardware_mac "02:00:00:00:00:01" at fe80::1 (icmpv6)
{"record":"ndp","hop_limit":64,"lifetime":1800.000000,"managed":true,"prefixes":["2001:db8::/64"],"dns":["2001:db8::53"],"mtu":1500}
` + end
	if got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// An option of no length would be read for ever.
func TestHostile(t *testing.T) {
	got := read(t, routerAdvertisement, 133, "ip/58 fe80::1 > ff02::1\n> 40800708 00000000 00000000 0100020000000001\n> 4080\n")
	want := `anomaly bad_ICMPv6_option "" (icmpv6)
{"record":"ndp","hop_limit":64,"lifetime":1800.000000,"managed":true}
anomaly truncated_ICMPv6 "" (icmpv6)
` + end
	if got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

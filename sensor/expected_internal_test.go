package sensor

import (
	"testing"

	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

func TestExpected(t *testing.T) {
	const second = int64(1e9)
	x := newExpected()
	server := endpoint{addr("10.0.0.2"), 2121, packet.ProtoTCP}
	x.add(&expectation{server, 7, 100 * second})
	k := session.Tuple{Orig: addr("10.0.0.1"), OrigPort: 40000, Resp: server.addr, RespPort: server.port, Proto: packet.ProtoTCP}
	for _, tt := range []struct {
		title       string
		k           session.Tuple
		first, last int64
		want        uint16
	}{
		{"it follows", k, 101 * second, 102 * second, 7},
		{"it had begun", k, 99 * second, 102 * second, 7},
		{"it was over", k, 90 * second, 99 * second, protocol.Unknown},
		{"too late", k, 401 * second, 402 * second, protocol.Unknown},
		{"its originator", k.Reverse(), 101 * second, 102 * second, 7},
		{"another transport", session.Tuple{Orig: k.Orig, OrigPort: k.OrigPort, Resp: k.Resp, RespPort: k.RespPort, Proto: packet.ProtoUDP}, 101 * second, 102 * second, protocol.Unknown},
	} {
		if got := x.app(tt.k, tt.first, tt.last); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.title, got, tt.want)
		}
	}
	x.add(&expectation{server, 7, 200 * second}) // announced again: the first still counts
	if got := x.app(k, 101*second, 102*second); got != 7 {
		t.Errorf("after a second announcement: got %d", got)
	}
	for i := range 3 * maxExpected {
		x.add(&expectation{endpoint{packet.Addr{byte(i), byte(i >> 8), byte(i >> 16)}, 1, packet.ProtoUDP}, 1, 300 * second})
	}
	if n := x.byEndpoint.len(); n != maxExpected {
		t.Errorf("%d announcements are kept", n)
	}
	if got := x.app(k, 301*second, 302*second); got != protocol.Unknown {
		t.Errorf("the oldest should be forgotten, got %d", got)
	}
}

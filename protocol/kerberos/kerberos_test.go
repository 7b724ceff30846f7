package kerberos

import (
	"crypto/md5"
	"encoding/hex"
	"testing"
	"time"

	"tyto/internal/flowtest"
	"tyto/packet"
	"tyto/protocol"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoTCP, 88, Definition) }

// token is the initial token of the Kerberos GSS mechanism with an AP-REQ for
// HTTP/web.example.com.
const token = "6081a906092a864886f71201020201006e8199308196a003020105a10302010ea20703050020000000a36761653063a00302" +
	"0105a10d1b0b4558414d504c452e434f4da2223020a003020102a11930171b04485454501b0f7765622e6578616d706c652e" +
	"636f6da3293027a003020117a103020102a21b0419746865207365616c65642073657276696365207469636b6574a4183016" +
	"a003020112a20f040d61757468656e74696361746f72"

func TestParseAPREQ(t *testing.T) {
	b, err := hex.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	want := APREQ{Realm: "EXAMPLE.COM", Service: "HTTP/web.example.com", TicketEtype: 23, AuthEtype: 18, Mutual: true,
		Ticket: md5.Sum([]byte("the sealed service ticket"))}
	for _, in := range [][]byte{b, b[16:]} {
		got, ok := ParseAPREQ(in)
		if !ok || got != want {
			t.Errorf("got %+v, %v, want %+v", got, ok, want)
		}
	}
	for n := range b {
		ParseAPREQ(b[:n])
	}
	if _, ok := ParseAPREQ(b[:100]); ok {
		t.Error("a cut token was accepted")
	}
}

func TestMoment(t *testing.T) {
	for in, want := range map[string]int64{
		"20370913024805Z": time.Date(2037, 9, 13, 2, 48, 5, 0, time.UTC).UnixNano(),
		"19700101000000Z": 0,
		"99991231235959Z": 0,
		"2037091302480Z":  0,
		"20370913x24805Z": 0,
	} {
		if got := moment([]byte(in)); got != want {
			t.Errorf("%s: got %d, want %d", in, got, want)
		}
	}
}

func TestProbeAllocatesNothing(t *testing.T) {
	e := protocol.Evidence{Transport: protocol.UDP, OrigPort: 40000, RespPort: 88}
	e.Data[0] = []byte("\x6a\x16\x30\x14\xa1\x03\x02\x01\x05\xa2\x03\x02\x01\x0a\xa4\x08\x30\x06\xa2\x04\x1b\x02AB")
	if got := probe(&e); got != protocol.Sure {
		t.Errorf("got %d, want Sure", got)
	}
	if n := testing.AllocsPerRun(100, func() { probe(&e) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

package http

import (
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
	"tyto/protocol"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition, RTSP, SSDP) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoTCP, 80, Definition, RTSP) }

func FuzzSSDP(f *testing.F) { flowtest.Fuzz(f, packet.ProtoUDP, 1900, SSDP) }

func TestProbe(t *testing.T) {
	for _, tt := range []struct {
		data string
		want protocol.Verdict
	}{
		{"G", protocol.More},
		{"GET / HTTP/1.1\r\n", protocol.Sure},
		{"\r\nGET / HTTP/1.1\r\n", protocol.Sure},
		{"M-SEARCH * HTTP/1.1\r\n", protocol.Sure},
		{"whatever / HTTP/1.0\n", protocol.Sure},
		{"GET /\r\n", protocol.Likely},
		{"OPTIONS rtsp://cam/ RTSP/1.0\r\n", protocol.No},
		{"INVITE sip:a@b SIP/2.0\r\n", protocol.No},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", protocol.No},
		{"REQMOD icap://a/ ICAP/1.0\r\n", protocol.No},
		{"\x16\x03\x01\x02\x00", protocol.No},
		{"EHLO example.com\r\n", protocol.No},
		{"HTTP/1.1 200 OK\r\n", protocol.Sure},
		{"HTTP/1.", protocol.More},
	} {
		e := &protocol.Evidence{Transport: protocol.TCP, Data: [2][]byte{[]byte(tt.data), []byte("x")}}
		if got := probe(e); got != tt.want {
			t.Errorf("probe(%q) = %v, want %v", tt.data, got, tt.want)
		}
	}
}

func TestChunkSize(t *testing.T) {
	for _, tt := range []struct {
		line string
		n    int64
		ok   bool
	}{
		{"0", 0, true}, {"1aF", 0x1af, true}, {"10;name=value", 16, true}, {"", 0, false}, {"-1", 0, false}, {"0x10", 0, false},
		{"ffffffffffffffff", 0, false}, {"; 5", 0, false},
	} {
		if n, ok := chunkSize([]byte(tt.line)); ok != tt.ok || ok && n != tt.n {
			t.Errorf("chunkSize(%q) = %d, %v, want %d, %v", tt.line, n, ok, tt.n, tt.ok)
		}
	}
}

func TestSniff(t *testing.T) {
	for body, want := range map[string]string{
		"":                             "",
		"MZ\x90\x00":                   "application/x-dosexec",
		"\n <!DOCTYPE HTML PUBLIC":     "text/html",
		"{\"a\":1}":                    "text/json",
		"plain words":                  "text/plain",
		"\x00\x01\x02":                 "",
		"RIFF\x00\x00\x00\x00WEBPVP8 ": "image/webp",
		"\x00\x00\x00\x18ftypmp42\x00": "video/mp4",
	} {
		if got := Sniff([]byte(body)); got != want {
			t.Errorf("Sniff(%q) = %q, want %q", body, got, want)
		}
	}
}

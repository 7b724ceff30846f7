package archive_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"tyto/packet"
	"tyto/store/archive"
)

// ipv4 is a datagram without a link layer.
func ipv4(proto uint8, src, dst [4]byte, sport, dport uint16) *archive.Packet {
	b := make([]byte, 40)
	b[0], b[8], b[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	binary.BigEndian.PutUint16(b[20:], sport)
	binary.BigEndian.PutUint16(b[22:], dport)
	binary.BigEndian.PutUint16(b[24:], 20) // length of UDP
	if proto == packet.ProtoTCP {
		b[32] = 0x50
	}
	return &archive.Packet{Frame: packet.Frame{Data: b, Wire: uint32(len(b)), Link: packet.LinkRaw}}
}

func TestFilter(t *testing.T) {
	packets := map[string]*archive.Packet{
		"web":  ipv4(packet.ProtoTCP, [4]byte{10, 0, 0, 1}, [4]byte{203, 0, 113, 9}, 40000, 443),
		"dns":  ipv4(packet.ProtoUDP, [4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 53}, 40001, 53),
		"back": ipv4(packet.ProtoTCP, [4]byte{203, 0, 113, 9}, [4]byte{10, 0, 0, 1}, 443, 40000),
		"junk": {Frame: packet.Frame{Data: []byte{1, 2, 3}, Link: packet.LinkRaw}},
	}
	for text, want := range map[string]string{
		"host 203.0.113.9":                 "back web",
		"src host 203.0.113.9":             "back",
		"dst net 10.0.0.0/8":               "back dns",
		"net 10.0.0.0/24 and not port 443": "dns",
		"tcp":                              "back web",
		"udp or src port 443":              "back dns",
		"!(tcp)":                           "dns",
		"portrange 50-60 || dst portrange 443-443": "dns web",
		"ip6":          "",
		"ip && vlan 7": "",
		"not ip6":      "back dns web",
	} {
		f, err := archive.ParseFilter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for _, name := range []string{"back", "dns", "junk", "web"} {
			if f.Match(packets[name]) {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"": "missing", "host": "missing", "host example": "no address", "net 10": "no network", "port 70000": "no number", "portrange 9-5": "no number",
		"tcp udp": "does not follow", "(tcp": "not closed", "tcpp": "no condition", "src tcp": "no condition", "tcp and": "missing",
		strings.Repeat("not ", 200) + "tcp": "nests",
	} {
		if _, err := archive.ParseFilter(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: got %v, want %q", text, err, want)
		}
	}
}

// FuzzFilter parses any text and applies what comes of it.
func FuzzFilter(f *testing.F) {
	f.Add("net 10.0.0.0/24 and not (src port 443 or vlan 1-5)")
	p := ipv4(packet.ProtoTCP, [4]byte{10, 0, 0, 1}, [4]byte{203, 0, 113, 9}, 40000, 443)
	f.Fuzz(func(_ *testing.T, text string) {
		if filter, err := archive.ParseFilter(text); err == nil {
			filter.Match(p)
		}
	})
}

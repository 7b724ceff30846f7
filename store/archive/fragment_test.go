package archive_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"reflect"
	"testing"

	"tyto/packet"
	"tyto/store/archive"
)

// piece is a fragment of an IP datagram with an identification, sent at a second.
func piece(version, second, id, off int, more bool) packet.Frame {
	const size = 24
	flag := 0
	if more {
		flag = 1
	}
	var b []byte
	if version == 4 {
		b = []byte{0x46, 0, 0, 24 + size, 0, 0, 0, 0, 64, packet.ProtoUDP, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 1, 1, 1, 0} // with options
		binary.BigEndian.PutUint16(b[4:], uint16(id))
		binary.BigEndian.PutUint16(b[6:], uint16(off/8|flag<<13))
	} else {
		b = append([]byte{0x60, 0, 0, 0, 0, 8 + size, 44, 64}, make([]byte, 32)...)
		b[8], b[24], b[23], b[39] = 0xfd, 0xfd, 1, 2
		b = append(b, packet.ProtoUDP, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(off|flag))
		b = binary.BigEndian.AppendUint32(b, uint32(id))
	}
	b = append(b, make([]byte, size)...)
	return packet.Frame{Time: int64(second) * 1e9, Data: b, Wire: uint32(len(b)), Link: packet.LinkRaw}
}

// TestFragments keeps datagrams in pieces, of which only the last to come has a
// session, and wants the session to have all of them, and no others.
func TestFragments(t *testing.T) {
	for _, version := range []int{4, 6} {
		dir := t.TempDir()
		w, err := archive.NewWriter(dir, archive.Options{BlockBytes: 100}) // pieces lie in several blocks
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []struct {
			second, id, off int
			uid             string
		}{
			{100, 7, 0, ""}, {101, 8, 0, ""}, // of two datagrams
			{102, 8, 24, "Cb"},
			{103, 7, 48, ""},                   // the end came before the middle
			{104, 7, 24, "Ca"},                 // complete
			{150, 7, 0, ""}, {151, 7, 24, "C"}, // the same number again: another datagram
			{152, 9, 0, ""}, // never complete
		} {
			f := piece(version, k.second, k.id, k.off, k.off < 48)
			if err := w.Add(&f, k.uid); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			uid           string
			after, before int64
			want          string
		}{
			{"Ca", 0, 0, "[100 Ca 103 Ca 104 Ca]"},
			{"Cb", 0, 0, "[101 Cb 102 Cb]"},
			{"C", 0, 0, "[150 C 151 C]"},
			{"Ca", 104e9, 105e9, "[100 Ca 103 Ca 104 Ca]"},
			{"F/", 0, 0, "[]"},
			{"", 0, 0, "[]"},
		} {
			if got := fmt.Sprint(sessions(t, dir, tt.after, tt.before, tt.uid)); got != tt.want {
				t.Errorf("IPv%d, session %q: %s, want %s", version, tt.uid, got, tt.want)
			}
		}
	}
}

// sessions returns second and session of the packets of sessions.
func sessions(t *testing.T, dir string, after, before int64, uids ...string) (got []string) {
	t.Helper()
	err := open(t, dir).Sessions(context.Background(), uids, after, before, func(p *archive.Packet) error {
		got = append(got, fmt.Sprint(p.Time/1e9, " ", p.UID))
		return nil
	})
	if err != nil {
		t.Errorf("sessions %q: %v", uids, err)
	}
	return got
}

// TestCarriers keeps what came out of tunnels: a tunnel's packets are those of
// all that it carried.
func TestCarriers(t *testing.T) {
	dir := t.TempDir()
	w, err := archive.NewWriter(dir, archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range [][]string{
		{"Couter"},                     // the tunnel's own
		{"Ca", "Couter"},               // what it carried
		{"Ca", "Cother"},               // the same, on its way back through another
		{"Cb", "Cmiddle", "Couter"},    // a tunnel in the tunnel
		{"", "Cother"},                 // carried, of no session
		{"Cplain"}, {""}, {"Cmiddle2"}, // of neither
	} {
		f := packet.Frame{Time: int64(i) * 1e9, Data: []byte{byte(i)}, Wire: 1, Link: packet.LinkEthernet}
		if err := w.Add(&f, k[0], k[1:]...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		uids []string
		want []string
	}{
		{[]string{"Couter"}, []string{"0 Couter", "1 Ca", "3 Cb"}},
		{[]string{"Cother"}, []string{"2 Ca", "4 "}},
		{[]string{"Cmiddle"}, []string{"3 Cb"}},
		{[]string{"Ca"}, []string{"1 Ca", "2 Ca"}},
		{[]string{"Cplain", "Cb", "Cplain"}, []string{"3 Cb", "5 Cplain"}},
		{[]string{"C"}, nil},
	} {
		if got := sessions(t, dir, 0, 0, tt.uids...); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.uids, got, tt.want)
		}
	}
}

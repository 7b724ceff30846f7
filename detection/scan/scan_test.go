package scan

import (
	"testing"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

func try(to byte, port uint16, state string, bytes uint64) *detection.Session {
	s := &detection.Session{UID: session.UID{uint64(to), uint64(port)}, First: int64(to) * 1e7, Last: int64(to)*1e7 + 1e6, State: state, Home: [2]bool{true, true},
		Bytes: [2]uint64{bytes, bytes}, Packets: [2]uint64{3, 3}}
	s.Tuple = session.Tuple{Orig: packet.Addr4([]byte{10, 0, 0, 250}), Resp: packet.Addr4([]byte{10, 0, 1, to}), RespPort: port, Proto: packet.ProtoTCP}
	return s
}

func TestScan(t *testing.T) {
	var sweep, ports, clients, gone, probes []*detection.Session
	for i := range byte(200) {
		sweep = append(sweep, try(i, 445, "S0", 0))
		ports = append(ports, try(1, uint16(i)+1, "REJ", 0))
		clients = append(clients, try(i, 443, "SF", 900))
		gone = append(gone, try(7, 5432, "S0", 0))
	}
	for i := range byte(3) {
		for _, port := range []uint16{445, 135, 5985} {
			probes = append(probes, try(i, port, "SF", 0))
		}
	}
	for _, c := range []struct {
		name        string
		list        []*detection.Session
		least, most float64
	}{
		{"sweep", sweep, 5, 10}, {"ports", ports, 5, 7}, {"administrative ports", probes, 1, 3},
		{"a busy client", clients, 0, 0}, {"a server that is gone", gone, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l detection.Ledger
			d := New()
			for _, s := range c.list {
				d.Session(s, &l)
			}
			score := 0.0
			for _, f := range l.All() {
				score += f.Score()
			}
			if score < c.least || score > c.most {
				t.Errorf("got %.1f, want %.1f to %.1f", score, c.least, c.most)
			}
		})
	}
}

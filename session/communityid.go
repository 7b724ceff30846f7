package session

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"

	"tyto/packet"
)

// AppendCommunityID appends the Community ID of a session: version 1, seed 0, of
// the corelight/community-id-spec. It is the same in both directions and in
// every tool that implements it.
func (t *Tuple) AppendCommunityID(b []byte) []byte {
	src, dst := t.Orig.Bytes(), t.Resp.Bytes()
	sport, dport, oneWay := t.OrigPort, t.RespPort, false
	hasPorts := true
	switch t.Proto {
	case packet.ProtoICMP, packet.ProtoICMPv6:
		_, paired := counterpart(t.Proto, uint8(sport))
		oneWay = !paired
	case packet.ProtoTCP, packet.ProtoUDP, packet.ProtoSCTP:
	default:
		hasPorts = false
	}
	if c := bytes.Compare(src, dst); !oneWay && (c > 0 || c == 0 && sport > dport) {
		src, dst, sport, dport = dst, src, dport, sport
	}
	var buf [40]byte
	m := append(buf[:2], src...) // two bytes of seed
	m = append(m, dst...)
	m = append(m, t.Proto, 0)
	if hasPorts {
		m = binary.BigEndian.AppendUint16(m, sport)
		m = binary.BigEndian.AppendUint16(m, dport)
	}
	sum := sha1.Sum(m)
	b = append(b, '1', ':')
	return base64.StdEncoding.AppendEncode(b, sum[:])
}

// Package bittorrent reads what BitTorrent shows in the clear: the peer
// handshake over TCP and uTP (BEP 3, BEP 10, BEP 29), the distributed hash table
// (BEP 5), UDP trackers (BEP 15) and local discovery (BEP 14). Peers that
// encrypt from the first byte are not recognised.
package bittorrent

import (
	"bytes"
	"encoding/binary"

	"tyto/internal/record"
	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition of the protocol.
var Definition = protocol.Definition{
	Name:       "bittorrent",
	Doc:        "BitTorrent (BEP 3, 5, 14, 15, 29); recognised by its handshake, bencoded hash table messages, the tracker's magic number, or uTP packets that answer each other.",
	Transports: protocol.TCP | protocol.UDP,
	Ports:      []uint16{6881},
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{} },
	Schemas:    []*record.Schema{Schema},
}

// Schema of the bittorrent record: one a handshake or query.
var Schema = record.New("bittorrent", "", "A BitTorrent handshake, hash table query or tracker request; of the same kind of query the first in a session.",
	record.Field{Name: "is_orig", Type: record.Bool, Doc: "True if the originator sent it."},
	record.Field{Name: "kind", Type: record.Enum, Doc: "What it is: peer, dht, tracker or discovery."},
	record.Field{Name: "query", Type: record.String, Doc: "Query of the hash table or action of the tracker."},
	record.Field{Name: "info_hash", Type: record.String, Doc: "Identifier of the torrent, in hexadecimal."},
	record.Field{Name: "peer_id", Type: record.String, Doc: "Identifier of the peer, or of the node in the hash table, in hexadecimal."},
	record.Field{Name: "client", Type: record.String, Doc: "Client program, as its identifier or its own name tells."},
)

const (
	greeting       = "\x13BitTorrent protocol"
	handshakeBytes = 68
	discovery      = "BT-SEARCH * HTTP/1.1\r\n"
	trackerMagic   = "\x00\x00\x04\x17\x27\x10\x19\x80" // BEP 15
	utpBytes       = 20
)

func probe(e *protocol.Evidence) protocol.Verdict {
	b := e.Data[e.Dir]
	if e.Transport == protocol.TCP {
		n := min(len(b), len(greeting))
		switch {
		case string(b[:n]) != greeting[:n]:
			return protocol.No
		case n < len(greeting):
			return protocol.More
		}
		return protocol.Sure
	}
	if len(b) < 16 {
		return protocol.No
	}
	switch {
	case b[0] == 'd':
		if dhtMessage(b) {
			return protocol.Sure
		}
	case b[0] == 'B':
		if bytes.HasPrefix(b, []byte(discovery)) {
			return protocol.Sure
		}
	case b[0] == 0:
		if len(b) == 16 && string(b[:8]) == trackerMagic && binary.BigEndian.Uint32(b[8:]) == 0 {
			return protocol.Sure
		}
	case b[0]&15 == 1:
		return probeUTP(e, b)
	}
	return protocol.No
}

// dhtMessage reports whether b starts as a message of the hash table does: a
// dictionary whose first key is the arguments, the reply or the error, or the
// address that precedes them (BEP 42).
func dhtMessage(b []byte) bool {
	if b[len(b)-1] != 'e' {
		return false
	}
	for _, p := range [...]string{"d1:ad2:id20:", "d1:rd2:id20:", "d1:eli20", "d2:ip6:", "d2:ip18:"} {
		if bytes.HasPrefix(b, []byte(p)) {
			return true
		}
	}
	return false
}

// uTP packet types (BEP 29).
const (
	utpData, utpFin, utpState, utpReset, utpSyn = 0, 1, 2, 3, 4
)

// utp returns the payload of a uTP packet.
func utp(b []byte) (payload []byte, ok bool) {
	c := wire.New(b)
	h, ext := c.U8(), c.U8()
	if h&15 != 1 || h>>4 > utpSyn || ext > 3 {
		return nil, false
	}
	c.Skip(utpBytes - 2)
	for i := 0; ext != 0 && i < 4; i++ {
		ext = c.U8()
		c.Skip(int(c.U8()))
	}
	if !c.OK() || ext > 3 {
		return nil, false
	}
	return c.Rest(), true
}

// probeUTP recognises uTP by the handshake inside, or by two packets that fit:
// connection identifiers of the two sides differ by one, and one acknowledges
// the other.
func probeUTP(e *protocol.Evidence, b []byte) protocol.Verdict {
	p, ok := utp(b)
	if !ok {
		return protocol.No
	}
	kind := b[0] >> 4
	if kind == utpData && bytes.HasPrefix(p, []byte(greeting)) {
		return protocol.Sure
	}
	// The other side's first packet must be there.
	if s := e.Seen[e.Dir.Other()]; len(s) >= utpBytes && s[0]&15 == 1 && s[0]>>4 <= utpSyn {
		id, other := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint16(s[2:])
		d := id - other
		seq := binary.BigEndian.Uint16(s[16:])
		ack := binary.BigEndian.Uint16(b[18:])
		syn := s[0]>>4 == utpSyn && d == 0 || d == 1 || d == 0xffff
		if syn && (ack-seq < 16 || seq-ack < 2) {
			return protocol.Sure
		}
		return protocol.No
	}
	if kind == utpSyn && len(p) == 0 && binary.BigEndian.Uint16(b[18:]) == 0 && binary.BigEndian.Uint32(b[8:]) == 0 ||
		kind <= utpState && b[2]|b[3] != 0 && binary.BigEndian.Uint32(b[12:]) < 1<<26 && binary.BigEndian.Uint32(b[4:]) > 1<<16 {
		return protocol.More
	}
	return protocol.No
}

type analyzer struct {
	rec   Record
	shook [2]bool // handshake read
	seen  uint32  // queries told, by bit
}

// Close has nothing pending.
func (a *analyzer) Close(*protocol.Flow) {}

// Gap cannot find the next message, but has told what it had to.
func (a *analyzer) Gap(*protocol.Flow, session.Direction, int) bool { return false }

// Parse reads handshakes and passes over the pieces.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	if f.Datagram() {
		a.datagram(f, dir, data)
		return len(data)
	}
	if !a.shook[dir] {
		if !bytes.HasPrefix(data, []byte(greeting)[:min(len(data), len(greeting))]) {
			return protocol.SkipAll // the other side does not speak it
		}
		if len(data) < handshakeBytes {
			return 0
		}
		a.shook[dir] = true
		a.handshake(f, dir, data[:handshakeBytes])
		return handshakeBytes
	}
	return a.messages(f, dir, data)
}

// Bounds of messages: of those longer than the first only the length is read,
// and none is longer than the second.
const (
	maxExtension = 4 << 10
	maxMessage   = 4 << 20
	extended     = 20 // message type (BEP 10)
)

func (a *analyzer) messages(f *protocol.Flow, dir session.Direction, data []byte) int {
	used := 0
	for len(data)-used >= 6 || len(data)-used >= 4 && binary.BigEndian.Uint32(data[used:]) < 2 {
		b := data[used:]
		n := int(binary.BigEndian.Uint32(b))
		if n > maxMessage {
			f.Anomaly("bittorrent_bad_message", "")
			return protocol.SkipAll
		}
		if n > 2 && n < maxExtension && b[4] == extended && b[5] == 0 {
			if len(b) < 4+n {
				break
			}
			a.client(f, dir, b[6:4+n])
		}
		used += 4 + n
	}
	return used
}

func (a *analyzer) handshake(f *protocol.Flow, dir session.Direction, b []byte) {
	r := &a.rec
	*r = Record{orig: dir == session.Orig, kind: "peer", hash: b[28:48], id: b[48:68], client: clientOf(b[48:68])}
	if r.client != "" {
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: r.client})
	}
	f.Emit(r)
}

const maxClient = 64

// client tells the name in an extension handshake: the value of the key "v".
func (a *analyzer) client(f *protocol.Flow, dir session.Direction, b []byte) {
	if v := value(b, "1:v"); v != nil {
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: string(v[:min(len(v), maxClient)])})
	}
}

// value returns the bencoded string that follows key in b: not a parser, but
// enough for messages whose keys are known.
func value(b []byte, key string) []byte {
	i := bytes.Index(b, []byte(key))
	if i < 0 {
		return nil
	}
	b = b[i+len(key):]
	n := 0
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9' && i < 5:
			n = n*10 + int(c-'0')
			continue
		case c == ':' && i > 0 && n <= len(b)-i-1:
			return b[i+1 : i+1+n]
		}
		return nil
	}
	return nil
}

func (a *analyzer) datagram(f *protocol.Flow, dir session.Direction, b []byte) {
	switch {
	case len(b) < 12:
	case b[0] == 'd':
		a.dht(f, dir, b)
	case b[0] == 'B':
		a.local(f, dir, b)
	case string(b[:8]) == trackerMagic:
		a.query(f, Record{orig: dir == session.Orig, kind: "tracker", query: "connect"}, 1)
	case b[0]&15 == 1:
		if p, ok := utp(b); ok && len(p) >= handshakeBytes && bytes.HasPrefix(p, []byte(greeting)) && !a.shook[dir] {
			a.shook[dir] = true
			a.handshake(f, dir, p[:handshakeBytes])
		}
	case len(b) >= 98 && binary.BigEndian.Uint32(b[8:]) == 1: // announce
		id := b[36:56]
		a.query(f, Record{orig: dir == session.Orig, kind: "tracker", query: "announce", hash: b[16:36], id: id, client: clientOf(id)}, 2)
	}
}

// query tells a record unless its kind, a bit, has been told.
func (a *analyzer) query(f *protocol.Flow, r Record, bit uint32) {
	if a.seen&bit != 0 {
		return
	}
	a.seen |= bit
	a.rec = r
	f.Emit(&a.rec)
}

func (a *analyzer) dht(f *protocol.Flow, dir session.Direction, b []byte) {
	r := Record{orig: dir == session.Orig, kind: "dht"}
	if id := value(b, "2:id"); len(id) == 20 {
		r.id = id
	}
	var bit uint32
	switch q := value(b, "1:q"); string(q) {
	case "ping":
		r.query, bit = "ping", 4
	case "find_node":
		r.query, bit = "find_node", 8
	case "get_peers":
		r.query, bit = "get_peers", 16
	case "announce_peer":
		r.query, bit = "announce_peer", 32
	case "":
		return
	default:
		r.query, bit = "other", 64
	}
	if h := value(b, "9:info_hash"); len(h) == 20 {
		r.hash = h
	}
	if v := value(b, "1:v"); len(v) == 4 {
		r.client = clientCode(v[:2])
	}
	a.query(f, r, bit<<(8*dir))
}

func (a *analyzer) local(f *protocol.Flow, dir session.Direction, b []byte) {
	r := Record{orig: dir == session.Orig, kind: "discovery"}
	if i := bytes.Index(b, []byte("\r\nInfohash: ")); i >= 0 {
		h := b[i+12:]
		if n := bytes.IndexByte(h, '\r'); n == 40 {
			r.hexHash = h[:n]
		}
	}
	a.query(f, r, 1<<31)
}

// clients are the two letters of a client in a peer identifier (BEP 20).
var clients = map[string]string{
	"AG": "Ares", "AZ": "Vuze", "BB": "BitBuddy", "BC": "BitComet", "BI": "BiglyBT", "BT": "BitTorrent", "DE": "Deluge", "FD": "Free Download Manager",
	"FW": "FrostWire", "HL": "Halite", "JS": "Justseed", "KT": "KTorrent", "LP": "Lphant", "LT": "libtorrent", "lt": "libTorrent (rTorrent)",
	"MG": "MediaGet", "PC": "CacheLogic", "PI": "PicoTorrent", "qB": "qBittorrent", "RT": "Retriever", "SD": "Thunder", "SF": "SwarmFlow",
	"ST": "SymTorrent", "TL": "Tribler", "TR": "Transmission", "TT": "TuoTu", "UM": "µTorrent Mac", "UT": "µTorrent", "UW": "µTorrent Web",
	"WW": "WebTorrent", "WD": "WebTorrent Desktop", "XL": "Xunlei", "XF": "Xfplay", "TX": "Tixati", "BL": "BitLord", "BS": "BTSlave",
}

func clientCode(b []byte) string { return clients[string(b)] }

// clientOf returns the client a peer identifier names: -XX1234- with the version
// in the digits, or an empty string.
func clientOf(id []byte) string {
	if id[0] != '-' || id[7] != '-' {
		return ""
	}
	name := clientCode(id[1:3])
	if name == "" {
		return ""
	}
	text := append(make([]byte, 0, len(name)+8), name...)
	text = append(text, ' ')
	for i, c := range id[3:7] {
		if c < '0' || c > 'z' {
			return name
		}
		if i == 3 && (c == '0' || c >= 'a') { // a build or the word stable
			break
		}
		if i > 0 {
			text = append(text, '.')
		}
		text = append(text, c)
	}
	return string(text)
}

// Record is a handshake or a query.
type Record struct {
	orig                bool
	kind, query, client string
	hash, id, hexHash   []byte
}

// Schema returns Schema.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record.
func (r *Record) Append(e *record.Encoder) {
	e.Bool(r.orig)
	e.Str(r.kind)
	e.Str(r.query)
	if r.hexHash != nil {
		e.Bytes(r.hexHash)
	} else {
		hex20(e, r.hash)
	}
	hex20(e, r.id)
	e.Str(r.client)
}

func hex20(e *record.Encoder, b []byte) {
	if len(b) != 20 {
		e.Unset()
		return
	}
	var text [40]byte
	const digits = "0123456789abcdef"
	for i, v := range b {
		text[2*i], text[2*i+1] = digits[v>>4], digits[v&15]
	}
	e.Raw(text[:])
}

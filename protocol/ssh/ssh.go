// Package ssh reads the clear part of SSH (RFC 4253) - banners, algorithms, host
// key - and hears the rest: the sizes of the encrypted packets, and from them
// how the login went (auth.go).
package ssh

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"tyto/internal/wire"
	"tyto/protocol"
	"tyto/session"
)

// Definition describes SSH.
var Definition = protocol.Definition{
	Name: "ssh",
	Doc: "Secure Shell (RFC 4251-4254): recognised by the identification string of either side on any port; algorithms, " +
		"HASSH fingerprints and host key are read, the outcome of the login is told from packet lengths.",
	Transports: protocol.TCP,
	Ports:      []uint16{22},
	OddPort:    true,
	Encrypted:  true,
	Probe:      probe,
	New:        func() protocol.Analyzer { return &analyzer{server: session.Resp} },
	Schemas:    schemas,
}

// Kinds of the messages that are told with Flow.Message.
const (
	// Banner is a line before the binary packets, with its end.
	Banner = 1 + iota
	// KexPacket is a packet in the clear: the first key exchange.
	KexPacket
	// EncryptedPacket is one encrypted packet, with length and MAC: the length
	// is in the clear for AES-GCM and encrypt-then-MAC algorithms.
	EncryptedPacket
	// EncryptedChunk is what arrived at once of encrypted packets whose lengths
	// are hidden (chacha20-poly1305, encrypt-and-MAC): one or more packets.
	EncryptedChunk
)

// probe looks for an identification string (RFC 4253 section 4.2), in the
// server's direction also after other lines.
func probe(e *protocol.Evidence) protocol.Verdict {
	more := false
	for dir, b := range e.Data {
		n := min(len(b), 4)
		if string(b[:n]) != "SSH-"[:n] {
			if session.Direction(dir) == session.Resp && preBanner(b) {
				if bytes.Contains(b, []byte("\nSSH-2.0-")) || bytes.Contains(b, []byte("\nSSH-1.")) {
					return protocol.Sure
				}
				more = more || e.Port(22) && len(b) < protocol.MaxProbe
			}
			continue
		}
		if len(b) < 6 {
			more = true
			continue
		}
		if b[4] >= '0' && b[4] <= '9' && b[5] == '.' {
			return protocol.Sure
		}
	}
	if more {
		return protocol.More
	}
	return protocol.No
}

// preBanner reports whether b can be the lines a server may send before its
// identification string.
func preBanner(b []byte) bool {
	for _, c := range b[:min(len(b), 256)] {
		if c < 0x20 && c != '\r' && c != '\n' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return len(b) > 0
}

// Limits of what is kept and accepted.
const (
	maxBanner     = 255       // RFC 4253 section 4.2, with CR LF
	maxLine       = 1024      // of a line before the identification string
	maxPreLines   = 64        // lines before the identification string
	maxPlain      = 35000     // RFC 4253 section 6.1: what must be accepted in the clear
	maxEncrypted  = 256 << 10 // largest packet OpenSSH sends
	maxAlgorithms = 4096      // text of an algorithm list in the record
	maxKeyType    = 64
)

// phase is how far one direction is.
type phase uint8

const (
	inBanner  phase = iota
	inClear         // binary packets before NEWKEYS
	inPackets       // encrypted, lengths readable
	inChunks        // encrypted, lengths hidden or lost
)

// side is what is known of one direction.
type side struct {
	phase    phase
	lines    int
	banner   string
	kex      *kexInit
	cut      bool // bytes are missing
	cipher   cipher
	answered bool // has sent something encrypted
}

// Message numbers (RFC 4253 section 12, RFC 4419, RFC 5656).
const (
	msgDisconnect = 1
	msgKexInit    = 20
	msgNewKeys    = 21
	msgKex30      = 30 // the client's first: KEXDH_INIT, ECDH_INIT; KEXRSA_PUBKEY from the server
	msgKex31      = 31 // KEXDH_REPLY, ECDH_REPLY; or GEX_GROUP
	msgGexReply   = 33
)

// analyzer reads one connection.
type analyzer struct {
	sides   [2]side
	server  session.Direction // who acts as the server
	decided bool              // the roles are known from what was said
	auth    auth
	rec     Record
	emitted bool
	shown   int64 // when the server showed its key
	trusted int64 // when the client went on
	keyed   bool  // the client has begun to encrypt
	pace    pace
	login   reading  // of the login that succeeded
	opened  *opened  // nil before the login
	heard   []string // inferences of what the session sounds like
}

// Parse reads lines, then packets.
func (a *analyzer) Parse(f *protocol.Flow, dir session.Direction, data []byte) int {
	s := &a.sides[dir]
	switch s.phase {
	case inBanner:
		return a.line(f, dir, data)
	case inClear:
		return a.clear(f, dir, data)
	case inPackets:
		return a.packet(f, dir, data)
	}
	f.Message(dir, EncryptedChunk, len(data))
	a.encrypted(f, dir, len(data))
	return len(data)
}

// Gap goes on after lost bytes: sizes of what follows are of chunks.
func (a *analyzer) Gap(f *protocol.Flow, dir session.Direction, n int) bool {
	s := &a.sides[dir]
	if s.phase == inBanner && s.banner == "" && a.sides[dir.Other()].banner == "" {
		return false
	}
	s.phase, s.cut = inChunks, true
	a.auth.stage = authUnknown
	return true
}

// Close tells the record.
func (a *analyzer) Close(f *protocol.Flow) {
	a.auth.close(a, f)
	a.rec.inferences = a.infer(f)
	a.emit(f)
}

// line reads one line of the start.
func (a *analyzer) line(f *protocol.Flow, dir session.Direction, data []byte) int {
	s := &a.sides[dir]
	end := bytes.IndexByte(data, '\n')
	if end < 0 {
		if len(data) > maxLine {
			f.Anomaly("malformed_ssh_identification", "line too long")
			return protocol.SkipAll
		}
		return 0
	}
	if end > maxLine {
		f.Anomaly("malformed_ssh_identification", "line too long")
		return protocol.SkipAll
	}
	line := bytes.TrimSuffix(data[:end], []byte("\r"))
	f.Message(dir, Banner, end+1)
	if !bytes.HasPrefix(line, []byte("SSH-")) {
		// Only a server may send other lines first.
		if s.lines++; dir != a.server || s.lines > maxPreLines {
			f.Anomaly("malformed_ssh_identification", "")
			return protocol.SkipAll
		}
		return end + 1
	}
	if end > maxBanner {
		f.Anomaly("malformed_ssh_identification", "longer than 255 bytes")
		line = line[:maxBanner]
	}
	s.banner = string(line)
	version, software, ok := strings.Cut(s.banner[4:], "-")
	if !ok || software == "" {
		f.Anomaly("malformed_ssh_version", "")
	} else {
		f.Observe(protocol.Observation{Kind: protocol.Software, Addr: f.Addr(dir), Value: software})
	}
	s.phase = inClear
	if version != "2.0" && version != "1.99" {
		s.phase = inChunks // SSH-1 is not read further
		if !strings.HasPrefix(version, "1.") {
			f.Anomaly("malformed_ssh_version", "")
		}
	}
	if other := &a.sides[dir.Other()]; other.banner != "" {
		switch a.version() {
		case 0:
			f.Anomaly("ssh_version_mismatch", "")
		case 1: // one of them could speak version 2
			s.phase, other.phase = inChunks, inChunks
		}
	}
	return end + 1
}

// majors returns the protocol versions a banner offers, 1 and 2 as bits.
func majors(banner string) int {
	switch {
	case strings.HasPrefix(banner, "SSH-1.99"):
		return 3
	case strings.HasPrefix(banner, "SSH-2."):
		return 2
	case strings.HasPrefix(banner, "SSH-1."):
		return 1
	}
	return 0
}

// version returns the version both sides speak: 2, 1, or 0.
func (a *analyzer) version() uint64 {
	v := 3
	for _, s := range a.sides {
		if s.banner != "" {
			v &= majors(s.banner)
		}
	}
	if v >= 2 {
		return 2
	}
	return uint64(v)
}

// clear reads a packet of the first key exchange (RFC 4253 section 6).
func (a *analyzer) clear(f *protocol.Flow, dir session.Direction, data []byte) int {
	s := &a.sides[dir]
	if len(data) < 6 {
		return 0
	}
	n := binary.BigEndian.Uint32(data)
	padding := int(data[4])
	if n > maxPlain || n < 6 || padding+2 > int(n) {
		f.Anomaly("ssh_bad_packet_length", "")
		s.phase, s.cut = inChunks, true
		a.auth.stage = authUnknown
		return 0
	}
	if len(data) < 4+int(n) {
		return 0
	}
	f.Message(dir, KexPacket, 4+int(n))
	a.pace.message(dir != a.server, f.Now)
	payload := data[5 : 4+int(n)-padding]
	switch payload[0] {
	case msgKexInit:
		a.kexInit(f, dir, payload)
	case msgKex30, msgKex31, msgGexReply:
		a.hostKey(dir, payload)
		if a.rec.hostKeyMD5 != "" && a.shown == 0 {
			a.shown = f.Now
		}
	case msgNewKeys:
		a.newKeys(dir)
		if dir != a.server {
			a.keyed, a.trusted = true, f.Now
		}
	case msgDisconnect:
		c := wire.New(payload[1:])
		a.rec.disconnect = c.U32()
	}
	return 4 + int(n)
}

// Ways of the algorithms of a direction.
const (
	toServer = 0
	toClient = 1
)

// way returns which of a pair of algorithms is for what dir sends.
func (a *analyzer) way(dir session.Direction) int {
	if dir == a.server {
		return toClient
	}
	return toServer
}

// newKeys begins the encrypted part of a direction.
func (a *analyzer) newKeys(dir session.Direction) {
	s := &a.sides[dir]
	way := a.way(dir)
	s.cipher = cipherOf(a.rec.cipher[way], a.rec.mac[way])
	s.phase = inChunks
	if s.cipher.lengthClear {
		s.phase = inPackets
	}
	if !s.cipher.known || a.rec.compression[0] == "zlib" || a.rec.compression[1] == "zlib" {
		a.auth.stage = authUnknown
	}
}

// packet reads the length of an encrypted packet; what follows need not be kept.
func (a *analyzer) packet(f *protocol.Flow, dir session.Direction, data []byte) int {
	s := &a.sides[dir]
	if len(data) < 4 {
		return 0
	}
	n := binary.BigEndian.Uint32(data)
	if n > maxEncrypted || n == 0 || n%8 != 0 {
		f.Anomaly("ssh_bad_packet_length", "")
		s.phase, s.cut = inChunks, true
		a.auth.stage = authUnknown
		return 0
	}
	size := 4 + int(n) + s.cipher.tag
	f.Message(dir, EncryptedPacket, size)
	a.encrypted(f, dir, size)
	return size
}

func (a *analyzer) encrypted(f *protocol.Flow, dir session.Direction, n int) {
	a.sides[dir].answered = true
	if !a.auth.success {
		a.pace.message(dir != a.server, f.Now)
	}
	a.auth.message(a, f, dir, n)
}

// kexInit is what a KEXINIT message offers (RFC 4253 section 7.1).
type kexInit struct {
	lists   [8]string
	follows bool
}

// The name-lists of KEXINIT, in order.
const (
	listKex = iota
	listHostKey
	listCipherCS
	listCipherSC
	listMacCS
	listMacSC
	listCompCS
	listCompSC
)

func parseKexInit(payload []byte) (k *kexInit, ok bool) {
	c := wire.New(payload)
	c.Skip(1 + 16)
	k = new(kexInit)
	for i := range 10 {
		list := c.Bytes(int(c.U32() & 0x7fffffff))
		if i < len(k.lists) {
			k.lists[i] = string(list)
		}
	}
	k.follows = c.U8() != 0
	return k, c.OK()
}

// hassh returns the text of a HASSH fingerprint: the lists a client, or a
// server, offers for what it sends.
func (k *kexInit) hassh(server bool) string {
	i := 0
	if server {
		i = 1
	}
	return k.lists[listKex] + ";" + k.lists[listCipherCS+i] + ";" + k.lists[listMacCS+i] + ";" + k.lists[listCompCS+i]
}

func (a *analyzer) kexInit(f *protocol.Flow, dir session.Direction, payload []byte) {
	s := &a.sides[dir]
	if s.kex != nil {
		return
	}
	k, ok := parseKexInit(payload)
	if !ok {
		f.Anomaly("ssh_malformed_kexinit", "")
	}
	s.kex = k
	// Only clients offer these two, and only servers their counterparts
	// (RFC 8308 section 2.1, OpenSSH's strict key exchange).
	switch list := "," + k.lists[listKex] + ","; {
	case strings.Contains(list, ",ext-info-c,") || strings.Contains(list, ",kex-strict-c-v00@openssh.com,"):
		a.setServer(dir.Other())
	case strings.Contains(list, ",ext-info-s,") || strings.Contains(list, ",kex-strict-s-v00@openssh.com,"):
		a.setServer(dir)
	}
	if a.sides[dir.Other()].kex != nil {
		if !a.negotiate() {
			f.Anomaly("ssh_no_common_algorithm", "")
		}
	}
}

// setServer notes who acts as the server: not the TCP responder in a reverse
// connection.
func (a *analyzer) setServer(dir session.Direction) {
	if a.decided {
		return
	}
	a.decided = true
	if a.server != dir {
		a.server = dir
		if a.sides[0].kex != nil && a.sides[1].kex != nil {
			a.negotiate()
		}
	}
}

// choose returns the first name of the client's list that the server's has too.
// Lists are short; a hostile pair costs no more than a set of the names.
func choose(client, server string) string {
	if len(client)*len(server) < 1<<20 {
		for name := range strings.SplitSeq(client, ",") {
			if name != "" && contains(server, name) {
				return name
			}
		}
		return ""
	}
	have := make(map[string]bool)
	for name := range strings.SplitSeq(server, ",") {
		have[name] = true
	}
	for name := range strings.SplitSeq(client, ",") {
		if name != "" && have[name] {
			return name
		}
	}
	return ""
}

func contains(list, name string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one == name {
			return true
		}
	}
	return false
}

// negotiate chooses the algorithms as both sides will, and reports whether all
// of them could be.
func (a *analyzer) negotiate() bool {
	client, server := a.sides[a.server.Other()].kex, a.sides[a.server].kex
	var c [8]string
	for i := range c {
		c[i] = choose(client.lists[i], server.lists[i])
	}
	r := &a.rec
	r.kex, r.hostKeyAlg = c[listKex], c[listHostKey]
	r.cipher = [2]string{c[listCipherCS], c[listCipherSC]}
	r.mac = [2]string{c[listMacCS], c[listMacSC]}
	r.compression = [2]string{c[listCompCS], c[listCompSC]}
	r.negotiated = true
	aead := cipherOf(r.cipher[0], "").known && cipherOf(r.cipher[1], "").known
	return c[listKex] != "" && c[listHostKey] != "" && c[listCipherCS] != "" && c[listCipherSC] != "" &&
		(aead || c[listMacCS] != "" && c[listMacSC] != "")
}

// hostKey takes the server's public key from its reply of the key exchange.
// Where the key stands first is the same for Diffie-Hellman, elliptic curves
// and the hybrids with post-quantum keys.
func (a *analyzer) hostKey(dir session.Direction, payload []byte) {
	if a.rec.hostKeyMD5 != "" {
		return
	}
	gex := strings.HasPrefix(a.rec.kex, "diffie-hellman-group-exchange-")
	if gex && payload[0] == msgKex31 {
		return
	}
	if payload[0] == msgKex30 && !strings.HasPrefix(a.rec.kex, "rsa") {
		a.setServer(dir.Other())
		return
	}
	c := wire.New(payload[1:])
	blob := c.Bytes(int(c.U32() & 0x7fffffff))
	k := wire.New(blob)
	typ := k.Bytes(int(k.U32() & 0x7fffffff))
	if !c.OK() || !k.OK() || len(typ) == 0 || len(typ) > maxKeyType {
		return
	}
	for _, ch := range typ {
		if ch <= 0x20 || ch >= 0x7f {
			return
		}
	}
	a.setServer(dir)
	a.rec.hostKeyType = string(typ)
	m := md5.Sum(blob)
	a.rec.hostKeyMD5 = colons(m[:])
	h := sha256.Sum256(blob)
	a.rec.hostKeySHA = "SHA256:" + base64.RawStdEncoding.EncodeToString(h[:])
}

func colons(b []byte) string {
	out := make([]byte, 0, 3*len(b))
	for i, v := range b {
		if i > 0 {
			out = append(out, ':')
		}
		out = hex.AppendEncode(out, []byte{v})
	}
	return string(out)
}

// emit tells the record, once.
func (a *analyzer) emit(f *protocol.Flow) {
	if a.emitted || a.sides[0].banner == "" && a.sides[1].banner == "" {
		return
	}
	a.emitted = true
	r := &a.rec
	r.version = a.version()
	r.Client, r.Server = a.sides[a.server.Other()].banner, a.sides[a.server].banner
	r.direction = ""
	if in, out := f.Session.Orig.IsPrivate(), f.Session.Resp.IsPrivate(); in != out {
		r.direction = "OUTBOUND"
		if out {
			r.direction = "INBOUND"
		}
	}
	a.offers()
	at := f.Now
	if a.opened != nil {
		at = a.opened.at // the time of the login
	}
	f.EmitAt(r, at)
	a.rec.client, a.rec.server = offer{}, offer{}
}

// offers keeps of both offers what the record says of them.
func (a *analyzer) offers() {
	if k := a.sides[a.server.Other()].kex; k != nil {
		a.rec.client = fingerprint(k, false)
	}
	if k := a.sides[a.server].kex; k != nil {
		a.rec.server = fingerprint(k, true)
	}
	a.sides[0].kex, a.sides[1].kex = nil, nil
}

// fingerprint returns the HASSH of a KEXINIT.
func fingerprint(k *kexInit, server bool) offer {
	text := k.hassh(server)
	sum := md5.Sum([]byte(text))
	side := byte('c')
	if server {
		side = 's'
	}
	list := "," + k.lists[listKex] + ","
	return offer{
		hash:     hex.EncodeToString(sum[:]),
		text:     text[:min(len(text), maxAlgorithms)],
		hostKeys: k.lists[listHostKey][:min(len(k.lists[listHostKey]), maxAlgorithms)],
		strict:   strings.Contains(list, ",kex-strict-"+string(side)+"-v00@openssh.com,"),
		extInfo:  strings.Contains(list, ",ext-info-"+string(side)+","),
	}
}

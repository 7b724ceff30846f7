package inferences

import (
	"bytes"
	"encoding/binary"
	"strings"

	"tyto/corpus"
	"tyto/packet"
	"tyto/protocol"
	"tyto/protocol/ssh"
	"tyto/session"
)

// Sizes of ciphers, by what the acceptance of the service has on the wire.
var ciphers = map[[2]int][2]string{
	{ssh.EncryptedChunk, 44}:   {"chacha20-poly1305@openssh.com", ""},
	{ssh.EncryptedChunk, 52}:   {"aes128-ctr", "hmac-sha1"},
	{ssh.EncryptedChunk, 48}:   {"aes128-ctr", "hmac-md5"},
	{ssh.EncryptedChunk, 64}:   {"aes128-ctr", "hmac-sha2-256"},
	{ssh.EncryptedChunk, 96}:   {"aes128-ctr", "hmac-sha2-512"},
	{ssh.EncryptedPacket, 52}:  {"aes128-gcm@openssh.com", ""},
	{ssh.EncryptedPacket, 68}:  {"aes128-ctr", "hmac-sha2-256-etm@openssh.com"},
	{ssh.EncryptedPacket, 100}: {"aes128-ctr", "hmac-sha2-512-etm@openssh.com"},
	{ssh.EncryptedPacket, 56}:  {"aes128-ctr", "hmac-sha1-etm@openssh.com"},
	{ssh.EncryptedPacket, 44}:  {"aes128-ctr", "umac-64-etm@openssh.com"},
}

// sink keeps the record.
type sink struct{ codes []string }

func (s *sink) Record(_ *protocol.Flow, r protocol.Record) {
	if r, ok := r.(*ssh.Record); ok {
		s.codes = append([]string{}, r.Inferences()...)
	}
}
func (*sink) Anomaly(*protocol.Flow, protocol.Anomaly)     {}
func (*sink) Observe(*protocol.Flow, protocol.Observation) {}

// Replay has the analyzer read a session of a corpus and returns what it infers.
// A corpus has the sizes and times of messages: packets of these sizes are made,
// with the identification strings that are kept, an offer of the cipher that the
// sizes are of, and otherwise zeros. It reports false for a session that has no
// messages of SSH, or a cipher that it does not know.
func Replay(s *corpus.Session, compressed bool) (codes []string, ok bool) {
	r := replay{session: s, compressed: compressed}
	if !r.guess() {
		return nil, false
	}
	out := &sink{}
	var pool session.Pool
	engine := protocol.NewEngine(protocol.NewSet(ssh.Definition), out, &pool)
	first := int64(s.Flow.T0)
	sess := &session.Session{Tuple: session.Tuple{Proto: packet.ProtoTCP, OrigPort: 40000, RespPort: 22}, First: first, Last: first}
	for i := range s.Entries {
		e := &s.Entries[i]
		sess.Last = max(sess.Last, e.Time)
		if e.Message {
			engine.Data(sess, e.Dir, r.bytes(e), e.Time)
		}
	}
	engine.Close(sess, sess.Last)
	engine.Release(sess)
	return out.codes, out.codes != nil
}

// replay makes packets of messages.
type replay struct {
	session    *corpus.Session
	compressed bool
	cipher     [2]string
	lines      [2]bool
	kex        [2]int
}

// guess finds the cipher.
func (r *replay) guess() bool {
	seen, messages := 0, false
	for i := range r.session.Entries {
		e := &r.session.Entries[i]
		if !e.Message {
			continue
		}
		messages = true
		if e.Kind != ssh.EncryptedPacket && e.Kind != ssh.EncryptedChunk {
			continue
		}
		if c, ok := ciphers[[2]int{int(e.Kind), int(e.Bytes)}]; ok && (e.Dir == session.Resp || seen > 0 || bytes.Contains(r.session.First[0], []byte("OpenSSH"))) {
			r.cipher = c
			return true
		}
		if seen++; seen > 6 {
			break
		}
	}
	// Without encrypted messages it does not matter.
	r.cipher = ciphers[[2]int{ssh.EncryptedChunk, 44}]
	return messages && seen <= 2
}

// bytes is a message of a size.
func (r *replay) bytes(e *session.Entry) []byte {
	n := int(e.Bytes)
	b := make([]byte, n)
	switch e.Kind {
	case ssh.Banner:
		line := r.session.First[e.Dir]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		if r.lines[e.Dir] || !bytes.HasPrefix(line, []byte("SSH-")) {
			line = []byte("SSH-2.0-unknown\r\n")
		}
		r.lines[e.Dir] = true
		for i := range b {
			b[i] = 'x'
		}
		copy(b, line[:min(len(line), n)])
		b[n-1] = '\n'
	case ssh.KexPacket:
		r.clear(b, e.Dir)
	case ssh.EncryptedPacket:
		tag := 16
		if _, mac := r.cipher[0], r.cipher[1]; mac != "" {
			tag = map[string]int{"hmac-sha2-256-etm@openssh.com": 32, "hmac-sha2-512-etm@openssh.com": 64, "hmac-sha1-etm@openssh.com": 20, "umac-64-etm@openssh.com": 8}[mac]
		}
		if n >= 4+tag {
			binary.BigEndian.PutUint32(b, uint32(n-4-tag))
		}
	}
	return b
}

// clear makes a packet of the key exchange.
func (r *replay) clear(b []byte, dir session.Direction) {
	n := len(b)
	if n < 16 {
		return
	}
	binary.BigEndian.PutUint32(b, uint32(n-4))
	b[4] = 4
	payload := b[5 : n-4]
	r.kex[dir]++
	switch {
	case n == 16:
		b[4] = 10
		payload[0] = 21
	case r.kex[dir] == 1:
		payload[0] = 20
		side := "c"
		if dir == session.Resp {
			side = "s"
		}
		mac := r.cipher[1]
		if mac == "" {
			mac = "hmac-sha2-256"
		}
		at := 17
		lists := []string{"curve25519-sha256,ext-info-" + side, "ssh-ed25519", r.cipher[0], r.cipher[0], mac, mac, r.compression(), r.compression(), ""}
		for _, l := range lists {
			if at+4+len(l) > len(payload)-9 {
				return
			}
			binary.BigEndian.PutUint32(payload[at:], uint32(len(l)))
			copy(payload[at+4:], l)
			at += 4 + len(l)
		}
		rest := len(payload) - at - 4 - 5
		binary.BigEndian.PutUint32(payload[at:], uint32(rest))
		copy(payload[at+4:], strings.Repeat("x", rest))
	case dir == session.Orig:
		payload[0] = 30
	default:
		payload[0] = 31
		if len(payload) > 60 {
			binary.BigEndian.PutUint32(payload[1:], 51)
			binary.BigEndian.PutUint32(payload[5:], 11)
			copy(payload[9:], "ssh-ed25519")
		}
	}
}

// compression is that of Dropbear's client with OpenSSH's server, which want it
// both.
func (r *replay) compression() string {
	if r.compressed || bytes.Contains(r.session.First[0], []byte("dropbear")) && bytes.Contains(r.session.First[1], []byte("OpenSSH")) {
		return "zlib@openssh.com"
	}
	return "none"
}

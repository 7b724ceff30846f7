package ssh

import (
	"strings"

	"tyto/protocol"
	"tyto/session"
)

// cipher is what the algorithms of a direction mean for the sizes of packets.
type cipher struct {
	known       bool
	lengthClear bool // the packet length is not encrypted
	block       int  // what lengths are a multiple of
	tag         int  // bytes of MAC after a packet
	aligned     bool // the length field counts for the alignment (encrypt-and-MAC)
}

// cipherOf returns the sizes of a pair of algorithms. The MAC does not matter
// for AEAD ciphers.
func cipherOf(name, mac string) cipher {
	switch {
	case name == "chacha20-poly1305@openssh.com":
		return cipher{known: true, block: 8, tag: 16}
	case strings.Contains(name, "-gcm@") || strings.HasPrefix(name, "AEAD_AES_"):
		return cipher{known: true, lengthClear: true, block: 16, tag: 16}
	}
	c := cipher{tag: macBytes(mac)}
	switch {
	case strings.HasPrefix(name, "aes") || strings.HasPrefix(name, "rijndael") || strings.HasPrefix(name, "twofish") ||
		strings.HasPrefix(name, "serpent") || strings.HasPrefix(name, "camellia"):
		c.block = 16
	case strings.HasPrefix(name, "3des") || strings.HasPrefix(name, "blowfish") || strings.HasPrefix(name, "cast128") ||
		strings.HasPrefix(name, "idea") || strings.HasPrefix(name, "arcfour"):
		c.block = 8
	}
	c.known = c.block > 0 && c.tag > 0
	c.lengthClear = strings.Contains(mac, "-etm@")
	c.aligned = !c.lengthClear
	return c
}

// macBytes returns the length of a MAC, 0 for an unknown one.
func macBytes(name string) int {
	name = strings.TrimSuffix(name, "-etm@openssh.com")
	switch name {
	case "hmac-sha1", "hmac-ripemd160", "hmac-ripemd160@openssh.com":
		return 20
	case "hmac-sha1-96", "hmac-md5-96":
		return 12
	case "hmac-md5", "umac-128@openssh.com", "umac-128":
		return 16
	case "hmac-sha2-256", "hmac-sha256", "hmac-sha256@ssh.com", "hmac-sha2-256@ssh.com":
		return 32
	case "hmac-sha2-512", "hmac-sha512", "hmac-sha512@ssh.com":
		return 64
	case "umac-64@openssh.com", "umac-64":
		return 8
	}
	return 0
}

// size returns the bytes on the wire of a packet with the given payload and the
// least padding, which is what most implementations use (RFC 4253 section 6).
func (c *cipher) size(payload int) int {
	n := 1 + payload + 4
	if c.aligned {
		n += 4
	}
	n = (n + c.block - 1) / c.block * c.block
	if !c.aligned {
		n += 4
	}
	return n + c.tag
}

// minPacket is the least size of a packet without its MAC (RFC 4253 section 6).
const minPacket = 16

// padded is size for implementations that keep to minPacket also where blocks
// have 8 bytes and do not count the length, as Dropbear does and OpenSSH does not.
func (c *cipher) padded(payload int) int {
	n := c.size(payload)
	for c.block > 0 && n-c.tag < minPacket {
		n += c.block
	}
	return n
}

// Payload lengths of the messages of user authentication (RFC 4252).
const (
	servicePayload = 1 + 4 + 12         // SERVICE_REQUEST and SERVICE_ACCEPT of ssh-userauth
	successPayload = 1                  // USERAUTH_SUCCESS is its number alone
	nonePayload    = 1 + 4 + 4 + 14 + 8 // a request of the method "none", without the user's name
	longUser       = 64                 // longer names are not assumed
	longFailure    = 55                 // of USERAUTH_FAILURE with any usual list of methods; USERAUTH_PK_OK is longer
)

// authStage is how far the login is.
type authStage uint8

const (
	authService authStage = iota // waiting for the client's service request and the server's acceptance
	authLogin                    // requests and their answers
	authDone
	authUnknown // sizes cannot be told
)

// auth tells the outcome of the login from the sizes of encrypted messages.
//
// The client asks for the service, the server accepts. Then the client makes a
// request and the server answers, again and again. A client may send its first
// request without waiting for the acceptance, and may ask for the service again
// before each request. An answer of the size of USERAUTH_SUCCESS is one: nothing
// else that servers send then is as short. The first other answer is
// USERAUTH_FAILURE, and so is each one of the same size later: the list of
// methods in it stays the same. Answers of other sizes are steps of a method (a
// key that would do, a question). A banner comes before an answer and is told by
// the client not speaking in between. Where lengths are hidden, the first
// failure may have come together with another message: then the first answer of
// a failure's length replaces it.
//
// Most clients begin with the method "none", to be told the methods. That
// failure is no attempt; [auth.began] says when the first request was another.
//
// Where success cannot be seen - in a segment together with what follows - much
// traffic after the login shows it: no server takes so many attempts.
type auth struct {
	stage    authStage
	attempts uint64
	failures uint64
	success  bool
	asked    bool // the client has asked for the service
	accepted bool // the server has accepted it, or has sent what may contain that
	exact    bool // the acceptance was a message of its own
	again    bool // the client's latest message asks for the service
	ahead    int  // bytes the client sent after asking, before the acceptance
	first    int  // size of the client's first request, 0 if there is none
	refused  bool // the first request was refused; whether it was an attempt is open
	second   int  // size of the request that followed it
	failure  int  // size of a failure
	pending  int  // size of the server's latest answer that is not judged
	requests int
	bytes    int
	crowded  bool   // the success was told by traffic
	heard    int64  // time of the server's latest message
	turns    []turn // of which inferences are made
}

// Traffic after the service was accepted that shows a login to have succeeded.
const (
	loginBytes    = 64 << 10
	loginRequests = 100
)

// message takes the size of an encrypted packet or chunk.
func (t *auth) message(a *analyzer, f *protocol.Flow, dir session.Direction, n int) {
	client := dir != a.server
	switch {
	case !a.sides[dir].cipher.known:
	case t.stage == authLogin && client:
		t.request(a, f, n)
	case t.stage == authLogin:
		t.answer(a, f, n)
	case t.stage == authService && client:
		t.ask(a, f, n)
	case t.stage == authService && a.sides[dir.Other()].cipher.known:
		t.accept(a, f, n)
		t.heard = f.Now
	case t.success && a.opened != nil:
		a.opened.message(a, dir, n, f.Now)
	}
}

// ask takes what the client sends before a request: the service request, and
// before it perhaps extensions (RFC 8308).
func (t *auth) ask(a *analyzer, f *protocol.Flow, n int) {
	c := &a.sides[a.server.Other()].cipher
	size := c.size(servicePayload)
	switch {
	case n == size && !t.exact:
		t.asked, t.ahead = true, 0
	case t.asked && t.accepted: // what came ahead was no request, which would wait for its answer
		t.stage, t.ahead = authLogin, 0
		t.request(a, f, n)
	case t.asked:
		t.ahead += n
	case n > size && !c.lengthClear:
		t.asked, t.ahead = true, n-size
	}
}

// accept takes what the server sends before an answer: the acceptance, and
// before it perhaps extensions. What follows it answers a request that the
// client sent ahead.
func (t *auth) accept(a *analyzer, f *protocol.Flow, n int) {
	c := &a.sides[a.server].cipher
	size := c.size(servicePayload)
	switch {
	case n == size && !t.exact:
		t.accepted, t.exact = true, true
	case t.accepted && t.ahead > 0:
		t.early(a, f, n)
	case n > size && !c.lengthClear:
		// The acceptance may be in it, with an answer behind.
		t.accepted = true
		if rest := n - size; t.ahead > 0 && rest >= c.size(successPayload) && rest <= c.size(longFailure) {
			t.early(a, f, rest)
		}
	}
}

// early takes an answer to the request that was sent ahead.
func (t *auth) early(a *analyzer, f *protocol.Flow, n int) {
	t.stage, t.heard = authLogin, 0
	t.request(a, f, t.ahead)
	t.answer(a, f, n)
}

func (t *auth) request(a *analyzer, f *protocol.Flow, n int) {
	if t.pending > 0 && a.goesOn(n) {
		t.pending = 0
		t.succeed(a, f)
		a.opened.message(a, a.server.Other(), n, f.Now)
		return
	}
	t.judge(a, f)
	t.turn(n, f.Now)
	t.requests++
	t.bytes += n
	t.again = n == a.sides[a.server.Other()].cipher.size(servicePayload)
	switch {
	case t.again:
	case t.first == 0:
		t.first = n
	case t.refused && t.second == 0:
		t.second = n
	}
	t.traffic(a, f)
}

func (t *auth) answer(a *analyzer, f *protocol.Flow, n int) {
	t.bytes += n
	t.reply(n, f.Now)
	c := &a.sides[a.server].cipher
	if t.again && n == c.size(servicePayload) {
		return // accepted again
	}
	if t.refused && t.second > 0 {
		t.settle(a, f, t.second)
	}
	if n == c.size(successPayload) || n == c.padded(successPayload) && !strings.Contains(a.sides[a.server].banner, "OpenSSH") {
		t.judge(a, f)
		t.succeed(a, f)
		return
	}
	t.pending = n
	t.traffic(a, f)
}

func (t *auth) traffic(a *analyzer, f *protocol.Flow) {
	if t.bytes > loginBytes || t.requests > loginRequests {
		t.crowded = true
		t.succeed(a, f)
	}
}

func (t *auth) succeed(a *analyzer, f *protocol.Flow) {
	t.settle(a, f, t.second)
	t.stage, t.success = authDone, true
	t.attempts++
	a.rec.AuthAttempts, a.rec.AuthSuccess, a.rec.AuthKnown = t.attempts, true, true
	f.Observe(protocol.Observation{Kind: protocol.LoginOK, Addr: f.Addr(a.server.Other()), Value: "ssh"})
	a.login, t.turns = a.readLogin(!t.crowded), nil
	a.opened = &opened{at: f.Now}
	a.offers() // sessions may last for days
}

// judge says what the server's latest answer was, now that the client goes on
// or the login is over.
func (t *auth) judge(a *analyzer, f *protocol.Flow) {
	n := t.pending
	t.pending = 0
	if n == 0 {
		return
	}
	if t.failure == 0 {
		t.failure, t.refused = n, true
		return
	}
	if c := &a.sides[a.server].cipher; t.failures == 0 && t.failure > c.size(longFailure) && n <= c.size(longFailure) {
		t.failure = n // something else came together with the first
	}
	if n == t.failure {
		t.fail(a, f)
	}
}

func (t *auth) fail(a *analyzer, f *protocol.Flow) {
	t.attempts++
	t.failures++
	f.Observe(protocol.Observation{Kind: protocol.LoginFailed, Addr: f.Addr(a.server.Other()), Value: "ssh"})
}

// settle decides whether the first request was an attempt, by the size of the
// second: 0 if there was none that the server answered.
func (t *auth) settle(a *analyzer, f *protocol.Flow, second int) {
	if t.refused && t.began(a, second) {
		t.fail(a, f)
	}
	t.refused = false
}

// began reports whether the first request was an attempt rather than the
// question for methods. Requests of one user differ by method, and "none" is the
// shortest: by nine bytes at least (RFC 4252 sections 5.2, 7, 8). So the first
// was an attempt if it is longer than a "none" can be or than the second, or as
// long, unless blocks hide the nine bytes and the client is one that asks.
func (t *auth) began(a *analyzer, second int) bool {
	side := &a.sides[a.server.Other()]
	switch {
	case t.first > side.cipher.size(nonePayload+longUser), strings.Contains(side.banner, "paramiko"): // which never asks
		return true
	case second == 0 || second > t.first:
		return false
	case second < t.first || side.cipher.block < 9:
		return true
	}
	return !asks(side.banner)
}

// asks reports whether a client is known to begin with the method "none".
func asks(banner string) bool {
	for _, name := range [...]string{"OpenSSH", "libssh", "dropbear", "PuTTY", "WinSCP", "FileZilla", "-Go", "AsyncSSH", "JSCH"} {
		if strings.Contains(banner, name) {
			return true
		}
	}
	return false
}

// close judges what is left when the connection ends.
func (t *auth) close(a *analyzer, f *protocol.Flow) {
	if t.stage != authLogin {
		return
	}
	t.judge(a, f)
	t.settle(a, f, 0)
	t.stage = authDone
	if t.failures > 0 {
		a.rec.AuthAttempts, a.rec.AuthKnown = t.attempts, true
	}
}

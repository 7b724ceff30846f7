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
// least padding, which is what implementations use (RFC 4253 section 6).
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

// Payload lengths of the messages of user authentication (RFC 4252).
const (
	servicePayload = 1 + 4 + 12         // SERVICE_ACCEPT of ssh-userauth
	successPayload = 1                  // USERAUTH_SUCCESS is its number alone
	nonePayload    = 1 + 4 + 4 + 14 + 8 // a request of the method "none", without the user's name
	longUser       = 64                 // longer names are not assumed
	longFailure    = 55                 // of USERAUTH_FAILURE with any usual list of methods; USERAUTH_PK_OK is longer
)

// authStage is how far the login is.
type authStage uint8

const (
	authService authStage = iota // waiting for the client's service request
	authAccept                   // waiting for the server to accept the service
	authLogin                    // requests and their answers
	authDone
	authUnknown // sizes cannot be told
)

// auth tells the outcome of the login from the sizes of encrypted messages.
//
// The client asks for the service, the server accepts. Then the client makes a
// request and the server answers, again and again. An answer of the size of
// USERAUTH_SUCCESS is one: nothing else that servers send then is as short. The
// first other answer is USERAUTH_FAILURE, and so is each one of the same size
// later: the list of methods in it stays the same. Answers of other sizes are
// steps of a method (a key that would do, a question). A banner comes before an
// answer and is told by the client not speaking in between. Where lengths are
// hidden, the first failure may have come together with another message: then
// the first answer of a failure's length replaces it.
//
// Most clients begin with the method "none", to be told the methods. That
// failure is no attempt, unless the size says that the request was another one:
// it is longer than a "none" can be, or not shorter than the second request.
//
// Where success cannot be seen - in a segment together with what follows - much
// traffic after the login shows it: no server takes so many attempts.
type auth struct {
	stage    authStage
	attempts uint64
	failures uint64
	success  bool
	first    int // size of the client's first request, then 0 once it is judged
	failure  int // size of a failure
	pending  int // size of the server's latest answer that is not judged
	accepted bool
	requests int
	bytes    int
}

// Traffic after the service was accepted that shows a login to have succeeded.
const (
	loginBytes    = 64 << 10
	loginRequests = 100
)

// message takes the size of an encrypted packet or chunk.
func (t *auth) message(a *analyzer, f *protocol.Flow, dir session.Direction, n int) {
	if t.stage >= authDone {
		return
	}
	client := dir != a.server
	if !a.sides[0].cipher.known || !a.sides[1].cipher.known {
		// The other side has not sent NEWKEYS yet.
		if client {
			t.stage = authAccept
		}
		return
	}
	switch t.stage {
	case authService:
		if client {
			t.stage = authAccept
		}
	case authAccept:
		switch {
		case !client:
			// In chunks the acceptance may come together with other messages.
			accept := a.sides[dir].cipher.size(servicePayload)
			t.accepted = t.accepted || n == accept || n > accept && !a.sides[dir].cipher.lengthClear
		case t.accepted:
			t.stage = authLogin
			t.request(a, f, n)
		}
	case authLogin:
		if client {
			t.request(a, f, n)
		} else {
			t.answer(a, f, n)
		}
	}
}

func (t *auth) request(a *analyzer, f *protocol.Flow, n int) {
	t.judge(a, f, n)
	t.requests++
	t.bytes += n
	if t.first == 0 && t.requests == 1 {
		t.first = n
	}
	t.traffic(a, f)
}

func (t *auth) answer(a *analyzer, f *protocol.Flow, n int) {
	t.bytes += n
	if n == a.sides[a.server].cipher.size(successPayload) {
		t.judge(a, f, 0)
		t.succeed(a, f)
		return
	}
	t.pending = n
	t.traffic(a, f)
}

func (t *auth) traffic(a *analyzer, f *protocol.Flow) {
	if t.bytes > loginBytes || t.requests > loginRequests {
		t.succeed(a, f)
	}
}

func (t *auth) succeed(a *analyzer, f *protocol.Flow) {
	t.stage, t.success = authDone, true
	t.attempts++
	a.rec.AuthAttempts, a.rec.AuthSuccess, a.rec.AuthKnown = t.attempts, true, true
	f.Observe(protocol.Observation{Kind: protocol.LoginOK, Addr: f.Addr(a.server.Other()), Value: "ssh"})
	a.emit(f)
}

// judge says what the server's latest answer was, now that the client goes on:
// next is the size of its next request, 0 if there is none.
func (t *auth) judge(a *analyzer, f *protocol.Flow, next int) {
	n := t.pending
	t.pending = 0
	if n == 0 {
		return
	}
	if t.failure == 0 {
		t.failure = n
		if !t.began(a, next) {
			return
		}
	}
	if c := &a.sides[a.server].cipher; t.failures == 0 && t.failure > c.size(longFailure) && n <= c.size(longFailure) {
		t.failure = n // something else came together with the first
	}
	if n != t.failure {
		return
	}
	t.attempts++
	t.failures++
	f.Observe(protocol.Observation{Kind: protocol.LoginFailed, Addr: f.Addr(a.server.Other()), Value: "ssh"})
}

// began reports whether the first request was an attempt rather than the
// question for methods.
func (t *auth) began(a *analyzer, next int) bool {
	c := &a.sides[a.server.Other()].cipher
	if t.first > c.size(nonePayload+longUser) {
		return true
	}
	if strings.Contains(a.sides[a.server.Other()].banner, "paramiko") {
		return true // never asks
	}
	return next != 0 && next <= t.first
}

// close judges what is left when the connection ends.
func (t *auth) close(a *analyzer, f *protocol.Flow) {
	if t.stage != authLogin {
		return
	}
	t.judge(a, f, 0)
	t.stage = authDone
	if t.failures > 0 {
		a.rec.AuthAttempts, a.rec.AuthKnown = t.attempts, true
	}
}

package ssh

import "strings"

// maxTurns is how many messages of the client in a login are kept: servers end
// logins that are longer.
const maxTurns = 64

// typed is what a person needs at least to type a password, beside the time that
// messages take there and back.
const typed = int64(650e6)

// Payload lengths of the methods of authentication (RFC 4252, 4256, 4462).
const (
	longestFailure = 90  // of USERAUTH_FAILURE with all methods there are: with more it came together with a banner
	signedLeast    = 180 // of a request with a signature that was not asked about before: ed25519's has 194 and the user's name
	keyLess        = 36  // what USERAUTH_PK_OK lacks of the request it answers, beside the user's name
	keyLeast       = 60  // of USERAUTH_PK_OK: ed25519's has 71
	noPrompt       = 17  // USERAUTH_INFO_REQUEST without a prompt
	noResponse     = 5   // the response to it
	ticketLeast    = 400 // of a Kerberos ticket
	randomPadding  = 24  // of servers that do not pad as little as they can: TinySSH's
)

// turn is a message of the client in the login, and what the server answered.
type turn struct {
	n      int   // bytes on the wire
	think  int64 // ns since the server's message before; 0 for none
	answer int   // bytes; 0 for none
	took   int64 // ns until then
	more   bool  // the server sent another message after it
	at     int64
}

// method is how a login was tried (RFC 4252 section 7, 8, RFC 4256).
type method uint8

const (
	unknownMethod method = iota // hostbased and GSSAPI among others
	none
	publicKey
	password
	questions // keyboard-interactive
)

// reading is what the turns of a login say.
type reading struct {
	method  method // of the latest attempt
	think   int64  // the longest time before one of its secrets, beside the round trip; ns
	factors int    // that were accepted, if the login was
	quick   int    // passwords refused that nobody can have typed
	banner  bool   // the server had something to say before
	bypass  bool   // the client sent what only servers send, and was let in
	key     bool   // a key was one of the factors
}

// payload returns the least and the most bytes of payload in a packet of n bytes
// with the least padding: the opposite of size.
func (c *cipher) payload(n int) (least, most int) {
	most = n - c.tag - 9
	return max(most-c.block+1, 0), max(most, 0)
}

// fits reports whether a packet of n bytes may have a payload between two
// lengths.
func (c *cipher) fits(n, least, most int) bool { return n >= c.size(least) && n <= c.size(most) }

// secret reports whether a packet has the length of OpenSSH's with secrets, which
// it pads to a multiple of 64 bytes (sshconnect2.c).
func (c *cipher) secret(n int) bool {
	n -= c.tag
	if !c.aligned {
		n -= 4
	}
	return n > 0 && n%64 == 0
}

// turn notes a message of the client.
func (t *auth) turn(n int, now int64) {
	if len(t.turns) >= maxTurns {
		return
	}
	next := turn{n: n, at: now}
	if t.heard > 0 {
		next.think = now - t.heard
	}
	t.turns = append(t.turns, next)
}

// reply notes a message of the server.
func (t *auth) reply(n int, now int64) {
	t.heard = now
	k := len(t.turns) - 1
	switch {
	case k < 0:
	case t.turns[k].answer == 0:
		t.turns[k].answer, t.turns[k].took = n, now-t.turns[k].at
	default:
		t.turns[k].more = true
	}
}

// longTrip is the longest time there and back that is assumed.
const longTrip = int64(1200e6)

// pace measures how soon the sides answer at least. Together that is about the
// round trip.
type pace struct {
	last   [2]int64 // time of the latest message, of client and server; 0 once the other side answered
	answer [2]int64 // least time until the client, and the server, answered
}

func (p *pace) message(client bool, now int64) {
	side := 1
	if client {
		side = 0
	}
	if before := p.last[1-side]; before > 0 {
		if gap := max(now-before, 1); p.answer[side] == 0 || gap < p.answer[side] {
			p.answer[side] = gap
		}
		p.last[1-side] = 0
	}
	p.last[side] = now
}

// trip is how soon the client answers.
func (p *pace) trip() int64 { return min(p.answer[0], longTrip) }

// reader reads the turns of a login.
type reader struct {
	reading
	client, server *cipher
	openSSH, putty bool // the client is one of these
	slack          int  // bytes that the server pads more than it needs, at random
	trip           int64
	refusal        int64 // ns that it takes to try a password, at least
	failure        int   // bytes of a refusal
	query          int   // bytes of the request before, whose key would do
	asking         bool  // the turn before was answered by a question
	ticket         bool  // and that is GSSAPI's
	responses      int   // to questions of the attempt
	accepted       int   // factors
}

// read makes of the turns what they say; success is whether the last was
// accepted.
func (a *analyzer) readLogin(success bool) reading {
	client, server := &a.sides[a.server.Other()], &a.sides[a.server]
	r := reader{client: &client.cipher, server: &server.cipher, trip: a.pace.trip(), refusal: a.pace.answer[1]*3/2 + passwordTakes,
		openSSH: strings.Contains(client.banner, "OpenSSH"), putty: strings.Contains(client.banner, "PuTTY")}
	if !a.auth.exact {
		r.slack = randomPadding
	}
	turns := a.auth.turns
	for i := range turns {
		t := &turns[i]
		last := success && i == len(turns)-1
		first := i == 0
		if !last && (t.more && !r.asking || first && asks(client.banner) && t.answer > r.server.size(longestFailure)) {
			r.banner = true
		}
		switch {
		case t.n == r.client.size(servicePayload) && t.answer == r.server.size(servicePayload) && !r.asking:
			continue
		case first && asks(client.banner) && r.client.fits(t.n, nonePayload, nonePayload+longUser):
			if last {
				r.method, r.factors = none, 1
			}
			r.failure = t.answer
			if t.answer > r.server.size(longestFailure) {
				r.failure = a.auth.failure
			}
			continue
		}
		if r.bypass && t.n == r.client.size(openSession) && t.answer == r.server.size(confirmed) {
			return reading{banner: r.banner, bypass: true}
		}
		r.turn(t, last)
	}
	r.bypass = false
	return r.reading
}

func (r *reader) turn(t *turn, last bool) {
	think := max(t.think-r.trip*3/2, 0)
	switch {
	case r.asking:
		r.response(t, think, last)
	case r.ticket:
		if last {
			r.method, r.factors = unknownMethod, r.accepted+1
		}
		r.ticket = t.answer != r.failure
	case t.n == r.client.size(successPayload) && !last:
		r.bypass = true
	default:
		r.request(t, think, last)
	}
}

// response takes an answer to questions. Servers that use PAM end with a question
// that asks nothing.
func (r *reader) response(t *turn, think int64, last bool) {
	least, _ := r.client.payload(t.n)
	switch {
	case least >= ticketLeast:
		r.asking, r.ticket = false, true
		return
	case t.n == r.client.size(noResponse) && r.responses > 0 && think < typed, r.openSSH && r.responses > 0 && think < typed:
	default:
		r.responses++
		r.think = max(r.think, think)
	}
	r.method = questions
	switch {
	case last:
		r.factors = r.accepted + max(r.responses, 1)
	case t.answer == r.failure, t.answer == 0:
		r.refused(t, think)
		r.asking = false
	}
}

// request takes a request of a method.
func (r *reader) request(t *turn, think int64, last bool) {
	least, most := r.client.payload(t.n)
	signed := r.query > 0 && t.n > r.query || r.query == 0 && r.signs(t.n, least)
	query := r.query
	r.query = 0
	switch {
	case last:
		r.factors = r.accepted + 1
		r.method, r.think = password, think
		if signed {
			r.method, r.think, r.key = publicKey, 0, true
		} else if r.openSSH && !r.client.secret(t.n) {
			r.method = unknownMethod // GSSAPI's of the key exchange
		}
	case t.answer == 0:
	case r.keyWouldDo(t) && (query == 0 || !signed):
		r.query, r.method = t.n, publicKey
	case signed && query > 0: // the key is good; something else is asked for
		r.accepted++
		r.method, r.failure, r.key = publicKey, t.answer, true
	case t.answer == r.failure, r.failure == 0:
		r.failure = t.answer
		if r.signs(t.n, most) || !r.secret(t.n) {
			r.method = publicKey
			break
		}
		r.method, r.think = password, think
		r.refused(t, think)
	default:
		r.asking, r.responses, r.think, r.method = true, 0, 0, questions
	}
}

// signs reports whether a request that was not asked about before has room for a
// signature. OpenSSH's and PuTTY's clients ask before, and pad passwords: PuTTY's
// has room for a signature then.
func (r *reader) signs(n, payload int) bool {
	return payload >= signedLeast && !r.putty && !(r.openSSH && r.client.secret(n))
}

// secret reports whether a request may have a password in it.
func (r *reader) secret(n int) bool {
	least, _ := r.client.payload(n)
	return r.putty && least >= signedLeast || r.openSSH && r.client.secret(n) || !r.putty && !r.openSSH
}

// refused takes an attempt that was refused. Servers take time to try a password,
// and none to say that they do not know a method.
func (r *reader) refused(t *turn, think int64) {
	if think < typed && t.took >= r.refusal {
		r.quick++
	}
}

// keyWouldDo reports whether a request was answered by USERAUTH_PK_OK: it says
// again which key was asked about (RFC 4252 section 7).
func (r *reader) keyWouldDo(t *turn) bool {
	least, most := r.client.payload(t.n)
	low, high := r.server.payload(t.answer)
	return high >= keyLeast && high >= least-keyLess-longUser && low-r.slack <= most-keyLess
}

// goesOn reports whether what the client sends shows that its request was
// accepted, where the server's answer does not, which may have come together with
// something else: it opens a session, which has less in it than any request. That
// is looked for after "none", and after a signature.
func (a *analyzer) goesOn(n int) bool {
	t, client := &a.auth, &a.sides[a.server.Other()]
	c, k := &client.cipher, len(t.turns)-1
	opens := n == c.size(openSession) || n == c.size(openSession)+c.size(noMoreSessions) || n == c.size(noMoreSessions) && strings.Contains(client.banner, "OpenSSH")
	switch {
	case k < 0 || t.turns[k].answer == 0 || !opens:
		return false
	case k == 0:
		// Other clients may leave with a message as short.
		return t.turns[0].answer > a.sides[a.server].cipher.size(longestFailure) && n != c.size(noMoreSessions) && person(client.banner)
	}
	r := reader{client: c, server: &a.sides[a.server].cipher, slack: randomPadding}
	return t.turns[k].n > t.turns[k-1].n && r.keyWouldDo(&t.turns[k-1])
}

// person reports whether a client is one that people use: it leaves without a
// word.
func person(banner string) bool {
	return strings.Contains(banner, "OpenSSH") || strings.Contains(banner, "dropbear") || strings.Contains(banner, "PuTTY")
}

// round is about the round trip.
func (p *pace) round() int64 { return min(p.answer[0]+p.answer[1], longTrip) }

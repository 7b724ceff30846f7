package ssh

import (
	"math"
	"strings"

	"tyto/session"
)

// Payload lengths of what opens channels and tunnels (RFC 4254, OpenSSH's
// PROTOCOL). Addresses that tunnels listen at have up to 40 bytes.
const (
	openSession    = 24                // CHANNEL_OPEN of a session
	confirmed      = 17                // CHANNEL_OPEN_CONFIRMATION
	compressing    = 16                // bytes that compression makes of a short message, more or less
	noMoreSessions = 34                // OpenSSH's global request, which has no reply
	forwardLeast   = 27                // tcpip-forward
	forwardMost    = forwardLeast + 15 // of an address in digits, or localhost; channels to others have 56 at least
	replied        = 1                 // REQUEST_SUCCESS and REQUEST_FAILURE
	repliedMost    = 1 + 18            // REQUEST_SUCCESS with a port, however it is padded
	forwardedLeast = 48 + 2            // CHANNEL_OPEN of forwarded-tcpip
	forwardedMost  = 48 + 2*40         //
	keepaliveMost  = 35                // keepalive@openssh.com and its like
	agentRequest   = 36                // CHANNEL_REQUEST of auth-agent-req@openssh.com
	agentOpen      = 39                // CHANNEL_OPEN of auth-agent@openssh.com; less if it is compressed
	agentKeys      = 70                // of the list of keys, and of a signature
	channelData    = 9                 // of CHANNEL_DATA beside the data
	greetLeast     = 8                 // of an identification string
	greetMost      = 64
	keyMost        = channelData + 80
	echoMost       = channelData + 300
	terminalLeast  = 100 // CHANNEL_REQUEST of pty-req with the modes of a terminal
)

// Times after a login.
const (
	// atOnce is within which a client asks for what it was started for.
	atOnce = int64(900e6)
	// soon is within which only a program uses a reverse tunnel.
	soon = int64(500e6)
	// Between two keys that a person presses.
	gapLeast = int64(25e6)
	gapMost  = int64(900e6)
	signMost = int64(8e9) // of the use of an agent
	trainGap = int64(1e9) // between full messages of a train, at most
)

const (
	keyRun      = 4    // keys in a row that are no accident
	fullMessage = 1000 // bytes of a message of bulk
	innerHello  = 300  // bytes of a message of an SSH key exchange inside
)

// opened is what goes on after the login. Arrays are by side: that of the client
// first.
type opened struct {
	at      int64 // of the login
	n       [2]int
	full    [2]int    // full messages
	train   [2]uint64 // bytes of the train of full messages that goes on
	longest [2]uint64
	fullAt  [2]int64
	data    [2]uint64 // bytes of messages with data, of the client after it said what it wants
	steps   int       // messages of the client since then
	opens   int       // sessions after the first
	last    int64     // time of the latest message
	side    int       // who sent it
	size    int
	session bool    // the client opened a session
	pending bool    // the client's latest message may open one
	prompt  bool    // and came as soon as a request for a reverse tunnel would
	ends    int     // messages of OpenSSH's client that say it opens no more sessions
	forward int64   // when a reverse tunnel was asked for
	offered bool    // the server's latest message may open a channel of the reverse tunnel
	reverse int64   // when the first one was opened
	spoke   [2]bool // in the latest channel of the reverse tunnel
	greeted int     // 1 if a side began there as SSH does
	hello   [2]bool // key exchange in it
	inner   int     // messages after an SSH key exchange in the reverse tunnel
	agent   bool
	request bool // the client's latest message may ask for agent forwarding
	signer  int  // steps of a channel to an agent that were seen
	opening int64
	setup   int // messages of the client since its session was confirmed
	keys    [2]keys
	inside  [2]keys // since there is a channel of the reverse tunnel
}

// message takes a message after the login.
func (o *opened) message(a *analyzer, dir session.Direction, n int, now int64) {
	c := [2]*cipher{&a.sides[a.server.Other()].cipher, &a.sides[a.server].cipher}
	side := 0
	if dir == a.server {
		side = 1
	}
	o.n[side]++
	o.moved(side, n, now, c[side])
	o.tunnel(a, side, n, now)
	if side == 0 {
		o.client(a, c[0], n, now)
	} else {
		o.server(a, c[1], n, now)
	}
	k := &o.keys[side]
	if o.reverse > 0 {
		k = &o.inside[side]
	}
	if n <= c[side].size(echoMost) {
		k.small++
	}
	switch {
	case n > c[side].size(keyMost):
	case !o.unasked(side, now, min(a.pace.answer[side], longTrip)):
		k.run = 0
	default:
		k.press(n, now, c[side].block)
	}
	o.last, o.side, o.size = now, side, n
}

// moved counts what may be the content of files.
func (o *opened) moved(side, n int, now int64, c *cipher) {
	keepalive := side == 0 && n <= c.size(keepaliveMost) && now-o.last > atOnce
	if o.session && (side == 1 || o.setup > 0) && !keepalive {
		if side == 0 {
			o.steps++
		}
		if n > c.size(channelData) {
			o.data[side] += uint64(n)
		}
	}
	if n < fullMessage {
		return
	}
	if now-o.fullAt[side] > trainGap {
		o.train[side] = 0
	}
	o.full[side]++
	o.fullAt[side] = now
	o.train[side] += uint64(n)
	o.longest[side] = max(o.longest[side], o.train[side])
}

// unasked reports whether a message is no program's answer to the other side's
// latest: those come as soon as answers can.
func (o *opened) unasked(side int, now, answer int64) bool {
	gap := now - o.last
	return o.side == side || gap >= answer+gapLeast || answer > 2*gapLeast && gap < answer*3/4
}

// client takes a message of the client. A session is opened by a message of its
// length. Where blocks are long, others are as long: what follows tells.
func (o *opened) client(a *analyzer, c *cipher, n int, now int64) {
	openSSH := strings.Contains(a.sides[a.server.Other()].banner, "OpenSSH")
	rest := n - c.size(noMoreSessions)
	early, compressed := now-o.at <= atOnce+4*a.pace.trip(), a.compressed() && !strings.Contains(a.sides[a.server.Other()].banner, "dropbear")
	if o.pending && o.n[0] == 2 {
		switch window := atOnce + 4*a.pace.trip(); {
		case o.session:
		case openSSH && o.size == c.size(openSession) && rest == 0,
			o.side == 1 && !compressed && now-o.last <= window, o.side == 1 && now-o.last <= window/3: // it says what it wants of the session
			o.session = true
		case o.prompt && (!compressed || o.side == 0):
			o.ask(o.at)
		}
	}
	o.pending, o.prompt = false, now-o.at <= atOnce/4+3*a.pace.trip()
	if o.session {
		o.setup++
		if o.setup == 1 && a.sides[a.server.Other()].phase == inPackets && n == c.size(agentRequest) {
			o.request = true
		} else if o.request {
			o.agent = o.agent || n >= c.size(terminalLeast)
			o.request = false
		}
	}
	switch {
	case o.n[0] == 1 && openSSH && rest == c.size(openSession):
		o.session = true
	case o.session:
		o.pending = n == c.size(openSession) && now-o.last > 10e6
	case n == c.size(openSession) && (o.n[0] == 1 && early || o.n[0] > 1 && now-o.last > 50e6),
		compressed && o.n[0] == 1 && early && n <= c.size(noMoreSessions+compressing/2):
		o.pending = true
	case !o.prompt || o.n[0] > 3 || compressed && openSSH:
	case openSSH && rest == 0:
		if o.ends++; o.ends == 2 { // it is sent once
			o.ask(now)
		}
	case c.fits(n, forwardLeast, forwardMost), openSSH && c.fits(rest, forwardLeast, forwardMost):
		o.ask(now)
	}
}

// ask notes that a reverse tunnel was asked for.
func (o *opened) ask(at int64) {
	if o.forward == 0 {
		o.forward = at
	}
}

func (o *opened) server(a *analyzer, c *cipher, n int, now int64) {
	if !o.pending {
		return
	}
	small := n <= c.size(repliedMost)
	first := o.n[0] == 1
	switch {
	case o.session:
		if o.pending = false; n == c.size(confirmed) {
			o.opens++
		}
	case n == c.size(confirmed) && n != c.size(replied) && n != c.padded(replied), first && a.compressed() && c.block == 8 && small:
		o.session, o.pending = true, false
	case first && now-o.at > atOnce+4*a.pace.trip() || first && small && !a.compressed():
		if o.pending = false; o.prompt {
			o.ask(o.at) // a request that has as many bytes
		}
	case !first:
		o.pending = false
	}
}

// compressed reports whether messages after the login are, so that their lengths
// are other than they say.
func (a *analyzer) compressed() bool {
	return a.rec.compression[0] != "none" || a.rec.compression[1] != "none"
}

// tunnel follows channels that the server opens: to the client's agent, and of a
// reverse tunnel.
func (o *opened) tunnel(a *analyzer, side, n int, now int64) {
	cc, sc := &a.sides[a.server.Other()].cipher, &a.sides[a.server].cipher
	accepts := side == 0 && n == cc.size(confirmed)
	o.signing(side, n, now, [2]*cipher{cc, sc})
	if o.offered && accepts {
		o.hello, o.spoke, o.greeted = [2]bool{}, [2]bool{}, 0
		if o.reverse == 0 {
			o.reverse = now
		}
		return
	}
	least := forwardedLeast
	if a.compressed() {
		least -= compressing
	}
	// The first may come together with the answer to the request.
	o.offered = side == 1 && o.forward > 0 && n >= sc.size(least) && (n <= sc.size(forwardedMost) || o.reverse == 0)
	o.within(side, n, cc)
}

// within follows what is inside a channel of the reverse tunnel. An SSH server
// or client there greets with its identification string, and nothing else begins
// with so little; then both sides send their offers.
func (o *opened) within(side, n int, c *cipher) {
	switch {
	case o.reverse == 0:
	case o.greeted == 0 && !o.spoke[side]:
		o.spoke[side] = true
		o.hello[side] = n >= innerHello
		if c.fits(n, channelData+greetLeast, channelData+greetMost) {
			o.greeted = 1
		}
	case o.hello[0] && o.hello[1] && o.greeted > 0:
		o.inner++
	case n >= innerHello:
		o.hello[side] = true
	}
}

// signing follows a channel to the client's agent: the server opens it unasked,
// the client accepts, says which keys there are, is asked to sign and signs.
func (o *opened) signing(side, n int, now int64, c [2]*cipher) {
	if o.signer > 0 && now-o.opening > signMost {
		o.signer = 0
	}
	long := n >= c[side].size(agentKeys) && n < fullMessage
	switch {
	case side == 1 && o.side == 1 && o.session && c[1].fits(n, agentOpen-compressing, agentOpen):
		o.signer, o.opening = 1, now
	case o.signer == 1:
		o.signer = 0
		if side == 0 && n == c[0].size(confirmed) {
			o.signer = 2
		}
	case side == 0 && (o.signer == 2 || o.signer == 4) && long, side == 1 && o.signer == 3 && long:
		o.signer++
		o.agent = o.agent || o.signer == 5
	}
}

// keys measures small messages of one side that may be keys: as long as each
// other, and apart as fingers are. Its zero value has none.
type keys struct {
	at, size  int64
	run       int
	told      int // in runs that are long enough
	small     int // messages that may be keys or echo
	sum, sum2 float64
	gaps      int
}

func (k *keys) press(n int, now int64, block int) {
	gap := now - k.at
	differs := int64(n) - k.size
	k.at, k.size = now, int64(n)
	if gap > gapMost || gap < gapLeast || differs > int64(block) || differs < -int64(block) {
		k.run = 1
		return
	}
	k.run++
	s := float64(gap) / 1e6
	k.sum, k.sum2, k.gaps = k.sum+s, k.sum2+s*s, k.gaps+1
	switch {
	case k.run == keyRun:
		k.told += keyRun
	case k.run > keyRun:
		k.told++
	}
}

// rhythm returns the coefficient of variation of the time between keys.
func (k *keys) rhythm() float64 {
	if k.gaps == 0 {
		return 0
	}
	mean := k.sum / float64(k.gaps)
	return math.Sqrt(max(k.sum2/float64(k.gaps)-mean*mean, 0)) / mean
}

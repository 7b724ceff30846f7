package ssh

import (
	"slices"

	"tyto/protocol"
)

// Inference is a code of the record's list of inferences.
type Inference struct {
	Code string // Corelight's abbreviation
	Doc  string // what it says and what it is told from
}

// Inferences are all codes, in the order in which records list them. They are told
// from lengths, directions and times alone. Lengths of messages follow from the RFCs
// and the ciphers; what a person does is told from a program by time.
var Inferences = []Inference{
	{"BAN", "The server said something before the login (a banner): it sent two messages in answer to one request, or one longer than any list of methods."},
	{"CTS", "The client trusted the server's key at once: it is known, or the client asks nobody."},
	{"CUS", "The client did not know the server's key: 1.5 s or more went by between the key and the client's next message, in which somebody looked at it."},
	{"NA", "The login needed nothing: the method \"none\" was accepted."},
	{"PKA", "The login was by public key: a request with a signature was accepted, after a shorter one that asked whether the key would do, or with room for both."},
	{"IPWA", "A password was typed, at a prompt of the client or to questions of the server: more than 0.65 s went by beside the round trip."},
	{"APWA", "A program gave the password, or the answer to the server's question: less time went by."},
	{"MFA", "The login took more than one factor: a key that was accepted was not enough, or several questions were answered in one attempt."},
	{"UA", "The login succeeded in another way (GSSAPI, host-based), or its way cannot be told."},
	{"ABP", "The client declared itself logged in, with the message that only servers send, and was let in."},
	{"BF", "Passwords were guessed: several were refused in this connection, faster than somebody types; or the session sounds like one of many guesses."},
	{"BFS", "A login succeeded in a connection of which BF holds."},
	{"SV", "The originator looked at the version only: it left before it offered algorithms."},
	{"SC", "The originator looked at algorithms or keys: it left before the keys were in use."},
	{"SA", "The originator looked at the ways to log in: it left at once when it was told them."},
	{"SP", "The originator looked at something else: it finished the key exchange and left without asking for a login."},
	{"NRC", "No shell, command or subsystem was asked for (-N, -W): the client opened no session after the login."},
	{"AFR", "Agent forwarding was asked for: the request before the terminal's, or a channel that the server opens in a session and the client signs in."},
	{"KS", "Keys were pressed: small messages, as long as each other, apart as fingers are and answered; or the session sounds so."},
	{"AUTO", "A program uses the session: it was opened, and there are neither keys nor files in it."},
	{"LFU", "A large file went up: the client sent 64 KiB or more, mostly in full messages."},
	{"SFU", "A small file went up."},
	{"LFD", "A large file came down: the server sent 64 KiB or more, mostly in full messages."},
	{"SFD", "A small file came down."},
	{"RSP", "A reverse tunnel was provisioned (-R): a request of the length of tcpip-forward at once after the login, and its answer."},
	{"RSI", "The reverse tunnel was used: the server opened a channel and the client accepted."},
	{"RSIA", "A program used the reverse tunnel: within 1.5 s of its provision."},
	{"RSL", "There was a login inside the reverse tunnel: an SSH key exchange in both directions, and work after it."},
	{"RSK", "Keys were pressed at the server's side of the reverse tunnel; or the session sounds so."},
}

// asked is what a person needs at least to look at the fingerprint of a key and to
// answer that it is good.
const asked = int64(1500e6)

// Keys that must be pressed, how uneven at least.
const (
	fewKeys  = 4
	fingers  = 0.15
	fewSteps = 4  // messages of a client that says what it wants, reads and leaves, and one
	innerLog = 14 // messages after an inner key exchange of somebody who logged in
)

// passwordTakes is what a server needs to try a password, at least: their hashes
// are made to take time.
const passwordTakes = int64(15e6)

// large is where files begin to be large.
const (
	large      = 64 << 10
	fileLeast  = 250      // bytes on the wire
	trainLeast = 16 << 10 // of files beside keys
)

// infer lists what is inferred of the connection, in the order of Inferences.
func (a *analyzer) infer(f *protocol.Flow) []string {
	told := make(map[string]bool)
	a.inferTrust(told)
	if a.version() == 2 && !a.sides[0].cut && !a.sides[1].cut {
		a.inferLogin(told, f.Now)
	}
	if a.auth.success && a.opened != nil {
		a.inferUse(told)
	}
	a.inferHeard(told)
	var list []string
	for _, i := range Inferences {
		if told[i.Code] {
			list = append(list, i.Code)
		}
	}
	return list
}

func (a *analyzer) inferTrust(told map[string]bool) {
	if a.shown == 0 || a.trusted == 0 {
		return
	}
	if a.trusted-a.shown >= asked+2*a.pace.trip() {
		told["CUS"] = true
	} else {
		told["CTS"] = true
	}
}

// inferLogin tells how the login went, or why there was none.
func (a *analyzer) inferLogin(told map[string]bool, end int64) {
	t := &a.auth
	client := &a.sides[a.server.Other()]
	l := a.login
	if !t.success {
		l = a.readLogin(false)
	}
	told["BAN"], told["ABP"] = l.banner, l.bypass
	switch {
	case l.bypass:
		return
	case t.success && t.crowded:
		told["UA"] = true
	default:
		told["NA"] = l.method == none && t.success
		told["PKA"] = l.key && t.success
		told["UA"] = l.method == unknownMethod && t.success
		if l.method == password || l.method == questions {
			told["IPWA"], told["APWA"] = l.think >= typed, l.think < typed
		}
		told["MFA"] = t.success && l.factors > 1
	}
	if l.quick > 0 {
		told["BF"], told["BFS"] = true, t.success
	}
	if t.success {
		return
	}
	switch {
	case client.kex == nil && a.rec.kex == "":
		told["SV"] = true
	case client.cipher == cipher{} && !a.keyed:
		told["SC"] = true
	case !client.cipher.known:
	case len(t.turns) == 0:
		told["SP"] = true
	case a.requests() == 1 && t.turns[0].answer > 0 && t.turns[0].n >= client.cipher.size(nonePayload) &&
		end-t.heard < typed+3*a.pace.round() && (l.quick == 0 || a.methodsOnly()):
		told["SA"] = true
		told["IPWA"], told["APWA"], told["BF"] = false, false, false
	}
}

// requests counts the turns of the login, without a last one that is a goodbye.
func (a *analyzer) requests() int {
	n := len(a.auth.turns)
	if n > 0 && a.auth.turns[n-1].answer == 0 && a.auth.turns[n-1].n < a.sides[a.server.Other()].cipher.size(nonePayload) {
		n--
	}
	return n
}

// methodsOnly reports whether a client that never asks for methods first made one
// request, as short as that question and answered as soon: a password takes the
// server time.
func (a *analyzer) methodsOnly() bool {
	t := &a.auth
	c := &a.sides[a.server.Other()].cipher
	return !asks(a.sides[a.server.Other()].banner) && c.fits(t.turns[0].n, nonePayload, nonePayload+10) && t.turns[0].took < a.pace.answer[1]*3/2+passwordTakes
}

// inferUse tells what the connection was used for after the login.
func (a *analyzer) inferUse(told map[string]bool) {
	o := a.opened
	told["NRC"] = !o.session
	told["AFR"] = o.agent
	told["RSP"] = o.forward > 0
	told["RSI"] = o.reverse > 0
	told["RSIA"] = o.reverse > 0 && o.reverse-o.forward < soon+2*a.pace.trip()
	told["RSK"] = o.inside[1].pressed(&o.inside[0])
	told["RSL"] = o.inner >= innerLog || told["RSK"]
	told["KS"] = o.keys[0].pressed(&o.keys[1])
	if told["NRC"] {
		return
	}
	if up, down := o.files(told["KS"]); up > 0 || down > 0 {
		told["LFU"], told["SFU"] = up >= large, up > 0 && up < large
		told["LFD"], told["SFD"] = down >= large, down > 0 && down < large
	} else {
		told["AUTO"] = !told["KS"]
	}
}

// files returns how much of files went up and down, in bytes; 0 for none.
//
// A command is asked for and answered. Who copies files asks for more, sends
// what is no question, or is sent a train of full messages. Beside keys only
// trains are files: programs write screens.
func (o *opened) files(keys bool) (up, down uint64) {
	if keys {
		for side, n := range o.longest {
			if n < trainLeast {
				o.longest[side] = 0
			}
		}
		return o.longest[0], o.longest[1]
	}
	switch steps := o.steps - 4*o.opens; {
	case o.data[0] >= fileLeast && o.data[0] > o.data[1]:
		return o.data[0], 0
	case o.data[1] >= large || steps >= fewSteps || o.opens == 0 && o.full[1] >= 2:
		return 0, o.data[1]
	}
	return 0, 0
}

// Infer takes what the session sounds like (protocol.Inferring).
func (a *analyzer) Infer(heard []string) { a.heard = slices.Clone(heard) }

// inferHeard joins what the session sounds like to what follows from lengths.
// Sound does not overrule what was opened; it tells apart what is done in a
// session, which may look alike: commands, small files, and keys.
func (a *analyzer) inferHeard(told map[string]bool) {
	sounds := func(code string) bool { return slices.Contains(a.heard, code) }
	o := a.opened
	if sounds("BF") && (a.auth.success || len(a.auth.turns) > 0) && !told["SA"] {
		told["BF"], told["BFS"] = true, a.auth.success
	}
	if o == nil || !a.auth.success {
		return
	}
	if sounds("RSK") && o.reverse > 0 {
		told["RSK"], told["RSL"] = true, true
	}
	if told["NRC"] || len(a.heard) == 0 {
		return
	}
	files := sounds("SFU") || sounds("SFD")
	switch {
	case sounds("KS") && !told["KS"]:
		told["KS"], told["AUTO"] = true, false
		if !files { // what a program showed
			for _, code := range []string{"LFU", "SFU", "LFD", "SFD"} {
				told[code] = false
			}
		}
	case !sounds("KS") && told["KS"] && (files || sounds("AUTO")):
		told["KS"] = false
		if !files {
			told["AUTO"] = true
		}
	}
	if sounds("SFU") && !told["LFU"] {
		told["LFU"], told["SFU"] = o.data[0] >= large, o.data[0] < large
		told["AUTO"] = false
	}
	if sounds("SFD") && !told["LFD"] {
		told["LFD"], told["SFD"] = o.data[1] >= large, o.data[1] < large
		told["AUTO"] = false
	}
	if sounds("AUTO") && !files && !told["KS"] && !told["LFU"] && !told["LFD"] {
		told["AUTO"], told["SFU"], told["SFD"] = true, false, false
	}
}

// pressed reports whether keys were pressed that the other side echoed.
func (k *keys) pressed(echo *keys) bool {
	return k.told >= fewKeys && k.rhythm() >= fingers && 2*echo.small >= k.told
}

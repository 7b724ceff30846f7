package detection

import (
	"tyto/behavior"
	"tyto/session"
)

// Probabilities of labels that protocols prove. A procedure that was called, a
// file that was written or a login that was refused is told; what a session was
// for is still a conclusion, and packets may have been missed.
const (
	proven   = 0.99
	asserted = 0.95
	likely   = 0.8
)

// Volumes from which files make a session a transfer, in bytes; and a session of
// SSH in which nobody tried to log in is a look at the server if it is no larger
// and no longer than these.
const (
	readLeast  = 64 << 10
	lookBytes  = 8 << 10
	lookLasts  = int64(30e9)
	guessLeast = 5 // logins refused in one session that are guesses
)

// over are states of sessions of which the end was seen.
var over = map[string]bool{"SF": true, "RSTO": true, "RSTR": true}

// lookups are questions about one thing that is known already.
var lookups = map[string]bool{"names": true, "the server": true, "the workstation": true, "an account": true}

// inventories are interfaces over which results of WMI queries come, so that the
// query itself may be sealed or missed; activations are operations that start a
// DCOM server on the other machine.
var (
	inventories = map[string]bool{"IEnumWbemClassObject": true, "IWbemFetchSmartEnum": true, "IWbemWCOSmartEnum": true}
	activations = map[string]bool{"RemoteCreateInstance": true, "RemoteGetClassObject": true, "RemoteActivation": true}
)

// AppendLabels appends the labels of the session that follow from what protocols
// said in it (docs/labels.md), each at most once, to an empty list. They need no
// model, and hold for sessions too short to be listened to.
func (s *Session) AppendLabels(list []behavior.Label) []behavior.Label {
	if s.Sheet == nil {
		return list
	}
	say := func(name string, p float64) { list = behavior.With(list, behavior.Label{Name: name, P: p}) }
	for i := range s.Sheet.Calls {
		c := &s.Sheet.Calls[i]
		if c.Fault != "" {
			continue
		}
		if p, ok := Administrative(c.Interface, c.Operation); ok && p.Exec {
			say("remote-execution", proven)
		}
		switch what := Asks(c.Interface, c.Operation); {
		case what != "" && !lookups[what], inventories[c.Interface]:
			say("enumeration", likely)
		case activations[c.Operation]:
			say("remote-execution", likely)
		case c.Interface == "drsuapi" && c.Operation == "DRSGetNCChanges":
			say("credential-dump", likely)
		}
	}
	s.fileLabels(say)
	s.loginLabels(say)
	for i := range s.Sheet.Requests {
		if r := &s.Sheet.Requests[i]; IsWinRM(r) && r.Status == 200 {
			say("remote-execution", asserted)
		}
	}
	return list
}

// fileLabels tells transfers over shares.
func (s *Session) fileLabels(say func(string, float64)) {
	var read uint64
	for i := range s.Sheet.Files {
		f := &s.Sheet.Files[i]
		if f.Failed {
			continue
		}
		switch f.Action {
		case "write":
			if f.Bytes > 0 {
				say("upload", asserted)
			}
		case "read":
			read += f.Bytes
		}
	}
	if read >= readLeast {
		say("download", asserted)
	}
}

// loginLabels tells logins that were refused, and looks at SSH servers.
func (s *Session) loginLabels(say func(string, float64)) {
	refused, accepted := 0, s.Sheet.Authentic
	for i := range s.Sheet.Logins {
		if s.Sheet.Logins[i].OK {
			accepted = true
		} else {
			refused++
		}
	}
	if s.App == "ssh" && !accepted {
		refused = max(refused, s.Sheet.Attempts)
	}
	if refused >= guessLeast {
		say("brute-force", asserted)
	}
	switch {
	case accepted:
	case refused > 0:
		say("login-failed", asserted)
	case s.App == "ssh" && over[s.State] && s.Bytes[session.Orig]+s.Bytes[session.Resp] <= lookBytes && s.Duration() <= lookLasts:
		say("scan", likely)
	}
}

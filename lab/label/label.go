// Package label names what a session is and what it does from one moment to
// the next, and holds the ground truth of captures: the file NAME.json beside
// NAME.pcap, and the index of many.
package label

import "fmt"

// State is what a session does in a span of time. Its zero value is no state.
// The numbers are part of stored data: new states go to the end.
type State uint8

const (
	StateUnknown State = iota
	StateHandshake
	StateKeystrokes
	StateOutput
	StateExchange
	StateUpload
	StateDownload
	StateTunnel
	StateBrowse
	StateStream
	StateCheckin
	StateTasking
	StateScreen
	StateIdle
	StateProbe
	numStates
)

// Label is what a session is about; several may hold. Its zero value is no
// label. The numbers are part of stored data: new labels go to the end.
type Label uint8

const (
	Unknown Label = iota
	Shell
	Command
	Upload
	Download
	Sync
	Mount
	PortForward
	ReverseShell
	ReverseTunnel
	Tunnel
	VPN
	Proxy
	DNSTunnel
	Beacon
	TaskedBeacon
	Exfiltration
	Browse
	Stream
	Poll
	Chat
	Call
	Screen
	BruteForce
	LoginFailed
	Scan
	Keepalive
	Enumeration
	RemoteExecution
	CredentialDump
	numLabels
)

// Definition says what a state or label means.
type Definition struct {
	Name       string
	Doc        string
	Techniques []string // ATT&CK ids it is evidence of in the wrong context
	Corelight  []string // codes of Corelight's SSH inferences that say the same, or part of it
}

// States returns all states in the order of their numbers.
func States() []State {
	all := make([]State, 0, numStates-1)
	for s := StateHandshake; s < numStates; s++ {
		all = append(all, s)
	}
	return all
}

// Labels returns all labels in the order of their numbers.
func Labels() []Label {
	all := make([]Label, 0, numLabels-1)
	for l := Shell; l < numLabels; l++ {
		all = append(all, l)
	}
	return all
}

// ParseState returns the state of that name.
func ParseState(name string) (State, error) {
	for _, s := range States() {
		if states[s].Name == name {
			return s, nil
		}
	}
	return StateUnknown, fmt.Errorf("no state is called %.40q", name)
}

// ParseLabel returns the label of that name.
func ParseLabel(name string) (Label, error) {
	for _, l := range Labels() {
		if labels[l].Name == name {
			return l, nil
		}
	}
	return Unknown, fmt.Errorf("no label is called %.40q", name)
}

// Definition returns what the state means; that of the zero state is empty.
func (s State) Definition() Definition {
	if s >= numStates {
		return Definition{}
	}
	return states[s]
}

// Definition returns what the label means; that of the zero label is empty.
func (l Label) Definition() Definition {
	if l >= numLabels {
		return Definition{}
	}
	return labels[l]
}

// String returns the name, "unknown" where there is none.
func (s State) String() string {
	if name := s.Definition().Name; name != "" {
		return name
	}
	return "unknown"
}

// String returns the name, "unknown" where there is none.
func (l Label) String() string {
	if name := l.Definition().Name; name != "" {
		return name
	}
	return "unknown"
}

// MarshalText writes the name; only a known state has one.
func (s State) MarshalText() ([]byte, error) { return nameText("state", uint8(s), s.Definition().Name) }

// MarshalText writes the name; only a known label has one.
func (l Label) MarshalText() ([]byte, error) { return nameText("label", uint8(l), l.Definition().Name) }

func nameText(what string, n uint8, name string) ([]byte, error) {
	if name == "" {
		return nil, fmt.Errorf("%s %d has no name", what, n)
	}
	return []byte(name), nil
}

// UnmarshalText reads a name.
func (s *State) UnmarshalText(text []byte) (err error) {
	*s, err = ParseState(string(text))
	return err
}

// UnmarshalText reads a name.
func (l *Label) UnmarshalText(text []byte) (err error) {
	*l, err = ParseLabel(string(text))
	return err
}

// Package model is the networks that hear what sessions do: from the messages of
// a session to states, labels, control, protocol and an embedding.
//
// A [Network] is what is trained; a [Model] is what ships: its weights, the names
// of its classes, its calibration and its card, in one file. A [Listener] runs a
// model without a tape and without allocating. Nothing here knows an address, a
// port or a name: all that goes in are tokens of package sequence and the classes
// of the first bytes.
package model

import (
	"fmt"

	"tyto/sequence"
)

// Shape is what a network looks like. It is part of a model's file.
type Shape struct {
	Tokens   int      `json:"tokens"`   // sequence.Version the network was trained for
	Channels int      `json:"channels"` // width of the convolutions
	Blocks   int      `json:"blocks"`   // residual blocks; block i looks 2^i messages ahead and back
	Window   int      `json:"window"`   // messages that are pooled together before the recurrent layer
	Heads    int      `json:"heads"`    // of the attention that pools
	States   []string `json:"states"`
	Labels   []string `json:"labels"`
	Apps     []string `json:"apps"`
	Controls []string `json:"controls"`
	Profiles int      `json:"profiles"` // networks of the training data, for the adversary; 0 for none
}

// Limits of a shape: a file cannot ask for more.
const (
	maxChannels = 512
	maxBlocks   = 12
	maxWindow   = 4096
	maxClasses  = 1024
	maxName     = 64
	// LeastPackets is how many packets a session has at least if it is listened to:
	// in fewer there is little but a handshake or a question and its answer.
	LeastPackets = 8
	// MaxLayers is how many layer counts are told apart: 1, and 2 or more.
	MaxLayers = 2
	// EmbeddingSize is how many numbers an embedding has.
	EmbeddingSize = 64
)

// Check returns what is wrong with a shape.
func (s *Shape) Check() error {
	switch {
	case s.Tokens != sequence.Version:
		return fmt.Errorf("the model was trained for version %d of tokens, this program makes version %d: train it again", s.Tokens, sequence.Version)
	case s.Channels < 4 || s.Channels > maxChannels || s.Heads < 1 || s.Channels%s.Heads != 0:
		return fmt.Errorf("%d channels with %d heads: want 4 to %d channels, a multiple of the heads", s.Channels, s.Heads, maxChannels)
	case s.Blocks < 1 || s.Blocks > maxBlocks:
		return fmt.Errorf("%d blocks: want 1 to %d", s.Blocks, maxBlocks)
	case s.Window < 8 || s.Window > maxWindow:
		return fmt.Errorf("windows of %d messages: want 8 to %d", s.Window, maxWindow)
	case s.Profiles < 0 || s.Profiles > maxClasses:
		return fmt.Errorf("%d profiles: want at most %d", s.Profiles, maxClasses)
	}
	for _, list := range [][]string{s.States, s.Labels, s.Apps, s.Controls} {
		if err := checkNames(list); err != nil {
			return err
		}
	}
	return nil
}

func checkNames(list []string) error {
	if len(list) == 0 || len(list) > maxClasses {
		return fmt.Errorf("%d classes: want 1 to %d", len(list), maxClasses)
	}
	seen := make(map[string]bool, len(list))
	for _, name := range list {
		if name == "" || len(name) > maxName || seen[name] {
			return fmt.Errorf("class %.80q: want a name of at most %d bytes that no other has", name, maxName)
		}
		for _, c := range name {
			if c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				return fmt.Errorf("class %q: want lower-case letters, digits, - and _", name)
			}
		}
		seen[name] = true
	}
	return nil
}

// reach is how many messages before and after one its row depends on.
func (s *Shape) reach() int { return 1<<s.Blocks - 1 + stemTaps/2 }

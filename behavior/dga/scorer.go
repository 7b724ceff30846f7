package dga

import (
	_ "embed"
	"fmt"

	"tyto/nn"
)

// shipped is the network in the program; eval/beacons trains it again (see Card).
//
//go:embed network.nn
var shipped []byte

// Card is what a reader must know of the network in the program.
const Card = `Purpose: to tell names that a program computed from names that people made up, by their characters.
Input: the label that somebody registered, up to 63 characters. Output: log-odds that it is generated, if half of all names are.
Network: an embedding of 16, three convolutions of 48, attention, a layer of 48; about 21,800 numbers.
Trained on: names made by eval/beacons after the classes of algorithms of published families (hashes in hexadecimal and base 36, linear congruential letters, letters and digits, consonants and vowels, arithmetic), without those held out, against four of five names of universities, schools and free mail providers and compositions of words.
Known to fail: names composed of words are not told from people's, and short ones (up to 7 characters) seldom; advertisers register generated names, and these are told as what they are.
Made again by: UPDATE=1 go test -run TestNames ./eval/beacons`

// Scorer scores labels with a trained network. One goroutine uses it.
type Scorer struct {
	network *Network
	tape    *nn.Tape
	batch   Batch
}

// NewScorer returns a scorer with the network in the program.
func NewScorer() *Scorer {
	n := NewNetwork(1)
	if err := n.Params.Load(shipped); err != nil {
		panic(fmt.Sprintf("dga: the network in the program: %v", err)) // a test reads it
	}
	return NewScorerOf(n)
}

// NewScorerOf returns a scorer with a network.
func NewScorerOf(n *Network) *Scorer { return &Scorer{network: n, tape: nn.NewTape(n.Params)} }

// shortest is how long a label must be to be scored.
const shortest = 5

// Score returns the log-odds that a program computed the label, if half of all
// names are computed; labels that are too short or not in ASCII (xn--) are never.
func (s *Scorer) Score(label string) float64 {
	if len(label) < shortest || len(label) > 4 && label[:4] == "xn--" {
		return -10
	}
	s.tape.Reset()
	s.batch.Reset()
	s.batch.Add(label)
	return float64(s.network.Forward(s.tape, &s.batch).Row(0)[0])
}

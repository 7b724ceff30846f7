package beacon

import (
	_ "embed"
	"fmt"
	"math"

	"tyto/nn"
)

// shipped is the network in the program; eval/beacons trains it again (see Card).
//
//go:embed network.nn
var shipped []byte

// Shipped is what the network in the program has.
var Shipped = Parts{Contacts: 24, Hidden: 32}

// Card is what a reader must know of the network in the program.
const Card = `Purpose: to tell by gaps and sizes alone who comes back to a destination: a person, a program of everyday use, or one that asks for work as implants do.
Input: the latest 64 contacts (gap, bytes sent and received, each also relative to its median) and 25 figures of the series. No address, name, port or time of day.
Output: three probabilities, for makers that are equally frequent. It is a measurement: what to think of it depends on how frequent they are and on who is at the other end.
Network: three convolutions over contacts (24 wide, dilated by 1, 2, 4), their mean, a layer of 32; 5,731 numbers.
Trained on: series made by eval/beacons (8 kinds of implants, 19 kinds of programs, people), from one seed; none of them was recorded. Four kinds of implants and four of programs are held out: docs/eval/beacons.md has what it does on them.
Known to fail: programs that wait a random time up to a bound, with sizes that repeat, look like implants with jitter; implants that imitate a program look like it.
Made again by: UPDATE=1 go test -run TestNetwork ./eval/beacons`

// Shape says who is likely to keep a rhythm, as probabilities that add up to one,
// if all three are equally frequent.
type Shape struct{ Person, Automation, CheckIn float64 }

// Listener tells who keeps a rhythm, by a trained network. One goroutine uses it.
type Listener struct {
	network *Network
	tape    *nn.Tape
	batch   Batch
}

// NewListener returns a listener with the network in the program.
func NewListener() *Listener { return NewListenerOf(ShippedNetwork()) }

// ShippedNetwork returns the network in the program.
func ShippedNetwork() *Network {
	n := NewNetwork(Shipped, 1)
	if err := n.Params.Load(shipped); err != nil {
		panic(fmt.Sprintf("beacon: the network in the program: %v", err)) // a test reads it
	}
	return n
}

// NewListenerOf returns a listener with a network.
func NewListenerOf(n *Network) *Listener { return &Listener{network: n, tape: nn.NewTape(n.Params)} }

// Tell tells who is likely to keep the rhythm r, which was measured of s.
func (l *Listener) Tell(s *Series, r *Rhythm) Shape {
	l.tape.Reset()
	l.batch.Reset()
	l.batch.Add(s, r)
	row := l.network.Forward(l.tape, &l.batch).Row(0)
	var p [Makers]float64
	sum, top := 0.0, float64(max(row[0], row[1], row[2]))
	for i, v := range row {
		p[i] = math.Exp(float64(v) - top)
		sum += p[i]
	}
	return Shape{p[Person] / sum, p[Automation] / sum, p[CheckIn] / sum}
}

// Package nn trains and runs neural networks over ragged batches of sequences:
// parameters, a tape that records a forward pass and differentiates it, layers,
// losses, Adam, data-parallel training, and fused layers for inference. It knows
// nothing of networks of the wire kind; its arithmetic is in nn/kernel.
//
// A network is a struct of layers and a function that applies them to a tape,
// top to bottom:
//
//	h := net.stem.Forward(t, x)              // rows x 64
//	h = t.Add(h, net.conv.Forward(t, h))     // rows x 64
//	t.CrossEntropy(net.head.Forward(t, h), states, nn.Loss{})
//
// Results do not depend on the number of cores: a Trainer cuts each batch into a
// fixed number of shards and adds up their gradients in order.
//
// Shapes that do not fit are a programmer's error and panic; bytes from outside
// (model files) give errors.
//
// To add an operation: a file with its method of Tape (or a layer with Forward),
// a struct that embeds what the backward pass needs, a backward method that adds
// to the gradients of its inputs, and a row in TestGradients.
package nn

import "fmt"

// fail panics with the message: a programmer's error in shapes.
func fail(format string, args ...any) {
	panic("nn: " + fmt.Sprintf(format, args...))
}

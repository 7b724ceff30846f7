package augment_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"tyto/packet"
	"tyto/sequence"
	"tyto/sequence/augment"
	"tyto/session"
)

// What was said stays what it was, wherever it is heard: labels follow the
// origins of messages, borders of segments follow the warp.
func Example() {
	const ms, noon = 1e6, 1_795_953_600e9
	syn := uint8(packet.SYN)
	in := &augment.Session{Proto: packet.ProtoTCP, Entries: []session.Entry{
		{Time: noon, Dir: session.Orig, Kind: syn, Packets: 1},
		{Time: noon + 2*ms, Dir: session.Resp, Kind: syn, Packets: 1},
		{Time: noon + 2*ms, Dir: session.Orig, Packets: 1},
		{Time: noon + 3*ms, Dir: session.Orig, Bytes: 80, Packets: 1},
		{Time: noon + 9*ms, Dir: session.Resp, Bytes: 300, Packets: 1},
		{Time: noon + 900*ms, Dir: session.Orig, Bytes: 40, Packets: 1},
		{Time: noon + 902*ms, Dir: session.Resp, Bytes: 40, Packets: 1},
	}}
	stateOf := []string{"handshake", "handshake", "handshake", "exchange", "exchange", "keystrokes", "keystrokes"}
	plan := &augment.Plan{Network: augment.Network{RTT: 100 * time.Millisecond}}
	out := augment.Augment(rand.New(rand.NewPCG(1, 2)), in, plan)
	heard := sequence.Recover(out.Proto, slices.Values(out.Entries))
	for i, entry := range augment.AppendEntries(nil, &heard, out.Entries) {
		m := heard.Messages[i]
		fmt.Println(time.Duration(m.Time).Round(time.Millisecond), m.Dir, m.Bytes, stateOf[out.From[entry].First])
	}
	fmt.Println("typing begins at", time.Duration(out.Warp.At(noon+900*ms)-noon).Round(time.Millisecond))
	// Output:
	// 101ms orig 80 exchange
	// 205ms resp 300 exchange
	// 1.096s orig 40 keystrokes
	// 1.196s resp 40 keystrokes
	// typing begins at 1.096s
}

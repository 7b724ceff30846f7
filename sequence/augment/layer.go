package augment

import (
	"tyto/packet"
	"tyto/session"
)

// Layer is a tunnel around a session: its handshake comes first, and what the
// session sends is inside it, larger by what the layers of the inner connection
// and the tunnel's cipher add. That is GGFAST's transformation (Piet, Nwoji and
// Paxson, SIGCOMM 2023), size' = f(size + overhead), for whole sessions. The
// zero value is no layer.
//
// Proxies carry what a connection says: its handshake becomes a request to
// connect and the answer. Tunnels of packets carry its packets: handshake and
// acknowledgements show as small datagrams.
type Layer struct{ Kind LayerKind }

// LayerKind is a kind of tunnel.
type LayerKind uint8

// Kinds of tunnels. The zero value is none.
const (
	NoLayer    LayerKind = iota
	TLSProxy             // a proxy in TLS 1.3, as of trojan or an HTTPS proxy; for TCP
	SSHForward           // a channel of SSH with AES-GCM, as of ssh -L and -D; for TCP
	SSHHidden            // the same with ChaCha20, which hides lengths
	WGTunnel             // WireGuard
	VPNTunnel            // OpenVPN over UDP
	layerKinds
)

// carriage is how a kind of tunnel carries.
type carriage struct {
	suite   Suite
	packets bool   // of IP, rather than what they say
	frame   uint32 // what the tunnel adds before its cipher, or the inner packet's headers
	connect uint32 // bytes of the request to connect, without the name
	answer  uint32
	mtu     uint32 // of the inner network
	opening []step
}

func (k LayerKind) carriage() carriage {
	switch k {
	case TLSProxy:
		return carriage{suite: TLS13, connect: 7, answer: 10, opening: openTLS}
	case SSHForward:
		return carriage{suite: SSHGCM, frame: 9, connect: 60, answer: 17, opening: openSSH}
	case SSHHidden:
		return carriage{suite: SSHChacha, frame: 9, connect: 60, answer: 17, opening: openSSH}
	case WGTunnel:
		return carriage{suite: WireGuard, packets: true, frame: streamHeaders, mtu: 1420, opening: openWireGuard}
	case VPNTunnel:
		return carriage{suite: OpenVPN, packets: true, frame: streamHeaders, mtu: 1420, opening: openOpenVPN}
	}
	return carriage{}
}

const (
	synOptions = 8         // what a SYN's headers have more
	ackDelay   = 40e6      // ns that an acknowledgement waits for something to go with: Linux's
	nameBytes  = 24        // of a host's name in a request to connect, at most
	serverWork = 1_000_000 // ns that a side takes in a handshake, at most
)

func (y Layer) apply(d *draft) {
	c := y.Kind.carriage()
	if c.suite == Unknown || len(d.items) == 0 || !c.packets && !d.tcp() {
		return
	}
	if c.packets && d.tcp() {
		d.recut(c.mtu - streamHeaders)
	}
	if c.packets {
		d.carryPackets(&c)
		d.proto = packet.ProtoUDP
	} else {
		d.carryStream(&c)
	}
	d.open(c.opening, c.suite)
	d.shows = true
}

// carryStream puts what a connection says into messages of a tunnel.
func (d *draft) carryStream(c *carriage) {
	items := d.next()
	name := d.r.Uint32N(nameBytes)
	connected := [2]bool{}
	for _, it := range d.items {
		switch {
		case it.Message || it.Kind&session.Repeat != 0 && it.Kind&uint8(packet.SYN) == 0:
			continue // inside, or lost in the old network
		case it.Kind&uint8(packet.SYN) != 0:
			if connected[it.Dir] {
				continue
			}
			connected[it.Dir] = true
			it.Bytes = c.answer
			if it.Dir == session.Orig {
				it.Bytes = c.connect + name
			}
		case it.Bytes == 0 && it.Kind&uint8(packet.FIN|packet.RST) == 0:
			continue // the end of the inner handshake
		case it.Bytes == 0: // the inner connection ends: the channel is closed
			it.Bytes = 2
		}
		it.Kind = pushed
		items = d.carry(items, it, c.suite, c.frame)
	}
	d.done(items)
}

// carry adds a packet whose payload is a message of what it had.
func (d *draft) carry(items []item, it item, suite Suite, frame uint32) []item {
	n := max(it.Packets, 1)
	each := (it.Bytes + n - 1) / n
	it.Bytes = suite.Size(each+frame) * n
	m := it
	m.Message, m.Kind = true, suite.kind()
	return append(items, it, m)
}

// carryPackets puts the packets of a session into datagrams, with the
// acknowledgements that TCP sends besides: at once for every second full packet,
// later for others unless something else goes that way.
func (d *draft) carryPackets(c *carriage) {
	items := d.next()
	stream := d.tcp()
	frame := c.frame
	if !stream {
		frame = datagramHeaders
	}
	var owed [2]uint32 // packets of a direction that are not acknowledged
	var due [2]int64
	for _, it := range d.items {
		if it.Message {
			continue
		}
		for dir := range owed {
			if owed[dir] > 0 && due[dir] <= it.Time {
				items = d.acknowledge(items, c.suite, session.Direction(dir), 1, due[dir], it.from.First)
				owed[dir] = 0
			}
		}
		owed[it.Dir.Other()] = 0
		inner := frame
		if stream && it.Kind&uint8(packet.SYN) != 0 {
			inner += synOptions
		}
		sent, n := it.Time, max(it.Packets, 1)
		payload := it.Bytes > 0
		it.Kind = 0
		items = d.carry(items, it, c.suite, inner)
		if !stream || !payload {
			continue
		}
		back := sent + 2*d.path.oneWay(it.Dir.Other())
		if owed[it.Dir] += n; owed[it.Dir] >= 2 {
			items = d.acknowledge(items, c.suite, it.Dir, owed[it.Dir]/2, back, it.from.First)
			owed[it.Dir] %= 2
		}
		due[it.Dir] = back + ackDelay
	}
	d.done(items)
	d.sort()
}

// acknowledge adds n acknowledgements of what was sent in a direction.
func (d *draft) acknowledge(items []item, suite Suite, of session.Direction, n uint32, at int64, cause int32) []item {
	ack := item{from: Origin{Ack, cause}}
	ack.Dir, ack.Time, ack.Packets = of.Other(), at, n
	return d.carry(items, ack, suite, streamHeaders)
}

// open puts a handshake before the items, so that they follow it as soon as it
// is over. Nobody opens a tunnel for nothing.
func (d *draft) open(steps []step, suite Suite) {
	if len(d.items) == 0 {
		return
	}
	items := d.next()
	now, last := int64(0), session.Orig
	for i, s := range steps {
		if i > 0 {
			if s.dir != last {
				now += 2 * d.path.oneWay(s.dir)
			}
			now += d.r.Int64N(serverWork)
		}
		last = s.dir
		items = s.add(d.r, items, now, suite)
	}
	first := d.items[0]
	if first.Dir != last {
		now += 2 * d.path.oneWay(first.Dir)
	}
	now += d.r.Int64N(serverWork)
	for i := range items {
		items[i].Time += first.Time - now
		items[i].from = Origin{Handshake, first.from.First}
	}
	items = append(items, d.items...)
	d.done(items)
}

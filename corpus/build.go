package corpus

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"

	"tyto/lab/label"
	"tyto/packet"
	"tyto/packet/pcapfile"
	"tyto/protocol"
	"tyto/sensor"
	"tyto/session"
)

// Build analyses a capture and joins its sessions to their truth. Sessions that
// the truth does not know (those inside a tunnel that can be read) are left
// out; a flow with labels of which there is no session is an error. ICMP errors
// are flows of the truth and no sessions.
func Build(ctx context.Context, set *protocol.Set, truth *label.Run, capture string) (*Run, error) {
	first, err := firstBytes(capture)
	if err != nil {
		return nil, err
	}
	src, err := pcapfile.Open(capture)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	flows := make(map[ends][]*label.Flow)
	for i := range truth.Flows {
		f := &truth.Flows[i]
		flows[endsOf(f)] = append(flows[endsOf(f)], f)
	}
	names := make(map[netip.Addr]string)
	for _, h := range truth.Hosts {
		names[h.Addr] = h.Name
	}
	run := &Run{Truth: *truth}
	run.Truth.Flows = nil
	heard := make(map[*label.Flow]bool)
	_, err = sensor.Run(ctx, src, sensor.Config{Set: set, Workers: 1, Ended: func(s *session.Session, pool *session.Pool) {
		f, reversed := find(flows, s)
		if f == nil {
			return
		}
		heard[f] = true
		entries, dropped := Gather(slices.Collect(s.Series.All(pool)))
		run.Sessions = append(run.Sessions, Session{
			Flow: within(f, label.Time(s.First), label.Time(s.Last)), From: names[f.Src], To: names[f.Dst], Reversed: reversed, App: set.AppName(s.App),
			First: [2][]byte{first[tupleKey(s.Tuple)], first[tupleKey(s.Tuple.Reverse())]}, Entries: entries, Dropped: dropped,
		})
	}}, nil)
	if err != nil {
		return nil, err
	}
	for i := range truth.Flows {
		if f := &truth.Flows[i]; !heard[f] && len(f.Labels) > 0 {
			return nil, fmt.Errorf("%s: no session of flow %s %s:%d > %s:%d was found", capture, f.Proto, f.Src, f.SrcPort, f.Dst, f.DstPort)
		}
	}
	slices.SortStableFunc(run.Sessions, func(a, b Session) int {
		return cmp.Or(cmp.Compare(a.Flow.T0, b.Flow.T0), cmp.Compare(a.Flow.T1, b.Flow.T1), cmp.Compare(a.Flow.SrcPort, b.Flow.SrcPort))
	})
	run.anonymize()
	return run, nil
}

// anonymize removes addresses and ports.
func (r *Run) anonymize() {
	r.Truth.Hosts = slices.Clone(r.Truth.Hosts)
	for i := range r.Truth.Hosts {
		r.Truth.Hosts[i].Addr = netip.Addr{}
	}
	for i := range r.Sessions {
		f := &r.Sessions[i].Flow
		f.Src, f.Dst, f.SrcPort, f.DstPort = netip.Addr{}, netip.Addr{}, 0, 0
	}
}

// within is a flow's truth between two times.
func within(f *label.Flow, t0, t1 label.Time) label.Flow {
	c := *f
	c.Process = nil
	c.T0, c.T1 = t0, t1
	c.Segments = nil
	for _, s := range f.Segments {
		s.T0, s.T1 = max(s.T0, t0), min(s.T1, t1)
		if s.T0 <= s.T1 {
			c.Segments = append(c.Segments, s)
		}
	}
	c.Keys = nil
	for _, k := range f.Keys {
		if k >= t0 && k <= t1 {
			c.Keys = append(c.Keys, k)
		}
	}
	return c
}

// ends are what a flow of the truth is found by; ports are zero where there are
// none.
type ends struct {
	proto            string
	src, dst         netip.Addr
	srcPort, dstPort uint16
}

func endsOf(f *label.Flow) ends {
	e := ends{f.Proto, f.Src, f.Dst, f.SrcPort, f.DstPort}
	if f.Proto == "icmp" {
		e.srcPort, e.dstPort = 0, 0
	}
	return e
}

// find returns the flow of a session: the one of its end points that it
// overlaps, or that is nearest.
func find(flows map[ends][]*label.Flow, s *session.Session) (f *label.Flow, reversed bool) {
	e := ends{protoName(s.Proto), s.Orig.Netip(), s.Resp.Netip(), s.OrigPort, s.RespPort}
	if e.proto == "icmp" {
		e.srcPort, e.dstPort = 0, 0
	}
	candidates := flows[e]
	if candidates == nil {
		e.src, e.dst, e.srcPort, e.dstPort = e.dst, e.src, e.dstPort, e.srcPort
		candidates, reversed = flows[e], true
	}
	t0, t1 := label.Time(s.First), label.Time(s.Last)
	apart := func(f *label.Flow) label.Time { return max(t0-f.T1, f.T0-t1, 0) }
	for _, c := range candidates {
		if f == nil || apart(c) < apart(f) {
			f = c
		}
	}
	// What is far from every flow of these end points is something else.
	if f != nil && apart(f) > 1e9 {
		f = nil
	}
	return f, reversed
}

func protoName(proto uint8) string {
	switch proto {
	case packet.ProtoTCP:
		return "tcp"
	case packet.ProtoUDP:
		return "udp"
	case packet.ProtoICMP:
		return "icmp"
	}
	return "ip-" + strconv.Itoa(int(proto))
}

// tupleKey is where the first payload that was sent from one end point to
// another is found.
func tupleKey(t session.Tuple) session.Tuple {
	if t.Proto == packet.ProtoICMP {
		t.OrigPort, t.RespPort = 0, 0
	}
	return t
}

// firstBytes reads the beginning of the first payload between any two end
// points of a capture.
func firstBytes(capture string) (map[session.Tuple][]byte, error) {
	src, err := pcapfile.Open(capture)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	first := make(map[session.Tuple][]byte)
	var block packet.Block
	var d packet.Decoder
	for {
		if err := src.ReadBlock(&block); errors.Is(err, io.EOF) {
			return first, nil
		} else if err != nil {
			return nil, err
		}
		for i := range block.Frames {
			var p packet.Packet
			d.Decode(&block.Frames[i], &p)
			key := tupleKey(session.Tuple{Orig: p.Src, Resp: p.Dst, OrigPort: p.SrcPort, RespPort: p.DstPort, Proto: p.Proto})
			if len(p.Payload) > 0 && first[key] == nil {
				first[key] = bytes.Clone(p.Payload[:min(len(p.Payload), FirstBytes)])
			}
		}
	}
}

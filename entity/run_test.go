package entity_test

import (
	"errors"
	"io"
	"testing"

	"tyto/entity"
	"tyto/packet"
	"tyto/packet/pcapfile"
	"tyto/protocol"
	"tyto/protocol/all"
	"tyto/session"
)

// pipeline is the data path with one lane: capture in, graph out.
type pipeline struct {
	set     *protocol.Set
	pool    session.Pool
	tracker *session.Tracker
	engine  *protocol.Engine
	graph   *entity.Graph
}

func (p *pipeline) Record(f *protocol.Flow, r protocol.Record) { p.graph.Record(f.Session, f.Now, r) }
func (p *pipeline) Anomaly(*protocol.Flow, protocol.Anomaly)   {}
func (p *pipeline) Observe(f *protocol.Flow, o protocol.Observation) {
	p.graph.Observe(f.Session, f.Now, &o)
}

func (p *pipeline) Data(s *session.Session, d session.Direction, data []byte, now int64) bool {
	return p.engine.Data(s, d, data, now)
}

func (p *pipeline) Gap(s *session.Session, d session.Direction, n int, now int64) bool {
	return p.engine.Gap(s, d, n, now)
}

// handler is what the tracker tells; Anomaly has another meaning there.
type handler struct{ *pipeline }

func (handler) Anomaly(*session.Session, string, int64) {}

func (h handler) Ended(s *session.Session, _ int64) {
	h.engine.Close(s, s.Last)
	name, source := "", ""
	if f := h.engine.Flow(s); f != nil {
		name, source = f.Domain()
	}
	h.graph.Session(s, h.set.AppName(s.App), name, source)
	h.engine.Release(s)
}

// analyze runs a capture through the data path into a graph.
func analyze(tb testing.TB, file string, o entity.Options) *entity.Graph {
	tb.Helper()
	src, err := pcapfile.Open(file)
	if err != nil {
		tb.Fatal(err)
	}
	defer src.Close()
	p := &pipeline{set: all.Set(), graph: entity.New(o)}
	p.engine = protocol.NewEngine(p.set, p, &p.pool)
	p.tracker = session.NewTracker(handler{p}, &p.pool, session.Config{})
	var (
		block   packet.Block
		decoder packet.Decoder
		pkt     packet.Packet
		last    int64
	)
	for {
		err := src.ReadBlock(&block)
		for i := range block.Frames {
			decoder.Decode(&block.Frames[i], &pkt)
			last = max(last, pkt.Time)
			p.tracker.Advance(last)
			if pkt.Version == 0 {
				if pkt.NLayers > 0 && pkt.Layers[pkt.NLayers-1] == packet.LayerARP {
					p.graph.ARP(pkt.Time, &pkt.Rare.ARP)
				}
				continue
			}
			p.tracker.Packet(&pkt, pkt.Hash(), session.UID{})
		}
		var damaged *pcapfile.Error // what came before was read
		if errors.Is(err, io.EOF) || errors.As(err, &damaged) {
			break
		}
		if err != nil {
			tb.Fatal(err)
		}
		block.Frames = block.Frames[:0]
	}
	for step := range session.FlushSteps {
		p.tracker.Flush(step, last)
	}
	return p.graph
}
